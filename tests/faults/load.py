"""Customers who write without a break, through every provider at once, and remember what was acknowledged."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from itertools import count
from typing import Any

from tests.local.customers import PROVIDERS, Customers, Letter

WRITERS = 2  # for each provider: as many as a function has workers, so that nobody waits for a free one
CUSTOMERS = 5  # for each writer: several messages a conversation
PAUSE_SECONDS = 0.1
MOST_REQUESTS = 5_000


@dataclass(frozen=True)
class Sent:
    """One request: what it carried, in which phase it was begun, how it was answered (0: not at all) and when."""

    phase: str
    provider: str
    ids: tuple[str, ...]
    status: int
    seconds: float

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


class Load:
    """Writes while the block runs. `phase` is noted with each request; `quiet` waits for answers under way."""

    def __init__(self, runtime: Mapping[str, Any]) -> None:
        self.phase = ""
        self.sent: list[Sent] = []
        self._customers = Customers(runtime)
        self._app_secret = runtime["secrets"]["meta_app_secret"]
        self._ended, self._writing = threading.Event(), threading.Event()
        self._writing.set()
        self._busy = threading.Semaphore(WRITERS * len(PROVIDERS))
        self._threads = [
            threading.Thread(target=self._write, args=(provider, writer), daemon=True)
            for writer, provider in enumerate(PROVIDERS * WRITERS)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._writing.set()
        for thread in self._threads:
            thread.join(60)

    def quiet(self) -> None:
        """Write nothing more until `resume`, and wait for the answers to what was written."""
        self._writing.clear()
        for _ in self._threads:
            self._busy.acquire()
        self._busy.release(len(self._threads))

    def resume(self) -> None:
        """Write again."""
        self._writing.set()

    def _write(self, provider: str, writer: int) -> None:
        for letter, ids in self._letters(provider, writer):
            self._writing.wait()
            if self._ended.is_set() or len(self.sent) >= MOST_REQUESTS:
                return
            with self._busy:
                phase, started = self.phase, time.monotonic()
                try:
                    status = self._customers.post(letter)
                except (OSError, HTTPException):
                    status = 0
                self.sent.append(Sent(phase, provider, ids, status, time.monotonic() - started))
            time.sleep(PAUSE_SECONDS)

    def _letters(self, provider: str, writer: int) -> Iterator[tuple[Letter, tuple[str, ...]]]:
        """A message, several in one webhook where the provider does so, and now and then one that comes again."""
        for number in count():
            some = 3 if provider == "meta" and number % 4 == 0 else 1
            letters = [
                self._customers.letter(provider, f"message {number}", writer * 100 + (number + n) % CUSTOMERS)
                for n in range(some)
            ]
            letter = self._together(letters) if some > 1 else letters[0]
            ids = tuple(one.message_id for one in letters)
            yield letter, ids
            if number % 5 == 0:
                yield letter, ids

    def _together(self, letters: list[Letter]) -> Letter:
        bodies = [json.loads(letter.body) for letter in letters]
        bodies[0]["entry"] += [body["entry"][0] for body in bodies[1:]]
        body = json.dumps(bodies[0]).encode()
        digest = hmac.new(self._app_secret.encode(), body, "sha256").hexdigest()
        return replace(letters[0], body=body, headers={**letters[0].headers, "X-Hub-Signature-256": f"sha256={digest}"})
