"""Who may change things: everybody with a token, or only those whose token holds the scope, group or role for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from ventana.api.answers import problem

CLAIMS = ("scope", "scp", "cognito:groups", "groups", "roles")
READS = ("GET", "HEAD", "OPTIONS")


def may_write(event: Mapping[str, Any], write_scope: str) -> bool:
    """Whether the caller's token holds `write_scope`; empty: whoever has a token may write."""
    if not write_scope:
        return True
    claims = APIGatewayProxyEventV2(dict(event)).request_context.authorizer.jwt_claim
    return write_scope in {name for claim in CLAIMS for name in _names(claims.get(claim))}


def refuse_readers(event: Mapping[str, Any], write_scope: str) -> Response[Any] | None:
    """The answer to who may read only and wants to change something; None: go on."""
    if event["requestContext"]["http"]["method"] in READS or may_write(event, write_scope):
        return None
    return problem(
        403,
        "read_only",
        "This token may read, and change nothing",
        detail=f"it needs `{write_scope}` in one of {', '.join(CLAIMS)}",
    )


def _names(claim: object) -> Iterator[str]:
    """What a claim holds: words in a text, or a list, of which HTTP APIs make a text in brackets."""
    match claim:
        case str() if claim.startswith("[") and claim.endswith("]"):
            yield from claim[1:-1].replace(",", " ").split()
        case str():
            yield from claim.split()
        case list() | tuple():
            yield from map(str, claim)
