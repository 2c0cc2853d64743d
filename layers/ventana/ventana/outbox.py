"""The outbox: events that were committed with what they tell of, published to the bus right after the commit.

Who has just committed publishes what is due, its own events and what others left; the sweep does what nobody did. An
event may be published twice, when a publisher dies after the bus took it: its id is what consumers deduplicate by.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ventana.errors import StorageUnavailable
from ventana.schema.connection import Database
from ventana.schema.events import Event, claim_events, finish_events
from ventana.snapshot import before_snapshot
from ventana.telemetry import count, logger

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SCHEMA_VERSION = 1
EVENTS_A_CALL = 10  # as many as PutEvents takes
LARGEST_BYTES = 200_000  # of the 256 KB that PutEvents takes for all its entries; larger ones travel alone
LARGEST_VALUE_BYTES = 25_000  # of one value of an event that is too large: a text of 4096 characters stays
LEASE = timedelta(minutes=2)
REST_SECONDS = 30.0  # how long a bus that did not answer is left to the sweep


class Outbox:
    """Publishes to the bus named `bus_name`; without a name, nothing is published.

    `call_seconds`: longest wait for one answer of the bus. After a failure it rests, because callers wait for it.
    """

    def __init__(
        self,
        database: Database,
        bus_name: str | None,
        call_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._bus_name, self._call_seconds, self._clock = database, bus_name, call_seconds, clock
        self._resting_until = 0.0
        before_snapshot(lambda: self._client if bus_name else None)

    @cached_property
    def _client(self) -> EventBridgeClient:
        import boto3  # slow to import: only what publishes pays for it
        from botocore.config import Config

        half = self._call_seconds / 2
        patience = Config(connect_timeout=half, read_timeout=half, retries={"total_max_attempts": 1})
        return boto3.client("events", config=patience)

    def publish(self) -> int:
        """Publish the oldest events that are due, at most ten; returns how many the bus took.

        Raises botocore's errors and StorageUnavailable; what was not confirmed is published again after two minutes.
        """
        if not self._bus_name:
            return 0
        events = claim_events(self._database, EVENTS_A_CALL, LEASE)
        taken: list[str] = []
        try:
            for some in _calls(events):
                answer = self._client.put_events(Entries=[self._entry(event) for event in some])
                taken += [
                    each.id for each, entry in zip(some, answer["Entries"], strict=True) if not entry.get("ErrorCode")
                ]
        finally:
            if taken:
                finish_events(self._database, taken)
                count("EventsPublished", len(taken))
                for event in events:
                    if event.name == "MessageStatusChanged" and event.id in taken:
                        count(f"Status{str(event.detail['status']).title()}")
        return len(taken)

    def publish_quietly(self, until: float | None = None) -> None:
        """Publish what was just committed, if that is possible now; the sweep publishes what was not.

        `until`, by the clock: when the caller has to be done. Nothing is begun that the bus may answer later than that.
        """
        if not self._bus_name or self._clock() < self._resting_until:
            return
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            while until is None or until - self._clock() > self._call_seconds:
                if self.publish() < EVENTS_A_CALL:
                    return
        except (BotoCoreError, ClientError, StorageUnavailable) as error:
            self._resting_until = self._clock() + REST_SECONDS
            logger.warning("not_published", extra={"error": type(error).__name__})

    def _entry(self, event: Event) -> Any:
        return {
            "Time": event.occurred_at,
            "Source": "ventana",
            "DetailType": event.name,
            "Detail": _detail(event),
            "EventBusName": self._bus_name,
        }


def _detail(event: Event) -> str:
    """The event as consumers get it; one that is too large goes without its large values, which can be read."""
    detail = {"event_id": event.id, "version": SCHEMA_VERSION, **event.detail}
    text = _text(detail)
    if len(text.encode()) > LARGEST_BYTES:
        small = {name: value for name, value in detail.items() if len(_text(value).encode()) <= LARGEST_VALUE_BYTES}
        text = _text({**small, "shortened": True})
    return text


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _calls(events: list[Event]) -> list[list[Event]]:
    """Events that fit into one call each time."""
    calls: list[list[Event]] = []
    size = 0
    for event in events:
        length = len(_detail(event).encode())
        if not calls or size + length > LARGEST_BYTES:
            calls.append([])
            size = 0
        calls[-1].append(event)
        size += length
    return calls
