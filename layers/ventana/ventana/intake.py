"""Takes parsed items in for good: into the database or, while it does not answer, into the spill queue."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from ventana.breaker import Breaker
from ventana.errors import NotConfigured, StorageUnavailable
from ventana.messages import InboundMessage, Item
from ventana.opt_out import with_preferences
from ventana.outbox import Outbox
from ventana.schema.connection import Database
from ventana.schema.inbound import Recorded, record_inbound, turns_of
from ventana.send_queue import SendQueue
from ventana.spill import entries_of
from ventana.spill_queue import SpillQueue

if TYPE_CHECKING:
    from ventana.fetch_queues import MediaQueue

FILES_SECONDS = 0.8
"""Longest wait for the queue of files; where less is left of a provider's patience, the sweep queues them."""
TURNS_SECONDS = 0.8
"""Longest wait for the queue of turns, in the same way."""
EVENTS_SECONDS = 0.5
"""Longest wait for the event bus, in the same way."""
TOLD = {"recorded", "moved", "echo"}
"""Outcomes that cause events."""


def _now() -> datetime:
    return datetime.now(UTC)


class Intake:
    """What it has taken is safe, and may be acknowledged. Without a queue, only the database counts.

    It is patient as long as the provider is: what the database has not used up is the queue's, or that of the files of
    what was recorded, which no message waits for.
    """

    def __init__(
        self,
        database: Database,
        queue: SpillQueue | None,
        breaker: Breaker,
        patience_seconds: float,
        now: Callable[[], datetime] = _now,
        media_queue_url: str | None = None,
        send_queue: SendQueue | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self._database, self._queue, self._breaker = database, queue, breaker
        self._media_queue_url, self._send_queue, self._outbox = media_queue_url, send_queue, outbox
        self._patience_seconds, self._now = patience_seconds, now

    def take(self, items: Sequence[Item]) -> Counter[str]:
        """Record the items, or let them wait; returns how many came to which outcome, "spilled" among them.

        Raises StorageUnavailable, or NotConfigured, when they are safe nowhere: then the provider must hear of it.
        """
        if not items:
            return Counter()
        items = with_preferences(items)
        arrived, until = self._now(), time.monotonic() + self._patience_seconds
        try:
            with self._breaker.guarding():
                recorded = record_inbound(self._database, items)
        except (StorageUnavailable, NotConfigured) as error:
            if self._queue is None:
                raise
            try:
                self._queue.put(entries_of(items, arrived), until)
            except StorageUnavailable as refused:
                raise StorageUnavailable(f"{error}; {refused}") from error
            return Counter(spilled=len(items))
        self._follow_up(items, recorded, until)
        return Counter(row.outcome for row in recorded)

    def _follow_up(self, items: Sequence[Item], recorded: Sequence[Recorded], until: float) -> None:
        """Start what follows from what is committed, as far as patience goes; the sweep starts the rest."""
        if self._send_queue is not None and (turns := turns_of(recorded)):
            self._send_queue.put_quietly(turns, "recorded", until)
        if self._media_queue_url and any(isinstance(item, InboundMessage) and item.media for item in items):
            self._files.put_new(items, recorded, until - time.monotonic())
        if self._outbox is not None and any(row.outcome in TOLD for row in recorded):
            self._outbox.publish_quietly(until)

    @cached_property
    def _files(self) -> MediaQueue:
        from ventana.fetch_queues import MediaQueue  # most containers never see a file

        return MediaQueue(self._media_queue_url or "", FILES_SECONDS)
