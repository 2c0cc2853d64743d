"""How often is too often: to one customer, and from one address."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable


class PairRate:
    """One message in `seconds` for each pair, and `burst` of them at once to begin with."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._free_at: dict[Hashable, float] = {}
        """When the pair would have nothing left to wait for."""
        self._lock = threading.Lock()

    def allows(self, pair: Hashable, seconds: float, burst: int) -> bool:
        """Whether one more may go now; it counts if so."""
        with self._lock:
            now = self._clock()
            free_at = max(self._free_at.get(pair, now), now)
            # A little late is not too early: clocks of two processes are compared.
            if free_at - now > seconds * (burst - 1) + 0.001:
                return False
            self._free_at[pair] = free_at + seconds
            return True


class SecondRate:
    """So many in any second from each address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[Hashable, deque[float]] = {}
        self._lock = threading.Lock()

    def allows(self, address: Hashable, per_second: int) -> bool:
        """Whether one more may go now; it counts if so."""
        with self._lock:
            now, times = self._clock(), self._times.setdefault(address, deque())
            while times and times[0] <= now - 1.0:
                times.popleft()
            if len(times) >= per_second:
                return False
            times.append(now)
            return True
