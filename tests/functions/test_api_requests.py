"""Requests that come twice, who makes them, in which form they come, and what the log says of them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.functions.api_calls import CALLER, PHONE, Api, Events, Load, Rows, a_conversation, text


@pytest.fixture
def call(load: Load, events: Events) -> Api:
    return Api(load, events, {"sub": CALLER})


def test_the_same_request_with_the_same_key_is_accepted_once(call: Api, rows: Rows, aws: dict[str, str]) -> None:
    conversation, key = a_conversation(rows), {"Idempotency-Key": "order,7!"}
    body = text(conversation_id=conversation)
    answers = [call("POST", "/v1/messages", body, headers=key) for _ in range(3)]
    assert answers[0][0] == 202
    assert answers[0][1]["status"] == "accepted"
    assert answers[1:] == answers[:1] * 2
    assert rows("select count(*) from kommo_messages where role = 'assistant'") == [(1,)]
    # In another order, and with what is default anyway: the same request, and another one.
    same = dict(reversed(body.items()))
    assert call("POST", "/v1/messages", same, headers=key) == answers[0]
    status, problem = call("POST", "/v1/messages", {**body, "text": {"body": "else"}}, headers=key)
    assert (status, problem["code"]) == (409, "idempotency_conflict")
    assert call("POST", "/v1/messages", body, headers={"Idempotency-Key": "8"})[1]["id"] != answers[0][1]["id"]


def test_a_key_is_its_callers_own(call: Api, load: Load, events: Events, rows: Rows) -> None:
    conversation, key = a_conversation(rows), {"Idempotency-Key": "7"}
    body = text(conversation_id=conversation)
    other = Api(load, events, {"client_id": "another"})
    assert call("POST", "/v1/messages", body, headers=key)[1] != other("POST", "/v1/messages", body, headers=key)[1]


def test_a_refusal_by_the_window_is_the_answer_for_good(call: Api, rows: Rows) -> None:
    conversation, key = a_conversation(rows, hours_ago=25), {"Idempotency-Key": "7"}
    first = call("POST", "/v1/messages", text(conversation_id=conversation), headers=key)
    assert (first[0], first[1]["code"]) == (409, "window_closed")
    rows("update kommo_conversations set last_user_message_at = now() returning 1")
    assert call("POST", "/v1/messages", text(conversation_id=conversation), headers=key) == first


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "\t"])
def test_a_key_that_is_none(call: Api, rows: Rows, key: str) -> None:
    body = text(conversation_id=a_conversation(rows))
    status, problem = call("POST", "/v1/messages", body, headers={"Idempotency-Key": key})
    assert (status, problem["code"], problem["field"]) == (400, "bad_request", "Idempotency-Key")


@pytest.mark.parametrize(
    ("authorizer", "caller"),
    [
        (None, "anonymous"),
        ({"jwt": {"claims": {"sub": "a", "client_id": "b"}}}, "a"),
        ({"jwt": {"claims": {"client_id": "b"}}}, "b"),
        ({"iam": {"userArn": "arn:aws:iam::123456789012:user/u"}}, "arn:aws:iam::123456789012:user/u"),
    ],
)
def test_who_accepted_it(load: Load, events: Events, rows: Rows, authorizer: Any, caller: str) -> None:
    def authorized(*arguments: Any) -> dict[str, Any]:
        event = events["http"](*arguments)
        if authorizer is not None:
            event["requestContext"]["authorizer"] = authorizer
        return event

    call = Api(load, {"http": authorized})
    accepted = call("POST", "/v1/messages", text(conversation_id=a_conversation(rows)))[1]
    assert call("GET", f"/v1/messages/{accepted['id']}")[1]["accepted_by"] == caller


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"type=text", 415),
        ("multipart/form-data", b"--x", 415),
        ("text/plain", b"{}", 415),
        ("application/json; charset=utf-8", b"{}", 422),
        ("application/json", b"\xff\xfe{}", 400),
        ("application/json", b'"' + b"x" * 300_000 + b'"', 413),
    ],
)
def test_bodies_that_are_not_read(call: Api, events: Events, content_type: str, body: bytes, status: int) -> None:
    found = []
    for kind in (content_type, "application/octet-stream"):
        event = events["http"]("POST", "/v1/messages", b"", {"content-type": kind})
        event["headers"]["content-type"] = content_type
        event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
        response = call.app.handler(event, object())
        found.append((response["statusCode"], json.loads(response["body"])["status"]))
    assert found == [(status, status)] * 2


def test_changes_are_in_the_log_without_what_they_say(
    call: Api, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation = a_conversation(rows)
    accepted = call("POST", "/v1/messages", text("a secret", conversation_id=conversation))[1]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "audit" in line]
    assert [(line["action"], line["by"], line["message_ids"]) for line in lines] == [
        ("message_accepted", CALLER, accepted["ids"])
    ]
    assert "a secret" not in json.dumps(lines)
    assert PHONE not in json.dumps(lines)
