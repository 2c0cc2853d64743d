"""Requests become the events that API Gateway sends (payload format 2.0), and answers become responses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from infra.local.http_event import build_event, read_answer
from infra.local.http_server import Request
from infra.local.template import Route

ROUTE = Route("POST", "/webhooks/kommo/{token}", "KommoWebhook", guarded=False)


def event(body: bytes = b"", content_type: str = "", query: str = "", *headers: tuple[str, str]) -> dict[str, Any]:
    given = (("content-type", content_type),) if content_type else ()
    return build_event(
        Request("POST", "/webhooks/kommo/t%20k", query, (*given, *headers), body), ROUTE, {"token": "t k"}
    )


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [
        ("application/json", False),
        ("application/json; charset=utf-8", False),
        ("APPLICATION/JSON", False),
        ("application/problem+json", False),
        ("application/xml", False),
        ("text/plain", False),
        ("application/javascript", False),
        ("application/x-www-form-urlencoded; charset=UTF-8", True),
        ("application/octet-stream", True),
        ("multipart/form-data; boundary=x", True),
        ("", True),
    ],
)
def test_only_text_travels_as_text(content_type: str, encoded: bool) -> None:
    body = "a=¿qué?&b=%2B".encode()
    built = event(body, content_type)
    assert built["isBase64Encoded"] is encoded
    assert built["body"] == (base64.b64encode(body).decode() if encoded else body.decode())


def test_text_that_is_none_keeps_its_bytes() -> None:
    built = event(b'{"a":"\xff"}', "application/json")
    assert built["isBase64Encoded"] is True
    assert base64.b64decode(built["body"]) == b'{"a":"\xff"}'


def test_without_a_body_there_is_no_body() -> None:
    built = event()
    assert "body" not in built
    assert built["isBase64Encoded"] is False


def test_path_and_query_stay_as_they_were_sent() -> None:
    built = event(b"", "", "b=%7E+x&a=1&a=2&empty=")
    assert built["rawPath"] == built["requestContext"]["http"]["path"] == "/webhooks/kommo/t%20k"
    assert built["rawQueryString"] == "b=%7E+x&a=1&a=2&empty="
    assert built["queryStringParameters"] == {"b": "~ x", "a": "1,2", "empty": ""}
    assert built["pathParameters"] == {"token": "t k"}


def test_headers_are_joined_and_cookies_are_apart() -> None:
    built = event(b"", "", "", ("x-tag", "a"), ("x-tag", "b"), ("cookie", "one=1; two=2"), ("host", "example.org:3000"))
    assert built["headers"] == {"x-tag": "a,b", "host": "example.org:3000"}
    assert built["cookies"] == ["one=1", "two=2"]
    assert built["requestContext"]["domainName"] == "example.org:3000"


def test_the_route_and_the_moment_are_in_the_event() -> None:
    built = event()
    assert built["version"] == "2.0"
    assert built["routeKey"] == built["requestContext"]["routeKey"] == "POST /webhooks/kommo/{token}"
    assert built["requestContext"]["stage"] == "$default"
    assert built["requestContext"]["timeEpoch"] > 1_700_000_000_000
    assert "authorizer" not in built["requestContext"]


def test_claims_of_an_accepted_token_are_in_the_event() -> None:
    built = build_event(Request("GET", "/v1/stats", "", ()), ROUTE, {}, {"sub": "operator"})
    assert built["requestContext"]["authorizer"]["jwt"]["claims"] == {"sub": "operator"}


def test_an_answer_becomes_a_response() -> None:
    given = {
        "statusCode": 201,
        "headers": {"Content-Type": "text/xml", "X-Number": 7},
        "cookies": ["a=1"],
        "body": "<é/>",
    }
    response = read_answer(json.dumps(given).encode())
    assert response is not None
    assert (response.status, response.body) == (201, "<é/>".encode())
    assert response.headers == {"content-type": "text/xml", "x-number": "7"}
    assert response.cookies == ("a=1",)


def test_an_encoded_answer_is_decoded() -> None:
    given = {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}
    response = read_answer(json.dumps(given).encode())
    assert response is not None
    assert response.body == b"\x00\xff"


def test_anything_else_is_the_body_of_a_200() -> None:
    response = read_answer(b'{"any": "thing"}')
    assert response is not None
    assert (response.status, json.loads(response.body)) == (200, {"any": "thing"})


@pytest.mark.parametrize(
    "given",
    [
        {"statusCode": "soon"},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
    ],
)
def test_an_answer_that_aws_would_not_understand_is_none(given: dict[str, Any]) -> None:
    assert read_answer(json.dumps(given).encode()) is None
