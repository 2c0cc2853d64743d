"""Who may only look: the ways in which a token says what its owner may do, and every call that changes something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.functions.api_calls import CALLER, NOBODY, Api, Events, Load

OPENAPI = Path(__file__).parents[2] / "infra" / "openapi.json"
CHANGES = [
    (method.upper(), path.replace("{id}", NOBODY).replace("{provider}", "meta").replace("{address}", "1"))
    for path, operations in json.loads(OPENAPI.read_text())["paths"].items()
    for method in operations
    if method != "get"
]


@pytest.fixture
def scoped(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("WRITE_SCOPE", "ventana/write")
    return "ventana/write"


@pytest.mark.parametrize(
    ("claims", "writes"),
    [
        ({"scope": "openid ventana/write"}, True),
        ({"scope": "ventana/write"}, True),
        ({"scp": "ventana/read ventana/write"}, True),
        ({"scp": ["ventana/write"]}, True),
        ({"cognito:groups": "[ventana/write]"}, True),
        ({"cognito:groups": "[leads ventana/write]"}, True),
        ({"groups": "[leads, ventana/write]"}, True),
        ({"roles": ["leads", "ventana/write"]}, True),
        ({}, False),
        ({"scope": ""}, False),
        ({"scope": "ventana/writer ventana/read"}, False),
        ({"scope": "x[ventana/write]"}, False),
        ({"groups": "[ventana/writers]"}, False),
        ({"groups": {"ventana/write": True}}, False),
        ({"sub": "ventana/write", "client_id": "ventana/write"}, False),
    ],
)
def test_a_token_says_who_may_write(
    load: Load, events: Events, scoped: str, claims: dict[str, Any], writes: bool
) -> None:
    call = Api(load, events, {"sub": CALLER, **claims} if "sub" not in claims else claims)
    name = claims.get("sub", CALLER)
    assert call("GET", "/v1/me") == (200, {"name": name, "may_write": writes})
    status, answer = call("POST", f"/v1/conversations/{NOBODY}/resolve", {})
    assert (status, answer["code"]) == ((404, "not_found") if writes else (403, "read_only"))


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_reader_changes_nothing(load: Load, events: Events, scoped: str, method: str, path: str) -> None:
    """Whatever the body holds: it is not looked at."""
    call = Api(load, events, {"sub": CALLER, "scope": "ventana/read"})
    status, answer = call(method, path, b"{nothing in order")
    assert (status, answer["code"]) == (403, "read_only")
    assert "ventana/write" in answer["detail"]


def test_a_reader_reads(load: Load, events: Events, scoped: str) -> None:
    assert Api(load, events, {"sub": CALLER})("GET", "/v1/conversations")[0] == 200


def test_without_a_scope_everybody_writes(load: Load, events: Events) -> None:
    call = Api(load, events)
    assert call("GET", "/v1/me") == (200, {"name": "anonymous", "may_write": True})
    assert call("POST", f"/v1/conversations/{NOBODY}/resolve", {})[0] == 404
