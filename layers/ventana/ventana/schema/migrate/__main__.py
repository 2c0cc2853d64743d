"""The command line of the migration runner; the exit code is 0, or 1 with a line that says what to do."""

from __future__ import annotations

import argparse
import os
import sys

import psycopg

from ventana.schema.migrate import ACTIONS, MigrationError, run


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="ventana.schema.migrate", description="Bring a database up to date.")
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--to", help="the version to stop at")
    parser.add_argument("--dsn", default=os.environ.get("DATABASE_URL"), help="default: DATABASE_URL")
    parser.add_argument(
        "--role", default=os.environ.get("APPLICATION_ROLE"), help="of the application, for up and grant"
    )
    parser.add_argument("--dry-run", action="store_true", help="with up: run it in a transaction and take it back")
    parser.add_argument("--archive", action="store_true", help="with revert: move aside what would be orphaned")
    parser.add_argument("--seconds", type=float, help="end early, so that the next run goes on from there")
    options = parser.parse_args(arguments)
    if not options.dsn:
        parser.error("say which database: set DATABASE_URL or give --dsn")
    try:
        outcome = run(
            options.action,
            options.dsn,
            to=options.to,
            say=lambda line: print(line, flush=True),  # noqa: T201
            dry=options.dry_run,
            archive=options.archive,
            seconds=options.seconds,
            role=options.role or None,
        )
    except (MigrationError, psycopg.Error) as error:
        print(f"migrate {options.action}: {str(error).strip()}", file=sys.stderr)  # noqa: T201
        return 1
    return 1 if options.action == "backfill" and outcome.pending else 0


if __name__ == "__main__":
    sys.exit(main())
