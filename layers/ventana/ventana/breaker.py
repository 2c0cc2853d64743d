"""Spares callers the wait for a database that has just not answered: one finds out, the next ones go around it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ventana.errors import NotConfigured, StorageUnavailable
from ventana.telemetry import logger

PAUSE_SECONDS = 5.0


class Breaker:
    """Opens for some seconds when a call took at least `slow_seconds` to fail; what fails fast may be tried each time.

    Without it every webhook of an outage would wait the whole time-out, and each wait would leave a connection behind
    for a server that has enough to do. One outage is one line in the log, whatever its number of calls.
    """

    def __init__(self, slow_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._slow_seconds, self._clock = slow_seconds, clock
        self._open_until = 0.0
        self._away = False

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Watch the database calls of the block. Raises StorageUnavailable at once while open."""
        started = self._clock()
        if started < self._open_until:
            raise StorageUnavailable("the database did not answer a moment ago")
        try:
            yield
        except (StorageUnavailable, NotConfigured) as error:
            ended = self._clock()
            if ended - started >= self._slow_seconds:
                self._open_until = ended + PAUSE_SECONDS
            if not self._away:
                logger.warning("database_away", extra={"reason": str(error)})
            self._away = True
            raise
        if self._away:
            logger.info("database_back")
            self._away = False
