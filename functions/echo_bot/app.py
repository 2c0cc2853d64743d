"""The echo bot: answers customers with their own words, to see the whole way work before there is a real bot.

A bot elsewhere does the same from outside: a rule on MessageReceived, and POST /v1/messages with the event's id as
Idempotency-Key, so that an event that comes twice is answered once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.content import Text
from ventana.errors import BadRequest, Conflict
from ventana.providers import limits_named
from ventana.schema.connection import Database
from ventana.schema.outbound import OutboundRequest, Part, accept_outbound, mark_queued
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import logger, measured

settings = Settings.from_environment()
database = Database(settings)
queue = SendQueue({"reply": settings.required("send_queue_url")})

LONGEST = 4000


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    """Answer one MessageReceived; returns the ids of the answer's messages, none where nothing is to be said."""
    detail = event["detail"]
    if detail["content_type"] != "text" or not detail.get("content"):
        return {"message_ids": []}
    answer: Text = {"type": "text", "body": f"You wrote: {detail['content']}"[:LONGEST]}
    parts = limits_named(detail["provider"]).parts(answer)
    request = OutboundRequest(
        [Part(str(uuid4()), part) for part in parts],
        caller="echo-bot",
        conversation_id=detail["conversation_id"],
        key=detail["event_id"],
        request_hash=detail["event_id"],
    )
    try:
        accepted = accept_outbound(database, request, timedelta(seconds=settings.window_margin_seconds))
    except (BadRequest, Conflict) as refusal:  # the window has closed since, or the conversation is gone
        logger.info("not_answered", extra={"event_id": detail["event_id"], "code": refusal.code})
        return {"message_ids": []}
    taken = queue.put_quietly(accepted.turns("reply"))
    mark_queued(database, [turn.message_id for turn in taken])
    return {"message_ids": list(accepted.message_ids)}
