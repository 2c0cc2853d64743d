"""What the API answers about all conversations at once, shape by shape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from ventana.dead_letters import DeadLetterCount
from ventana.schema.conversations import ProviderStatistics
from ventana.schema.parked import ParkedCounts
from ventana.schema.statistics import Failures

Range: TypeAlias = Literal["24h", "7d", "30d"]


@dataclass(frozen=True, slots=True)
class Windows:
    """Conversations of a provider by their window: open, of these closing within the hour, and shut."""

    provider: str
    open: int
    closing: int
    shut: int


@dataclass(frozen=True, slots=True)
class Point:
    """What came, was sent and failed in the step that begins at `at`."""

    at: datetime
    provider: str
    received: int
    sent: int
    failed: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """Of ours: `accepted` were sent, or ended without that; `delivered` and `read` are of those that were sent."""

    accepted: int
    sent: int
    delivered: int
    read: int
    failed: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """What waits: sends that nobody can tell about, messages held for their customer, addresses that are stopped."""

    uncertain: int
    held: int
    addresses_stopped: int


@dataclass(frozen=True, slots=True)
class Overview:
    """How things are, and how they went in a range of time.

    `series` has a row for each step and provider. What others sent from our numbers, with a phone or in a provider's
    own console, is not in it. `parked`, and what is held, count to 1,000; `notices` are those of the range.
    `dead_letters` is null where the queues did not answer, `last_sweep` before the first. Events that were published
    before `counted_to` are counted, half a minute to two minutes ago.
    """

    range: Range
    since: Annotated[datetime, Field(alias="from")]
    to: datetime
    step: Literal["hour", "day"]
    providers: list[ProviderStatistics]
    windows: list[Windows]
    series: list[Point]
    funnel: Funnel
    failures: list[Failures]
    parked: ParkedCounts
    waiting: Stuck
    dead_letters: list[DeadLetterCount] | None
    last_sweep: dict[str, Any] | None
    counted_to: datetime


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """How many entries wait in each dead letter queue that leads back to a queue of ours."""

    queues: list[DeadLetterCount]
