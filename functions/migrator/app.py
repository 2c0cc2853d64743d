"""The migrator: brings the schema up to the migrations beside this file, on deployment or when asked.

CloudFormation custom resource: Create and Update run `up`, Delete does nothing; an answer is always sent, in time.
Direct invoke: {"action": "up" | "plan" | "verify" | "revert" | "baseline" | "grant", "to": "<version>"}, and where
wanted "dry_run": true (up) or "archive": true (revert).

APPLICATION_ROLE names the role that the other functions connect as: `up` ends with giving it what it needs.

It ends before Lambda ends it. Index builds go on in the server then, and whoever runs it next goes on from there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.custom_resource import REASON_LENGTH, Answer, answered, within
from ventana.schema.connection import Database
from ventana.schema.migrate import Ahead, MigrationError, Unfinished, run
from ventana.settings import Settings
from ventana.telemetry import logger

FOLDER = Path(__file__).parent / "migrations"
ASKED = {"action": str, "to": str, "dry_run": bool, "archive": bool}
SPARE_SECONDS = 45.0  # the run ends so long before Lambda ends it: for a statement that hangs, and for the answer
ANSWER_SECONDS = 25.0
FINISH = "go on by deploying again, or, where there is more time, with DATABASE_URL=… make migrate"


def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Run one action; raises MigrationError on direct invoke, so that the caller sees a function error."""
    remaining = context.get_remaining_time_in_millis() / 1000
    if "ResponseURL" in event:
        return _custom_resource(event, remaining)
    # What is misspelled must not become an `up`, nor a dry run a real one.
    wrong = [name for name, value in event.items() if not isinstance(value, ASKED.get(name, ()))]
    if wrong:
        raise MigrationError(f"not understood: {', '.join(wrong)}; there are action, to, dry_run and archive")
    return migrate(remaining, **event)


def migrate(
    remaining: float, action: str = "up", to: str | None = None, dry_run: bool = False, archive: bool = False
) -> Answer:
    """Run `action` and tell what was done, what is pending and what is missing. Raises Unfinished in time."""
    report: list[str] = []

    def say(line: str) -> None:
        report.append(line)
        logger.info("migrating", extra={"said": line})

    def work() -> Answer:
        dsn = Database(Settings.from_environment()).conninfo()
        outcome = run(
            action,
            dsn,
            folder=FOLDER,
            to=to,
            say=say,
            dry=dry_run,
            archive=archive,
            seconds=max(0.0, remaining - SPARE_SECONDS),
            role=os.environ.get("APPLICATION_ROLE") or None,
        )
        return {
            "action": action,
            "done": outcome.done,
            "pending": outcome.pending,
            "missing": [component.name for component in outcome.components if not component.present],
            "report": report,
        }

    try:
        answer = within(remaining - ANSWER_SECONDS, work, Unfinished("the database does not answer"))
    except Unfinished as unfinished:
        raise Unfinished(f"{unfinished}; {FINISH}") from None
    logger.info("migrated", extra={name: answer[name] for name in ("action", "done", "pending")})
    return answer


def _custom_resource(event: dict[str, Any], remaining: float) -> Answer:
    def work() -> Answer:
        try:
            return {"applied": ",".join(migrate(remaining)["done"])[:REASON_LENGTH]}
        except Ahead:
            # The release before, back after a rollback: the schema has all that it needs.
            return {"applied": ""}

    return answered(event, "ventana-schema", work, _reason)


def _reason(error: Exception) -> str:
    """What went wrong; of the server's words not the detail, which may hold a customer's row."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return " ".join(filter(None, (error.diag.message_primary, error.diag.message_hint)))
    return str(error).strip() or type(error).__name__
