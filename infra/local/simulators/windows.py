"""When customers wrote, to which of our addresses, and who wants to hear no more: what providers remember of them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from infra.local.simulators.contract import Heard
from infra.local.simulators.faults import bare

DAY_SECONDS = 24 * 3600.0
STOP = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit"})
START = frozenset({"start", "unstop", "yes"})


class Windows:
    """Who wrote where, kept in a file where one is given: providers remember customers when the gateway restarts."""

    def __init__(self, memory: Path | None = None) -> None:
        self._last: dict[tuple[str, str, str], float] = {}
        self._stopped: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()
        self._memory = memory
        if memory is not None and memory.exists():
            self._recall(memory)

    def hear(self, provider: str, heard: Heard) -> None:
        """Remember a customer's message; only the address that it was written to hears it."""
        with self._lock:
            for name in map(bare, heard.customers):
                key = (provider, bare(heard.address), name)
                word = heard.text.strip().lower()
                if word in STOP:
                    self._stopped.add(key)
                elif word in START:
                    self._stopped.discard(key)
                if heard.opens and self._moved(key, min(heard.at, time.time())) and self._memory is not None:
                    with self._memory.open("a") as file:
                        file.write(json.dumps([*key, self._last[key]]) + "\n")

    def make_older(self, seconds: float) -> None:
        """Let so much time have gone by."""
        with self._lock:
            self._last = {key: at - seconds for key, at in self._last.items()}
            self._remember()

    def last(self, provider: str, customers: Iterable[str], address: str) -> float | None:
        """When the customer wrote last to this address, under any of these names; None: never."""
        with self._lock:
            keys = [(provider, bare(address), bare(name)) for name in customers]
            return max((self._last[key] for key in keys if key in self._last), default=None)

    def stopped(self, provider: str, customers: Iterable[str], address: str) -> bool:
        """Whether the customer wrote STOP to this address, and not START since."""
        with self._lock:
            return any((provider, bare(address), bare(name)) in self._stopped for name in customers)

    def _moved(self, key: tuple[str, str, str], at: float) -> bool:
        if self._last.get(key, 0.0) >= at:
            return False
        self._last[key] = at
        return True

    def _recall(self, memory: Path) -> None:
        """Read what is still worth knowing, and forget the rest; a line that was cut off is no loss."""
        for line in memory.read_text().splitlines():
            try:
                provider, address, name, at = json.loads(line)
            except ValueError:
                continue
            if at > time.time() - DAY_SECONDS:
                self._moved((provider, address, name), at)
        self._remember()

    def _remember(self) -> None:
        if self._memory is not None:
            self._memory.write_text("".join(json.dumps([*key, at]) + "\n" for key, at in self._last.items()))
