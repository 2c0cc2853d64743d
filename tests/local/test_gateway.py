"""The gateway over real sockets: routes, authorizer, raw bodies, limits, and failing functions."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from infra.local.functions import Function
from infra.local.gateway import Gateway, known_tokens
from infra.local.template import Route
from tests.local.conftest import MakeFunction

TOKEN = "the-operators-token"
ROUTES = [
    Route("POST", "/open/{name}", "Example", guarded=False),
    Route("GET", "/open/{name}", "Example", guarded=False),
    Route("GET", "/guarded", "Example", guarded=True),
]
ECHO = """
import json, os, time

def handler(event, context):
    order = json.loads(event.get("headers", {}).get("x-order", "{}"))
    if "raise" in order:
        raise ValueError
    if "sleep" in order:
        time.sleep(order["sleep"])
    if "large" in order:
        return {"statusCode": 200, "body": "x" * order["large"]}
    return order.get("answer") or {"statusCode": 200, "headers": {"content-type": "application/json"},
                                   "cookies": ["a=1", "b=2"], "body": json.dumps(event)}
"""


@pytest.fixture
def function(make_function: MakeFunction) -> Function:
    return make_function(ECHO, timeout=1.0)


@pytest.fixture
def gateway(function: Function) -> Iterator[Gateway]:
    opened = Gateway()
    opened.open(ROUTES, {"Example": function}, known_tokens({TOKEN: {"sub": "local-operator"}}))
    yield opened
    opened.close()


def call(
    gateway: Gateway, method: str, target: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    connection = HTTPConnection("127.0.0.1", int(gateway.url.rpartition(":")[2]), timeout=20)
    try:
        connection.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        raw = reply.read()
        return reply.status, dict(reply.headers), json.loads(raw) if raw[:1] in b"{[" else raw
    finally:
        connection.close()


def test_a_request_arrives_as_it_was_sent(gateway: Gateway) -> None:
    form = b"Body=%C2%BFqu%C3%A9%3F+a%2Bb&Empty="
    kind = "application/x-www-form-urlencoded"
    status, headers, event = call(gateway, "POST", "/open/x%2Fy?q=a%20b&q=+", form, Content_Type=kind)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert event["rawPath"] == "/open/x%2Fy"
    assert event["rawQueryString"] == "q=a%20b&q=+"
    assert base64.b64decode(event["body"]) == form


def test_an_unknown_route_is_not_found(gateway: Gateway) -> None:
    for method, path in (("GET", "/nowhere"), ("DELETE", "/open/x"), ("GET", "/open/x/y")):
        status, _, content = call(gateway, method, path)
        assert (status, content) == (404, {"message": "Not Found"})


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
def test_a_guarded_route_wants_the_token(gateway: Gateway, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    status, answered, content = call(gateway, "GET", "/guarded", None, **headers)
    assert (status, content["code"]) == (401, "unauthorized")
    assert answered["content-type"] == "application/problem+json"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_token_opens_a_guarded_route_and_its_claims_are_passed_on(gateway: Gateway, scheme: str) -> None:
    status, _, event = call(gateway, "GET", "/guarded", Authorization=f"{scheme} {TOKEN}")
    assert status == 200
    assert event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] == "local-operator"


def test_a_function_that_fails_is_a_500_that_tells_nothing(gateway: Gateway) -> None:
    status, _, content = call(gateway, "GET", "/open/x", X_Order='{"raise": true}')
    assert (status, content) == (500, {"message": "Internal Server Error"})


def test_a_function_that_answers_nonsense_is_a_500(gateway: Gateway) -> None:
    status, _, content = call(gateway, "GET", "/open/x", X_Order='{"answer": {"statusCode": "soon"}}')
    assert (status, content) == (500, {"message": "Internal Server Error"})


def test_a_function_that_takes_too_long_is_a_503(gateway: Gateway) -> None:
    status, _, content = call(gateway, "GET", "/open/x", X_Order='{"sleep": 30}')
    assert (status, content) == (503, {"message": "Service Unavailable"})


def test_an_answer_that_is_too_long_is_a_500(gateway: Gateway) -> None:
    assert call(gateway, "GET", "/open/x", X_Order='{"large": 6400000}')[0] == 500


@pytest.mark.parametrize(
    ("size", "content_type", "status"),
    [
        (4_400_000, "application/octet-stream", 200),
        (4_800_000, "application/octet-stream", 413),  # base64 makes it more than 6 MB
        (5_900_000, "text/plain", 200),
        (10_500_000, "text/plain", 413),
    ],
)
def test_what_is_too_large_for_aws_is_too_large_here(
    gateway: Gateway, size: int, content_type: str, status: int
) -> None:
    body = b"x" * size
    try:
        found, _, content = call(gateway, "POST", "/open/x", body, Content_Type=content_type)
    except (BrokenPipeError, ConnectionResetError):  # answered and hung up before all of it was sent
        assert status == 413
        return
    assert found == status
    if status == 413:
        assert content == {"message": "Request Entity Too Large"}


def test_a_body_in_chunks_arrives_whole(gateway: Gateway) -> None:
    connection = HTTPConnection("127.0.0.1", int(gateway.url.rpartition(":")[2]), timeout=20)
    connection.request("POST", "/open/x", iter([b"one, ", b"two"]), {"Content-Type": "text/plain"}, encode_chunked=True)
    event = json.loads(connection.getresponse().read())
    connection.close()
    assert event["body"] == "one, two"


def test_a_connection_is_kept_and_cookies_come_one_by_one(gateway: Gateway) -> None:
    connection = HTTPConnection("127.0.0.1", int(gateway.url.rpartition(":")[2]), timeout=20)
    for _ in range(3):
        connection.request("GET", "/open/x")
        reply = connection.getresponse()
        reply.read()
        assert reply.headers.get_all("set-cookie") == ["a=1", "b=2"]
        own = connection.sock.getsockname() if connection.sock else None
        assert own is not None
    connection.close()


def test_many_connections_at_once_are_all_answered(gateway: Gateway) -> None:
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(call(gateway, "GET", "/open/x")[0])) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40


def test_a_taken_port_is_known_before_anything_else_starts() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(OSError, match="in use"):
            Gateway(holder.getsockname()[1])
