"""The most specific route wins, whatever the order."""

from __future__ import annotations

import pytest

from infra.local.routes import Routes
from infra.local.template import Route

ROUTES = Routes(
    Route(method, path, function, guarded=False)
    for method, path, function in [
        ("ANY", "$default", "default"),
        ("GET", "/files/{path+}", "greedy"),
        ("GET", "/v1/messages/{id}", "one"),
        ("GET", "/v1/messages/latest", "latest"),
        ("ANY", "/v1/messages", "any"),
        ("POST", "/v1/messages", "post"),
        ("GET", "/v1/conversations/{id}/window", "window"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "function", "parameters"),
    [
        ("POST", "/v1/messages", "post", {}),
        ("DELETE", "/v1/messages", "any", {}),
        ("GET", "/v1/messages/latest", "latest", {}),
        ("GET", "/v1/messages/a%20b", "one", {"id": "a b"}),
        ("GET", "/v1/conversations/7/window", "window", {"id": "7"}),
        ("GET", "/files/a/b.txt", "greedy", {"path": "a/b.txt"}),
        ("GET", "/v1/messages/", "default", {}),
        ("PUT", "/nowhere", "default", {}),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, function: str, parameters: dict[str, str]) -> None:
    found = ROUTES.find(method, path)
    assert found is not None
    assert (found[0].function, found[1]) == (function, parameters)


def test_without_a_default_there_may_be_no_route() -> None:
    assert Routes([Route("GET", "/a", "a", guarded=False)]).find("POST", "/a") is None
