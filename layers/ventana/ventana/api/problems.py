"""The one place where errors become HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from ventana.api.answers import problem
from ventana.errors import BadRequest, OverLimit, UnsupportedByProvider, VentanaError, WindowClosed
from ventana.telemetry import count, log_bug

UNECHOED = {"uuid_parsing": "must be a UUID", "datetime_from_date_parsing": "must be a time"}
"""Messages of ours in place of those that quote a part of the value."""


def register(app: APIGatewayHttpResolver) -> None:
    """Let the resolver answer errors with ours."""
    app.exception_handler(VentanaError)(refuse)
    app.exception_handler(RequestValidationError)(refuse_invalid)
    app.exception_handler(Exception)(refuse_unexpected)
    app.not_found(refuse_unknown_route)


def refuse(error: VentanaError) -> Response[Any]:
    """Our own errors carry their status and code."""
    count(type(error).__name__)
    more: dict[str, Any] = {}
    match error:
        case WindowClosed():
            more = {"closed_at": error.closed_at, "conversation_id": error.conversation_id}
        case OverLimit():
            more = {"field": error.field, "limit": error.limit}
        case UnsupportedByProvider():
            more = {"field": error.field}
    return problem(error.http_status, error.code, error.title, detail=str(error), **more)


def refuse_invalid(error: RequestValidationError) -> Response[Any]:
    """Name each field and what is wrong with it, never the value."""
    headers = [str(each["loc"][-1]).title() for each in error.errors() if each["loc"][0] == "header"]
    if headers:
        detail = f"the header {headers[0]} must be 1 to 255 visible ASCII characters"
        return problem(400, BadRequest.code, BadRequest.title, detail=detail, field=headers[0])
    found = [{"field": _field(each), "message": UNECHOED.get(each["type"], each["msg"])} for each in error.errors()]
    return problem(422, "invalid_request", "The request is not valid", errors=found)


def refuse_unknown_route(error: NotFoundError) -> Response[Any]:
    """No such route."""
    return problem(404, "no_such_route", "There is no such route")


def refuse_unexpected(error: Exception) -> Response[Any]:
    """A bug of ours: told to the log by its kind and place, to the caller by nothing but a code."""
    count("Unexpected")
    log_bug("unexpected", error)
    return problem(500, "internal", "Something went wrong on our side")


def _field(error: Mapping[str, Any]) -> str:
    """The field's path, as in `list.sections[0].title`; "body" for the body as a whole."""
    first, *rest = error["loc"]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)
    return path.lstrip(".") or str(first)
