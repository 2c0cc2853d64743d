"""The one place where errors become HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from ventana.api.answers import problem
from ventana.errors import VentanaError, WindowClosed
from ventana.telemetry import count, log_bug


def register(app: APIGatewayHttpResolver) -> None:
    """Let the resolver answer errors with ours."""
    app.exception_handler(VentanaError)(refuse)
    app.exception_handler(RequestValidationError)(refuse_invalid)
    app.exception_handler(Exception)(refuse_unexpected)
    app.not_found(refuse_unknown_route)


def refuse(error: VentanaError) -> Response[Any]:
    """Our own errors carry their status and code."""
    count(type(error).__name__)
    more = {}
    if isinstance(error, WindowClosed):
        more = {"closed_at": error.closed_at, "conversation_id": error.conversation_id}
    return problem(error.http_status, error.code, error.title, detail=str(error), **more)


def refuse_invalid(error: RequestValidationError) -> Response[Any]:
    """Name each field and what is wrong with it, never the value."""
    found = [{"field": _field(each), "message": each["msg"]} for each in error.errors()]
    return problem(422, "invalid_request", "The request is not valid", errors=found)


def refuse_unknown_route(error: NotFoundError) -> Response[Any]:
    """No such route."""
    return problem(404, "no_such_route", "There is no such route")


def refuse_unexpected(error: Exception) -> Response[Any]:
    """A bug of ours: told to the log by its kind and place, to the caller by nothing but a code."""
    log_bug("unexpected", error)
    return problem(500, "internal", "Something went wrong on our side")


def _field(error: Mapping[str, Any]) -> str:
    """The field's dotted path; "body" for the body as a whole, also where it is no JSON."""
    first, *rest = error["loc"]
    return ".".join(map(str, rest)) if rest and error["type"] != "json_invalid" else str(first)
