"""What goes wrong while answers are sent: providers that fail, and senders that are killed."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from infra.local.client import Client
from tests.faults.breaking import writing_to
from tests.local.customers import PROVIDERS

HANG_SECONDS = 3.0  # longer than the sender is told to wait
MODES: list[dict[str, Any]] = [
    {"mode": "http_429"},
    {"mode": "http_500"},
    {"mode": "accept_then_drop"},
    {"mode": "hang", "seconds": HANG_SECONDS},
    {"mode": "hang", "seconds": HANG_SECONDS, "taken": True},
    {"mode": "accept_then_drop", "statuses": False},
]


def providers_misbehave(simulators: Client, every: Sequence[int]) -> None:
    """From now on, and to the end: of so many calls one goes wrong in the first way, and so on.

    Without common divisors, or faults would come in swarms.
    """
    for provider in PROVIDERS:
        for mode, calls in zip(MODES, every, strict=True):
            status, told = simulators.call("POST", "/fault", {"provider": provider, "every": calls, **mode})
            assert status == 200, told


class Killed:
    """How many senders were killed so far."""

    count = 0


@contextmanager
def senders_killed(state: Path, pause_seconds: float, most: int) -> Iterator[Killed]:
    """Now and then one of the senders gets kill -9, whatever it is doing; at most so many."""
    over, killed, chance = threading.Event(), Killed(), random.Random()

    def kill() -> None:
        while killed.count < most and not over.wait(pause_seconds * chance.uniform(0.5, 1.5)):
            senders = writing_to(state, "Sender.log")
            with suppress(ProcessLookupError, IndexError):
                os.kill(chance.choice(senders), signal.SIGKILL)
                killed.count += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()
