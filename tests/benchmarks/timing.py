"""How often and how long: rounds that end by themselves, and calls that are timed one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from statistics import median
from typing import Any

LEAST = 3
"""So many rounds, and so many calls of a figure in one, are made however long they take."""

Call = Callable[[], Any]


def rounds_of(number: int, seconds: float) -> Iterator[bool]:
    """So many rounds, each True, after one that only warms up; fewer where they take longer than `seconds` in all."""
    until = time.monotonic() + seconds
    yield False
    for done in range(number):
        if done >= LEAST and time.monotonic() > until:
            return
        yield True


def took(call: Call) -> float:
    """What a call takes, in milliseconds."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def typical(calls: Iterable[Call], seconds: float = 0.5) -> float:
    """The median of what these calls take, in milliseconds; not all are made where they take longer than `seconds`."""
    until = time.monotonic() + seconds
    waiting = iter(calls)
    found = [took(call) for call in islice(waiting, LEAST)]
    for call in waiting:
        if time.monotonic() > until:
            break
        found.append(took(call))
    return median(found)
