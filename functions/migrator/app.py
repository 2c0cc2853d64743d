"""The migrator: brings the schema up to the migrations beside this file, on deployment or when asked.

CloudFormation custom resource: Create and Update run `up`, Delete does nothing; an answer is always sent.
Direct invoke: {"action": "up" | "plan" | "verify" | "revert" | "baseline", "to": "<version>"}.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import urllib3
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.schema.connection import Database
from ventana.schema.migrate import run
from ventana.schema.migrate import Ahead
from ventana.settings import Settings
from ventana.telemetry import logger

FOLDER = Path(__file__).parent / "migrations"
REASON_LENGTH = 1000  # CloudFormation takes 4 KB for the whole answer


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run one action; raises MigrationError on direct invoke, so that the caller sees a function error."""
    if "ResponseURL" in event:
        return _custom_resource(event, context)
    return migrate(str(event.get("action", "up")), event.get("to"))


def migrate(action: str, to: str | None = None) -> dict[str, Any]:
    """Run `action` and tell what was done, what is pending and what is missing."""
    report: list[str] = []
    dsn = Database(Settings.from_environment()).conninfo()
    outcome = run(action, dsn, folder=FOLDER, to=to, say=report.append)
    logger.info("migrated", extra={"action": action, "done": outcome.done, "pending": outcome.pending})
    return {
        "action": action,
        "done": outcome.done,
        "pending": outcome.pending,
        "missing": [component.name for component in outcome.components if not component.present],
        "report": report,
    }


def _custom_resource(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
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
            answer["Data"] = {"applied": ",".join(migrate("up")["done"])[:REASON_LENGTH]}
    except Ahead:
        # The release before, back after a rollback: the schema has all that it needs.
        answer["Data"] = {"applied": ""}
    except Exception as error:  # whatever it is, CloudFormation must hear of it, or it waits for the time-out
        logger.exception("migration_failed")
        answer |= {"Status": "FAILED", "Reason": str(error)[:REASON_LENGTH]}
    body = json.dumps(answer).encode()
    urllib3.request("PUT", event["ResponseURL"], body=body, headers={"content-type": ""}, timeout=10.0, retries=3)
    return answer
