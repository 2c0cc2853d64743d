"""The migrator: brings the schema up to the migrations beside this file, on deployment or when asked.

CloudFormation custom resource: Create and Update run `up`, Delete does nothing; an answer is always sent, in time.
Direct invoke: {"action": "up" | "plan" | "verify" | "revert" | "baseline", "to": "<version>"}, and where wanted
"dry_run": true (up) or "archive": true (revert).

It ends before Lambda ends it. Index builds go on in the server then, and whoever runs it next goes on from there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psycopg
import urllib3
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.schema.connection import Database
from ventana.schema.migrate import Ahead, MigrationError, Unfinished, run
from ventana.settings import Settings
from ventana.telemetry import logger

FOLDER = Path(__file__).parent / "migrations"
ASKED = {"action": str, "to": str, "dry_run": bool, "archive": bool}
SPARE_SECONDS = 45.0  # the run ends so long before Lambda ends it: for a statement that hangs, and for the answer
ANSWER_SECONDS = 25.0
FINISH = "go on by deploying again, or, where there is more time, with DATABASE_URL=… make migrate"
ANSWER_BYTES = 4096  # CloudFormation takes no more
REASON_LENGTH = 1000
Answer = dict[str, Any]


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
        )
        return {
            "action": action,
            "done": outcome.done,
            "pending": outcome.pending,
            "missing": [component.name for component in outcome.components if not component.present],
            "report": report,
        }

    try:
        answer = _within(remaining - ANSWER_SECONDS, work)
    except Unfinished as unfinished:
        raise Unfinished(f"{unfinished}; {FINISH}") from None
    logger.info("migrated", extra={name: answer[name] for name in ("action", "done", "pending")})
    return answer


def _within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """What `work` returns or raises. One that hangs, as with a server that is there and silent, is left behind."""
    result: Future[Answer] = Future()

    def do() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    try:
        return result.result(max(0.0, seconds))
    except TimeoutError:
        if result.done():
            raise
        raise Unfinished("the database does not answer") from None


def _custom_resource(event: dict[str, Any], remaining: float) -> Answer:
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId") or "ventana-schema",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    try:
        # A stack that goes away, or rolls back, never takes the data with it.
        if event.get("RequestType") != "Delete":
            answer["Data"] = {"applied": ",".join(migrate(remaining)["done"])[:REASON_LENGTH]}
    except Ahead:
        # The release before, back after a rollback: the schema has all that it needs.
        answer["Data"] = {"applied": ""}
    except Exception as error:  # whatever it is, CloudFormation must hear of it, or it waits for the time-out
        reason = _reason(error)
        logger.error("migration_failed", extra={"error": type(error).__name__, "reason": reason})
        answer |= {"Status": "FAILED", "Reason": reason}
    retries = urllib3.Retry(3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
    urllib3.request(
        "PUT", event["ResponseURL"], body=_body(answer), headers={"content-type": ""}, timeout=5.0, retries=retries
    )
    return answer


def _reason(error: Exception) -> str:
    """What went wrong; of the server's words not the detail, which may hold a customer's row."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return " ".join(filter(None, (error.diag.message_primary, error.diag.message_hint)))
    return str(error).strip() or type(error).__name__


def _body(answer: Answer) -> bytes:
    """The answer as CloudFormation takes it: the reason is cut until it fits, whatever its letters weigh."""
    for length in range(REASON_LENGTH, 0, -50):
        body = json.dumps(answer | ({"Reason": answer["Reason"][:length]} if "Reason" in answer else {})).encode()
        if len(body) <= ANSWER_BYTES:
            break
    return body
