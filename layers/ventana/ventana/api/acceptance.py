"""From a caller's request to what is accepted: the content in our words, held against the limits of its provider."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args
from uuid import uuid4

from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from ventana.api.contents import Kind, Template, as_content
from ventana.api.requests import MONTH, SendRequest
from ventana.content import Content
from ventana.content import Template as TemplateContent
from ventana.errors import OverLimit, UnsupportedByProvider
from ventana.providers import limits_named
from ventana.schema.outbound import OutboundRequest, Part


def content_of(request: SendRequest) -> Content:
    """The one content that `type` names. Raises RequestValidationError for what does not go together."""
    shape = getattr(request, request.type)
    if shape is None:
        raise _invalid(request.type, "missing", "Field required")
    for other in get_args(Kind):
        if other != request.type and getattr(request, other) is not None:
            raise _invalid(other, "value_error", f"leave it out: the type is {request.type}")
    if request.reaction is not None and request.reply_to is not None:
        raise _invalid("reply_to", "value_error", "leave it out: a reaction has its message_id")
    if request.send_at is not None and request.send_at > datetime.now(UTC) + timedelta(seconds=MONTH):
        raise _invalid("send_at", "value_error", "must be at most 30 days ahead")
    return as_content(request.type, shape)


def outbound_request(
    request: SendRequest, content: Content, provider: str, caller: str, key: str | None
) -> OutboundRequest:
    """What accept_outbound takes. Raises UnsupportedByProvider or OverLimit for what the provider would refuse."""
    reply_to = request.reaction.message_id if request.reaction else request.reply_to
    options = (request.provider_options or {}).get(provider, {})
    limits = limits_named(provider)
    limits.check(content, reply_to is not None, options)
    return OutboundRequest(
        [Part(str(uuid4()), part) for part in limits.parts(content)],
        caller,
        conversation_id=str(request.conversation_id) if request.conversation_id else None,
        provider=request.provider,
        to=request.to,
        sender=request.sender,
        if_window_closed=request.if_window_closed,
        fallback=checked_template(provider, request.fallback_template),
        reply_to=str(reply_to) if reply_to else None,
        lane=request.lane,
        send_at=request.send_at,
        expires_in=timedelta(seconds=request.expires_in),
        options=options,
        key=key,
        request_hash=_hash(request) if key else None,
    )


def checked_template(provider: str, template: Template | None) -> TemplateContent | None:
    """A fallback template that the provider takes. Raises UnsupportedByProvider or OverLimit for another."""
    if template is None:
        return None
    content = as_content("template", template)
    try:
        limits_named(provider).check(content, False, {})
    except UnsupportedByProvider as error:
        raise UnsupportedByProvider(_of_fallback(error.field), str(error)) from error
    except OverLimit as error:
        raise OverLimit(_of_fallback(error.field), error.limit, str(error)) from error
    return cast("TemplateContent", content)


def _of_fallback(field: str) -> str:
    return (
        "fallback_template" + field.removeprefix("template") if field.startswith("template.") else "fallback_template"
    )


def _hash(request: SendRequest) -> str:
    """The same for the same request: what was left out does not count, so that new fields change no old request."""
    written: dict[str, Any] = request.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()


def _invalid(field: str, kind: str, text: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body", field), "msg": text}])
