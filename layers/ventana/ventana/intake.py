"""Takes parsed items in for good: into the database or, while it does not answer, into the spill queue."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ventana.breaker import Breaker
from ventana.errors import NotConfigured, StorageUnavailable
from ventana.messages import Item
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.spill import entries_of
from ventana.spill_queue import SpillQueue


def _now() -> datetime:
    return datetime.now(UTC)


class Intake:
    """What it has taken is safe, and may be acknowledged. Without a queue, only the database counts.

    It is patient as long as the provider is: what the database has not used up is the queue's.
    """

    def __init__(
        self,
        database: Database,
        queue: SpillQueue | None,
        breaker: Breaker,
        patience_seconds: float,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._database, self._queue, self._breaker = database, queue, breaker
        self._patience_seconds, self._now = patience_seconds, now

    def take(self, items: Sequence[Item]) -> Counter[str]:
        """Record the items, or let them wait; returns how many came to which outcome, "spilled" among them.

        Raises StorageUnavailable, or NotConfigured, when they are safe nowhere: then the provider must hear of it.
        """
        if not items:
            return Counter()
        arrived, until = self._now(), time.monotonic() + self._patience_seconds
        try:
            with self._breaker.guarding():
                return Counter(row.outcome for row in record_inbound(self._database, items))
        except (StorageUnavailable, NotConfigured) as error:
            if self._queue is None:
                raise
            try:
                self._queue.put(entries_of(items, arrived), until)
            except StorageUnavailable as refused:
                raise StorageUnavailable(f"{error}; {refused}") from error
            return Counter(spilled=len(items))
