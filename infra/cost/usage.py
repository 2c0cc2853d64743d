"""What one message uses, from what was measured and from what is assumed; each assumption is a number with a name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ventana.providers import PROVIDERS

FILE = Path(__file__).with_name("measured.json")
KB, GB = 1e3, 1e9


@dataclass(frozen=True)
class Assumed:
    """How a support desk uses the system. A message is a row, of the customer or of ours."""

    ours: float = 0.5
    """Share of messages that we send; the rest come in, one webhook each."""
    statuses: float = 3.0
    """Webhooks that tell of one message of ours: sent, delivered, read."""
    reads: float = 2.0
    """Requests of operators' tools for each message, beside the one that accepts it."""
    turns: float = 1.1
    """Runs of the sender for each message of ours; some wait for their pace."""
    events: float = 2.75
    """Published for each message: received; queued, sent, delivered, read for ours; some for windows."""
    files: float = 0.1
    """Share of messages with a file, and its size in bytes."""
    file_bytes: float = 300 * KB
    provider_ms: float = 250.0
    """What a provider takes to answer a send; the simulated ones take nothing."""
    network_ms: float = 4.0
    """What a database in another zone adds to an event, to a few round trips."""
    event_bytes: float = 1.5 * KB
    platform_log_bytes: float = 600.0
    """Lines that Lambda itself writes of each event."""
    access_log_bytes: float = 320.0
    send_bytes: float = 4 * KB
    """Through the NAT gateway and out, for each message of ours."""
    peak: float = 5.0
    """How much more the busiest second has than the average one."""
    months_kept: float = 12.0
    """Months of messages in the database."""
    commits: float = 9.0
    """Of each message: recording, statuses, events taken and confirmed, accepting, claiming, finishing."""
    metrics: float = 130.0
    """Metrics of ours, each in all its dimensions: by service, those of messages by provider as well."""
    cold_share: float = 0.005
    """Share of events that find no warm copy."""


WEBHOOKS = tuple(f"{name.title()}Webhook" for name in PROVIDERS)
"""A third of the messages each."""


@dataclass(frozen=True)
class Measured:
    """What infra/cost/measure.py found."""

    date: str
    machine: str
    database_bytes: float
    functions: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path = FILE) -> Measured:
        """The checked-in measurement."""
        found: dict[str, Any] = json.loads(path.read_text())
        return cls(found["date"], found["machine"], found["database_bytes_per_message"], found["functions"])


@dataclass(frozen=True)
class Use:
    """Of one function, for each message: how many events, how long one takes (ms), bytes of log of one."""

    events: float
    ms: float
    log_bytes: float


def uses(measured: Measured, assumed: Assumed) -> dict[str, Use]:
    """What each function does for one message."""
    webhooks = (1 - assumed.ours) + assumed.ours * assumed.statuses

    def use(name: str, events: float, more_ms: float = 0.0) -> Use:
        found = measured.functions[name]
        log = found["log_bytes"] + assumed.platform_log_bytes
        return Use(events, found["ms"] + assumed.network_ms + more_ms, log)

    found = {name: use(name, webhooks / len(WEBHOOKS)) for name in WEBHOOKS}
    found["Api"] = use("Api", assumed.ours + assumed.reads)
    found["Sender"] = use("Sender", assumed.ours * assumed.turns, assumed.provider_ms)
    # Not in the measured load, which is text: a file takes as long as it takes to come and go.
    fetching = Use(assumed.files, 4 * assumed.provider_ms, found["Sender"].log_bytes)
    return {**found, "Media": fetching}
