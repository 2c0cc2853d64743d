"""The migration runner: applies the folder of SQL files to a database, once each, in order, whoever starts it.

    python -m ventana.schema.migrate up | plan | verify | revert | baseline | backfill | grant
        [--to VERSION] [--role ROLE] [--dsn DSN]

A version is a file of steps (folder.py). Each is done in a way that a database in use does not feel (steps.py) and is
written into `ventana_meta` in the same commit (ledger.py). What a database should consist of is found out by rehearsing
the versions on the same server (rehearse.py) and comparing catalogs (catalog.py). A session advisory lock, polled and
never waited for in one statement, lets one runner work at a time and frees itself when the runner dies (exclusive.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from ventana.schema.backfill import backfill
from ventana.schema.backfill_words import backfill_words
from ventana.schema.migrate.exclusive import exclusive
from ventana.schema.migrate.folder import Ahead, Drift, Locked, Migration, MigrationError, Unfinished, load
from ventana.schema.migrate.runner import Outcome, Runner
from ventana.schema.migrate.steps import Limits
from ventana.schema.migrate.stopping import asked_to_stop

__all__ = [
    "ACTIONS",
    "FOLDER",
    "Ahead",
    "Drift",
    "Locked",
    "Migration",
    "MigrationError",
    "Outcome",
    "Unfinished",
    "load",
    "run",
]
FOLDER = Path(__file__).parents[5] / "functions" / "migrator" / "migrations"  # of a checkout; the function says its own
LOCK_WAIT_SECONDS = 60.0
ACTIONS = ("up", "plan", "verify", "revert", "baseline", "backfill", "grant")


def run(
    action: str,
    dsn: str,
    *,
    folder: Path | None = None,
    to: str | None = None,
    say: Callable[[str], None] = print,
    lock_seconds: float = LOCK_WAIT_SECONDS,
    dry: bool = False,
    archive: bool = False,
    seconds: float | None = None,
    role: str | None = None,
) -> Outcome:
    """Do `action` on the database at `dsn`, up to the version `to`, and print the report through `say`.

    up        apply what is pending; `dry`: take it back  plan      show what would run; changes nothing
    verify    compare the database with the folder        revert    undo what is after `to` (default: the last one)
    baseline  adopt a database that has the schema already, as far as it is the same
    backfill  compute windows of old conversations and words to find them by; ends early after a signal, and goes on in
              the next run
    grant     let the application's `role` read and call what is ours, and nothing else; `up` ends with it

    Waits `lock_seconds` for another run to end, and works for `seconds` at most. A revert refuses to lose conversations
    that the former schema cannot hold, unless it may `archive` them. Raises MigrationError (Drift, Ahead, Locked,
    Unfinished), and psycopg.Error.
    """
    limits = Limits(time.monotonic() + seconds if seconds is not None else None)
    migrations = load(folder or FOLDER)
    if to is not None and to not in {migration.version for migration in migrations}:
        raise MigrationError(f"there is no version {to}; the last one is {migrations[-1].version}")
    if action not in ACTIONS:
        raise MigrationError(f"unknown action {action}: use one of {', '.join(ACTIONS)}")
    if action == "grant" and not role:
        raise MigrationError("say which role the application has; nothing was changed")
    if dry and action != "up":
        raise MigrationError(f"only `up` has a dry run, `{action}` has none; nothing was changed")
    with psycopg.connect(dsn, autocommit=True, application_name="ventana-migrator", connect_timeout=10) as connection:
        runner = Runner(connection, dsn, migrations, say, limits)
        if action == "plan":
            return runner.plan(to)
        if action == "verify":
            return runner.verify()
        if action == "backfill":
            return _backfill(runner)
        runner.ledger.checked(migrations)  # a folder that does not fit is told so at once, whoever holds the lock
        with exclusive(connection, dsn, lock_seconds if seconds is None else min(lock_seconds, seconds), say):
            if action == "up" and dry:
                return runner.rehearsal(to)
            runner.ledger.ensure()
            match action:
                case "revert":
                    return runner.revert(to, archive)
                case "baseline":
                    return runner.baseline(to)
                case "grant" if role:
                    return runner.grant(role)
            outcome = runner.up(to)
            if role:
                runner.grant(role)
            return outcome


def _backfill(runner: Runner) -> Outcome:
    """Here, and not a command of its own: it needs the same database, the same ledger, and the same Lambda function.

    It takes no lock of a run: a deployment must not wait for it.
    """
    pending = runner.ledger.pending(runner.migrations, None)
    if pending:
        raise MigrationError(f"{pending[0].version} is pending: run `up` before `backfill`; nothing was changed")
    with asked_to_stop() as stopped:

        def over() -> bool:
            return runner.limits.over() or stopped()

        progress = backfill(runner.connection, runner.say, over)
        finished = progress.finished and backfill_words(runner.connection, runner.say, over)
    return Outcome("backfill", pending=[] if finished else ["backfill"])
