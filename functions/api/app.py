"""The operators' API: send a message, look up messages and conversations, their windows, and statistics.

Every error is application/problem+json with a stable `code`. Who may call is decided before this function, by the
API's authorizer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ventana.errors import NotFound, VentanaError, WindowClosed
from ventana.providers import PROVIDERS
from ventana.schema.connection import Database
from ventana.schema.conversations import (
    Conversation,
    find_conversation,
    find_message,
    history_of,
    list_conversations,
    messages_of,
    statistics,
)
from ventana.schema.outbound import accept_outbound, mark_queued
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import count, log_bug, logger, measured
from ventana.window import Window, window

settings = Settings.from_environment()
database = Database(settings)
queue = SendQueue(settings.required("send_queue_url"))
app = APIGatewayHttpResolver(enable_validation=True)

RECIPIENT = re.compile(r"\+[1-9]\d{6,14}|[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128}")


def _known_provider(name: str) -> str:
    if name not in PROVIDERS:
        raise ValueError(f"must be one of {', '.join(sorted(PROVIDERS))}")
    return name


def _recipient(to: str) -> str:
    if not RECIPIENT.fullmatch(to):
        raise ValueError("must be a phone in E.164 with its plus sign, or a business-scoped user id")
    return to


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not hold NUL characters or halves of surrogate pairs")
    return text


ProviderName = Annotated[str, AfterValidator(_known_provider)]


class Text(BaseModel):
    """A free-form text."""

    model_config = ConfigDict(extra="forbid")
    body: Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_storable)]


class SendRequest(BaseModel):
    """What to send, and to whom: a conversation, or a customer at a provider."""

    model_config = ConfigDict(extra="forbid")
    conversation_id: UUID | None = None
    provider: ProviderName | None = None
    to: Annotated[str, AfterValidator(_recipient)] | None = None
    type: Literal["text"]
    text: Text

    @model_validator(mode="after")
    def _one_address(self) -> SendRequest:
        by_customer = self.provider is not None and self.to is not None
        if (self.conversation_id is None) != by_customer or (self.provider is None) != (self.to is None):
            raise ValueError("give either conversation_id, or provider and to")
        return self


@app.post("/v1/messages")
def accept_message(request: SendRequest) -> Response[Any]:
    """Take an answer in and queue it; 409 window_closed when only a template may be sent."""
    accepted = accept_outbound(
        database,
        str(uuid4()),
        request.text.body,
        timedelta(seconds=settings.window_margin_seconds),
        conversation_id=str(request.conversation_id) if request.conversation_id else None,
        provider=request.provider,
        to=request.to,
    )
    status = accepted.status
    try:
        queue.put(accepted.id, accepted.conversation_id)
        status = mark_queued(database, accepted.id)
    except (BotoCoreError, ClientError, VentanaError) as error:
        # It is ours all the same: the row is the outbox, and the sweep queues what was left.
        logger.warning("not_queued", extra={"message_id": accepted.id, "error": type(error).__name__})
    count("OutboundAccepted")
    return _answer(202, {"id": accepted.id, "status": status, "conversation_id": accepted.conversation_id})


@app.get("/v1/messages/<message_id>")
def show_message(message_id: UUID) -> Response[Any]:
    """One message with its delivery status and how it came to it."""
    message = find_message(database, str(message_id))
    if message is None:
        raise NotFound("there is no message with this id")
    history = [asdict(change) for change in history_of(database, message.id)]
    return _answer(200, {**asdict(message), "status": message.delivery_status, "history": history})


@app.get("/v1/conversations")
def show_conversations(
    provider: Annotated[ProviderName | None, Query()] = None,
    status: Annotated[Literal["active", "resolved", "escalated", "closed"] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response[Any]:
    """Conversations, the most recently active first."""
    now = datetime.now(UTC)
    found = list_conversations(database, provider, status, limit)
    return _answer(200, {"conversations": [_conversation(conversation, now) for conversation in found]})


@app.get("/v1/conversations/<conversation_id>")
def show_conversation(conversation_id: UUID) -> Response[Any]:
    """One conversation with its latest messages, oldest of them first."""
    conversation = _found(conversation_id)
    messages = [asdict(message) for message in messages_of(database, conversation.id)]
    return _answer(200, {**_conversation(conversation, datetime.now(UTC)), "messages": messages})


@app.get("/v1/conversations/<conversation_id>/window")
def show_window(conversation_id: UUID) -> Response[Any]:
    """Whether free text may be sent, and how long still."""
    conversation = _found(conversation_id)
    return _answer(200, {"conversation_id": conversation.id, **_window(_window_of(conversation, datetime.now(UTC)))})


@app.get("/v1/stats")
def show_statistics() -> Response[Any]:
    """The view active_conversations_by_provider."""
    return _answer(200, {"providers": [asdict(row) for row in statistics(database)]})


@app.get("/v1/health")
def show_health() -> Response[Any]:
    """Whether the database answers."""
    database.value("select 1")
    return _answer(200, {"status": "ok"})


def _found(conversation_id: UUID) -> Conversation:
    conversation = find_conversation(database, str(conversation_id))
    if conversation is None:
        raise NotFound("there is no conversation with this id")
    return conversation


def _conversation(conversation: Conversation, now: datetime) -> dict[str, Any]:
    return {**asdict(conversation), "window": _window(_window_of(conversation, now))}


def _window_of(conversation: Conversation, now: datetime) -> Window:
    return window(
        conversation.last_user_message_at,
        now,
        channel=conversation.channel,
        closed_for=conversation.window_closed_for,
        margin=timedelta(seconds=settings.window_margin_seconds),
    )


def _window(state: Window) -> dict[str, Any]:
    return {**asdict(state), "needs_template": state.needs_template}


def _answer(status: int, body: object, content_type: str = "application/json") -> Response[Any]:
    return Response(status, content_type, json.dumps(body, default=_plain, ensure_ascii=False))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _field(problem: Mapping[str, Any]) -> str:
    """The field's dotted path; "body" for the body as a whole, also where it is no JSON."""
    first, *rest = problem["loc"]
    return ".".join(map(str, rest)) if rest and problem["type"] != "json_invalid" else str(first)


def _problem(status: int, code: str, title: str, **more: object) -> Response[Any]:
    body = {"type": "about:blank", "title": title, "status": status, "code": code, **more}
    return _answer(status, body, "application/problem+json")


@app.exception_handler(VentanaError)  # type: ignore[untyped-decorator]
def refuse(error: VentanaError) -> Response[Any]:
    """Our own errors carry their status and code."""
    count(type(error).__name__)
    more = {}
    if isinstance(error, WindowClosed):
        more = {"closed_at": error.closed_at, "conversation_id": error.conversation_id}
    return _problem(error.http_status, error.code, error.title, detail=str(error), **more)


@app.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
def refuse_invalid(error: RequestValidationError) -> Response[Any]:
    """Name each field and what is wrong with it, never the value."""
    problems = [{"field": _field(problem), "message": problem["msg"]} for problem in error.errors()]
    return _problem(422, "invalid_request", "The request is not valid", errors=problems)


@app.not_found
def refuse_unknown_route(error: NotFoundError) -> Response[Any]:
    """No such route."""
    return _problem(404, "no_such_route", "There is no such route")


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def refuse_unexpected(error: Exception) -> Response[Any]:
    """A bug of ours: told to the log by its kind and place, to the caller by nothing but a code."""
    log_bug("unexpected", error)
    return _problem(500, "internal", "Something went wrong on our side")


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one HTTP API v2 event."""
    return app.resolve(event, context)
