"""The inside of a system that runs here."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg

from infra.doctor.line import Line
from ventana.schema.migrate import MigrationError, run

SWEEP_LOG = "WindowSweep.log"
LATE_SECONDS = 180.0
"""It runs every minute."""


class LocalInside:
    """Its database, and the logs of its functions. What is in its simulated queues is not told anywhere."""

    def __init__(self, dsn: str, logs: Path) -> None:
        self._dsn, self._logs = dsn, logs

    def deployment(self) -> list[Line]:
        """There is none."""
        return []

    def migrations(self) -> list[Line]:
        """Whether all migrations have run."""
        try:
            pending = run("plan", self._dsn, say=lambda line: None).pending
        except psycopg.OperationalError:
            advice = "start it; while it is away webhooks wait in the spill queue, and nothing is sent"
            return [Line("problem", "the database cannot be reached", advice)]
        except (psycopg.Error, MigrationError) as error:
            return [Line("problem", f"the migrations cannot be looked at: {' '.join(str(error).split())}")]
        return [migrated(pending, "run make migrate, or start the system again")]

    def queues(self) -> list[Line]:
        """Not told."""
        return []

    def sweep(self) -> list[Line]:
        """By what it has logged: it does so each time."""
        try:
            age = time.time() - (self._logs / SWEEP_LOG).stat().st_mtime
        except OSError:
            age = self._up_for()
            if age < LATE_SECONDS:
                return [Line("ok", "the sweep is due within the next minute")]
        if age < LATE_SECONDS:
            return [Line("ok", "the sweep ran within the last three minutes")]
        advice = f"see {SWEEP_LOG} in the state directory's logs; without it windows do not close and events may wait"
        return [Line("problem", f"the sweep last ran {age / 60:.0f} minutes ago", advice)]

    def _up_for(self) -> float:
        return time.time() - (self._logs.parent / "runtime.json").stat().st_mtime


def migrated(pending: list[str], advice: str) -> Line:
    """What is to say of migrations that wait."""
    if pending:
        return Line("problem", f"migrations are pending: {', '.join(pending)}", advice)
    return Line("ok", "all migrations have run")
