"""A process of the soak: a warm handler for each provider, called at a steady pace or without a pause."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.system import KINDS, System, as_sent, logging_to
from tests.benchmarks.webhooks import Identity, Kind, event_of
from ventana.schema.types import Connection

MIX = ("twilio text", "meta text", "kommo text", "meta status")
"""Kinds of webhooks, in turn."""
SAMPLE_SECONDS = 5.0
AT_ONCE = 100
"""How many webhooks a handler's process makes and signs at once: between calls, not in them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one handler's process did in some seconds."""

    calls: int
    refused: int
    milliseconds: list[float]
    late_seconds: float
    resident_bytes: int


def work(pipe: Pipe, number: int, directory: Path, dsn: str) -> None:
    """Told for how many seconds and how often, a process sends a sample every few seconds, and None at the end."""
    system = System(directory, dsn)
    kinds = [next(kind for kind in KINDS if kind.name == name) for name in MIX]
    with logging_to(Path(os.devnull)), psycopg.connect(dsn, autocommit=True) as owner:
        try:
            while True:
                seconds, gap = pipe.recv()
                for sample in _load(system, owner, kinds, number, seconds, gap):
                    pipe.send(sample)
                pipe.send(None)
        except (EOFError, BrokenPipeError):
            return
        finally:
            system.close()


def _load(
    system: System, owner: Connection, kinds: Sequence[Kind], number: int, seconds: float, gap: float
) -> Iterator[Sample]:
    started = due = sampled = time.monotonic()
    spent = 0.0  # on making webhooks, where they are called without a pause
    taken: list[float] = []
    refused, late = 0, 0.0
    while True:
        before = time.monotonic()
        calls = list(_webhooks(system, owner, kinds, number))
        spent += time.monotonic() - before
        for handler, event in calls:
            now = time.monotonic()
            if now - started - (0.0 if gap else spent) >= seconds:
                yield Sample(len(taken), refused, taken, late, _resident())
                return
            if gap:
                due += gap
                time.sleep(max(0.0, due - now))
                late = max(0.0, time.monotonic() - due)
            begun = time.perf_counter()
            answer = handler(event, None)
            taken.append((time.perf_counter() - begun) * 1000)
            refused += answer["statusCode"] != 200
            if time.monotonic() > sampled + SAMPLE_SECONDS:
                sampled = time.monotonic()
                yield Sample(len(taken), refused, taken, late, _resident())
                taken, refused = [], 0


def _webhooks(
    system: System, owner: Connection, kinds: Sequence[Kind], number: int
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Some of each kind, in turn, by customers that are this process's own."""
    made = []
    for kind in kinds:
        identities = [[_own(one, number) for one in each] for each in kind.identities(AT_ONCE // len(kinds))]
        if kind.is_status:
            as_sent(owner, kind, [one for each in identities for one in each])
        made.append([(system.handlers[kind.provider], event_of(kind.request(each))) for each in identities])
    for turn in zip(*made, strict=True):
        yield from turn


def _own(identity: Identity, number: int) -> Identity:
    return replace(identity, customer=f"{number:03d}{identity.customer[3:]}")


def _resident() -> int:
    """Bytes of memory of this process, as the kernel has them."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        from resource import RUSAGE_SELF, getrusage

        return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
