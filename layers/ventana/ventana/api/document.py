"""The API's OpenAPI document, made from its operations: `python -m ventana.api.document` writes it."""

from __future__ import annotations

import json
import sys
from typing import Any

from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from ventana.api.bodies import Api

TITLE = "Ventana"
VERSION = "1"
ABOUT = """
Send WhatsApp messages through providers, inside the 24-hour customer-service window, and see what becomes of them.
Every error is application/problem+json with a stable `code`.
"""
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "An error as RFC 9457 has it; programs go by `code`.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "examples": ["window_closed"]},
        "detail": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "description": "With `invalid_request`: what is wrong with which field.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "field": {"type": "string", "description": "With `unsupported_by_provider` and `limit_exceeded`."},
        "limit": {"type": "integer", "description": "With `limit_exceeded`: the most that the provider takes."},
        "closed_at": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "With `window_closed`; null where the customer has never written.",
        },
        "conversation_id": {"type": ["string", "null"], "description": "With `window_closed`."},
        "settle_after": {"type": "string", "format": "date-time", "description": "With `too_early`."},
    },
}
CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEMS = {
    400: ("BadRequest", "`bad_request`: a header or the encoding of the body is not as it must be."),
    403: ("ReadOnly", "`read_only`: the token may look, and change nothing."),
    404: ("NotFound", "`not_found`: there is no such thing. `no_such_route`: there is no such path."),
    409: ("Conflict", "Things are not in the state for it; `code` says in which they are."),
    413: ("TooLarge", "`too_large`: the body has more than 256 kB."),
    415: ("UnsupportedMediaType", "`unsupported_media_type`: the body is not said to be application/json."),
    422: (
        "Unprocessable",
        "`invalid_request`: `errors` names what is wrong with which field. `unsupported_by_provider`,"
        " `limit_exceeded`: the provider would not take `field`.",
    ),
    500: ("Internal", "`internal`: a bug of ours."),
    503: ("Unavailable", "`storage_unavailable`, `queue_unavailable`, `not_configured`: try again later."),
}
PROBLEM_OF_RESOLVER = "HTTPValidationError"
FOREIGN = (PROBLEM_OF_RESOLVER, "ResponseValidationError", "ValidationError")  # the resolver's, never answered
OPEN = "/v1/health"  # wants no token


def document(app: Api) -> str:
    """The document of a documented app, as JSON."""
    made: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(
            title=TITLE,
            version=VERSION,
            description=ABOUT.strip().replace("\n", " "),
            security_schemes={"token": HTTPBearer(bearerFormat="JWT")},
            security=[{"token": []}],
        )
    )
    components = made["components"]
    components["schemas"] = dict(sorted({**components["schemas"], "Problem": PROBLEM}.items()))
    for foreign in FOREIGN:
        components["schemas"].pop(foreign, None)
    _leave_titles_out(components["schemas"])
    components["responses"] = {name: {"description": text, "content": CONTENT} for name, text in PROBLEMS.values()}
    components["responses"]["Unauthorized"] = {"description": "The token is missing, or none of ours."}
    made["paths"] = dict(sorted(made["paths"].items()))
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _finish(operation, path == OPEN, method == "get")
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _finish(operation: dict[str, Any], is_open: bool, reads: bool) -> None:
    for parameter in operation.get("parameters", []):
        _leave_titles_out(parameter)
        kinds = parameter["schema"].pop("anyOf", [])  # of something, or nothing: a parameter is there or not
        parameter["schema"].update(kinds[0] if kinds else {})
        if parameter["in"] == "header":
            parameter["name"] = parameter["name"].title()  # the resolver makes them all lower case
    responses = {
        code: {"$ref": f"#/components/responses/{PROBLEMS[int(code)][0]}"} if int(code) >= 400 else response
        for code, response in operation["responses"].items()
        if PROBLEM_OF_RESOLVER not in json.dumps(response)
    }
    if is_open:
        operation["security"] = []
    else:
        responses["401"] = {"$ref": "#/components/responses/Unauthorized"}
    if not reads:
        responses["403"] = {"$ref": f"#/components/responses/{PROBLEMS[403][0]}"}
    operation["responses"] = dict(sorted(responses.items()))


def _leave_titles_out(schema: Any) -> None:
    """Those that repeat the name of a field."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            _leave_titles_out(inner)


if __name__ == "__main__":
    from ventana.api import make_app
    from ventana.api.services import Services
    from ventana.schema.connection import Database
    from ventana.send_queue import SendQueue
    from ventana.settings import Settings

    settings = Settings()
    sys.stdout.write(document(make_app(Services(settings, Database(settings), SendQueue({})), documented=True)))
