"""Requests before they reach a route: the console's files, who may only read, and bodies.

A body is JSON or nothing, of a bounded size, and holds only what the database can keep.
Postgres keeps no NUL, no half of a surrogate pair and no number that is none; nesting and digits are bounded because
parsers are. Errors name the field, never the value.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.api.answers import problem
from ventana.api.console import Console
from ventana.api.roles import refuse_readers

LARGEST_BYTES = 256 * 1024
DEEPEST = 32
JSON_TYPE = "application/json"


class Api(APIGatewayHttpResolver):
    """The resolver of HTTP API v2 events: every operation takes JSON or nothing.

    `documented`: operations bring what the API's document says of their answers, which costs time and memory.
    `write_scope`: what a token must hold to change something. `console`: what answers for its files.
    """

    def __init__(self, documented: bool = False, write_scope: str = "", console: Console | None = None) -> None:
        self.documented, self._write_scope, self._console = documented, write_scope, console
        super().__init__(enable_validation=True, json_body_deserializer=read_json)

    def resolve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one event; what somebody may not do, or is no JSON in UTF-8, reaches no route."""
        page = self._console.answer(event) if self._console else None
        if page is not None:
            return page
        refused = refuse_readers(event, self._write_scope) or _refusal(event)
        if refused is not None:
            headers = {"content-type": refused.content_type}
            return {"statusCode": refused.status_code, "headers": headers, "body": refused.body}
        return super().resolve(event, context)


def read_json(text: str) -> Any:
    """Parse a body. Raises RequestValidationError naming the field that cannot be kept."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or a number of thousands of digits, or nested beyond measure
        raise _invalid((), "must be JSON, nested no more than 32 levels deep") from None
    if not isinstance(body, dict | None):  # the resolver would take the first of a list
        raise _invalid((), "must be a JSON object")
    for place, wrong in _faults(body, ()):
        raise _invalid(place, wrong)
    return body


def _faults(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    match value:
        case str() if not _storable(value):
            yield place, "must not hold NUL characters or halves of surrogate pairs"
        case float() if not math.isfinite(value):
            yield place, "must be a finite number"
        case dict() | list() if len(place) >= DEEPEST:
            yield place[:DEEPEST], "must not be nested more than 32 levels deep"
        case dict():
            if not all(map(_storable, value)):
                yield place, "must not hold NUL characters or halves of surrogate pairs in a name"
                return
            for name, inner in value.items():
                yield from _faults(inner, (*place, name))
        case list():
            for number, inner in enumerate(value):
                yield from _faults(inner, (*place, number))


def _storable(text: str) -> bool:
    try:
        text.encode()  # fails on half of a surrogate pair
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _invalid(place: tuple[str | int, ...], wrong: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("body", *place), "msg": wrong}])


def _refusal(event: Mapping[str, Any]) -> Response[Any] | None:
    body = event.get("body") or ""
    if not body:
        return None
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    if headers.get("content-type", JSON_TYPE).partition(";")[0].strip().lower() != JSON_TYPE:
        return problem(415, "unsupported_media_type", "Send application/json")
    if len(body) > LARGEST_BYTES * (4 / 3 if event.get("isBase64Encoded") else 1):
        return problem(413, "too_large", f"Send no more than {LARGEST_BYTES // 1024} kB")
    if event.get("isBase64Encoded"):
        try:
            base64.b64decode(body, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return problem(400, "bad_request", "The request cannot be accepted as it is", detail="send UTF-8")
    return None
