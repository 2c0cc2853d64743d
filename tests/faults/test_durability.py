"""Acknowledged means durable: the real system under load, while what it stands on breaks, again and again.

A short form runs with all tests; `make faults` is as long as real outages are, and prints its table.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.breaking import Server, database_and_queue_away, workers_killed
from tests.faults.load import Load
from tests.faults.report import Row, settled, spilled_so_far, table
from tests.local.running import running

LONG = os.environ.get("VENTANA_FAULTS") == "long"
KOMMO_SECONDS = 2.0

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the system's processes in /proc"),
]


@dataclass(frozen=True)
class Fault:
    """One thing that breaks, for how long it stays broken, and whether the spill queue has to step in."""

    name: str
    broken: AbstractContextManager[None]
    seconds: float
    long_seconds: float
    spills: bool = True


@pytest.fixture
def server() -> Iterator[Server]:
    # Under the system's own directory for such things: `nobody` must be able to enter it when root runs the tests.
    made = Server(Path(tempfile.mkdtemp(prefix="ventana-faults-")))
    yield made
    made.remove()


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults") / "state"


def faults(server: Server, state: Path) -> list[Fault]:
    return [
        Fault("none", nullcontext(), 1.0, 5.0, spills=False),
        Fault("Postgres kill -9", server.killed(), 1.5, 5.0),
        Fault("Postgres SIGSTOP", server.stopped(), 2.0, 6.0),
        Fault("connections used up", server.exhausted(), 1.0, 5.0),
        Fault("lock on kommo_messages", server.locked(), 2.0, 10.0),
        Fault("webhook workers kill -9", workers_killed(state), 1.0, 5.0, spills=False),
        Fault("database and queue gone", database_and_queue_away(server, state), 1.0, 5.0, spills=False),
    ]


def test_what_was_acknowledged_is_stored_once_whatever_broke_meanwhile(
    server: Server, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Row] = []
    with running(state, DATABASE_URL=server.dsn) as system:
        system.wait_for("Ctrl-C ends it")
        with Load(system.runtime) as load:
            for fault in faults(server, state):
                rows.append(suffer(fault, load, server, state))
    with capsys.disabled():
        if LONG:
            print(f"\n{table(rows)}")  # noqa: T201 - what `make faults` is for
    told = f"\n{table(rows)}"
    assert [(row.lost, row.doubled) for row in rows] == [(0, 0)] * len(rows), told
    assert rows[-1].acknowledged < rows[-1].sent, told
    if LONG:
        # Workers that were killed start again, which takes longer here than it does alone on a machine.
        assert max(row.slowest_kommo_s for row in rows if "workers" not in row.fault) < KOMMO_SECONDS, told


def suffer(fault: Fault, load: Load, server: Server, state: Path) -> Row:
    """Break it under load, mend it, and wait until all that was promised is kept."""
    before = spilled_so_far(state)
    load.phase = fault.name
    load.resume()
    with fault.broken:
        time.sleep(fault.long_seconds if LONG else fault.seconds)
    time.sleep(0.5)
    load.quiet()
    row = settled(server.dsn, fault.name, load.sent, spilled_so_far(state) - before)
    # Some seconds after a time-out webhooks still go around the database, so that a later phase may spill as well.
    assert row.spilled or not fault.spills, table([row])
    return row
