"""The operators' API: what it answers, and that every error is problem+json."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.functions.lambda_context import Context
from ventana.messages import Customer, InboundMessage, Parked
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.settings import Settings

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]
Call = Callable[..., tuple[int, Any]]

NOBODY = "6f1cbc1e-0000-4000-8000-000000000000"


@pytest.fixture
def call(load: Load, events: Events) -> Call:
    """Call the API: (method, path, body, query) → (status, decoded body)."""
    app = load("api")

    def send(method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        event = events["http"](method, path, raw, {"content-type": "application/json"}, query)
        response = app.handler(event, Context())
        found = json.loads(response["body"])
        kind = "application/json" if response["statusCode"] < 400 else "application/problem+json"
        headers = {**response.get("headers", {}), **response.get("multiValueHeaders", {})}
        assert kind in str(next(value for name, value in headers.items() if name.lower() == "content-type"))
        if kind == "application/problem+json":
            assert found["status"] == response["statusCode"]
            assert {"type", "title", "code"} <= found.keys()
        return response["statusCode"], found

    return send


@pytest.fixture
def conversation(rows: Rows) -> str:
    found = rows(
        "insert into kommo_conversations (provider, phone, contact_name, business_address)"
        " values ('twilio', '+5511987654321', 'Ana', '+14155238886') returning id::text"
    )[0][0]
    rows(
        "insert into kommo_messages (conversation_id, provider, role, content) values (%s, 'twilio', 'user', 'hola')"
        " returning 1",
        found,
    )
    return str(found)


def message(**where: Any) -> dict[str, Any]:
    return {**where, "type": "text", "text": {"body": "an answer"}}


def test_an_answer_is_accepted_queued_and_can_be_looked_up(call: Call, conversation: str, aws: dict[str, str]) -> None:
    status, accepted = call("POST", "/v1/messages", message(conversation_id=conversation))
    assert (status, accepted["status"], accepted["ids"]) == (202, "accepted", [accepted["id"]])
    entry = boto3.client("sqs").receive_message(QueueUrl=aws["SEND_QUEUE_URL"], AttributeNames=["All"])["Messages"][0]
    assert (entry["Body"], entry["Attributes"]["MessageGroupId"]) == (accepted["id"], conversation)
    status, found = call("GET", f"/v1/messages/{accepted['id']}")
    assert (status, found["status"], found["content"], found["role"]) == (200, "queued", "an answer", "assistant")
    assert [change["status"] for change in found["history"]] == ["accepted", "queued"]


def test_an_answer_by_provider_and_phone(call: Call, conversation: str) -> None:
    status, accepted = call("POST", "/v1/messages", message(provider="twilio", to="+5511987654321"))
    assert (status, accepted["conversation_id"]) == (202, conversation)


def test_an_answer_survives_a_queue_that_is_away(
    call: Call, conversation: str, aws: dict[str, str], rows: Rows
) -> None:
    boto3.client("sqs").delete_queue(QueueUrl=aws["SEND_QUEUE_URL"])
    status, accepted = call("POST", "/v1/messages", message(conversation_id=conversation))
    assert (status, accepted["status"]) == (202, "accepted")
    assert rows("select delivery_status from kommo_messages where id = %s", accepted["id"]) == [("accepted",)]


def test_a_shut_window_is_a_conflict_with_its_end(call: Call, conversation: str, rows: Rows) -> None:
    rows("update kommo_conversations set last_user_message_at = now() - interval '25 hours' returning 1")
    status, problem = call("POST", "/v1/messages", message(conversation_id=conversation))
    assert (status, problem["code"]) == (409, "window_closed")
    assert rows(
        "select closed = last_user_message_at + interval '24 hours' from kommo_conversations,"
        " (select %s::timestamptz as closed) c",
        problem["closed_at"],
    ) == [(True,)]
    assert rows("select count(*) from kommo_messages where role = 'assistant'") == [(0,)]


def test_a_customer_who_never_wrote_has_no_window(call: Call) -> None:
    status, problem = call("POST", "/v1/messages", message(provider="twilio", to="+5511000000000"))
    assert (status, problem["code"], problem["closed_at"]) == (409, "window_closed", None)


@pytest.mark.parametrize(
    ("label", "body", "field"),
    [
        ("no body", b"", "body"),
        ("no JSON", b"{", "body"),
        ("no object", [], "body"),
        ("no address", message(), "body"),
        ("two addresses", message(conversation_id=NOBODY, provider="twilio", to="+5511987654321"), "body"),
        ("half an address", message(provider="twilio"), "body"),
        ("no such provider", message(provider="telex", to="+5511987654321"), "provider"),
        ("a phone without plus", message(provider="twilio", to="5511987654321"), "to"),
        ("a prefix", message(provider="twilio", to="whatsapp:+5511987654321"), "to"),
        ("no uuid", message(conversation_id="7"), "conversation_id"),
        ("empty text", {"conversation_id": NOBODY, "type": "text", "text": {"body": ""}}, "text.body"),
        ("a list of one", [message(conversation_id=NOBODY)], "body"),
        ("a number", 7, "body"),
        ("too deep", b'{"type":' * 10_000, "body"),
        ("too many digits", b'{"expires_in":' + b"9" * 5_000 + b"}", "body"),
        ("no number", b'{"type": "location", "location": {"latitude": NaN}}', "location.latitude"),
        ("a NUL", {"conversation_id": NOBODY, "type": "text", "text": {"body": "a\0b"}}, "text.body"),
        ("half an emoji", {"conversation_id": NOBODY, "type": "text", "text": {"body": "\ud83d"}}, "text.body"),
        ("another type", {"conversation_id": NOBODY, "type": "video", "text": {"body": "x"}}, "video"),
        ("no such type", {"conversation_id": NOBODY, "type": "fax", "text": {"body": "x"}}, "type"),
        ("two contents", {**message(conversation_id=NOBODY), "video": {"link": "https://x"}}, "video"),
        ("a misspelt field", {**message(conversation_id=NOBODY), "txt": 1}, "txt"),
    ],
)
def test_an_invalid_request_names_its_field(call: Call, label: str, body: Any, field: str) -> None:
    status, problem = call("POST", "/v1/messages", body)
    assert (status, problem["code"]) == (422, "invalid_request"), label
    assert field in [error["field"] for error in problem["errors"]], (label, problem)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/v1/messages/{NOBODY}", 404, "not_found"),
        ("GET", f"/v1/conversations/{NOBODY}", 404, "not_found"),
        ("GET", f"/v1/conversations/{NOBODY}/window", 404, "not_found"),
        ("GET", "/v1/messages/7", 422, "invalid_request"),
        ("GET", "/v1/nothing", 404, "no_such_route"),
        ("DELETE", "/v1/messages", 404, "no_such_route"),
    ],
)
def test_what_is_not_there(call: Call, method: str, path: str, status: int, code: str) -> None:
    found = call(method, path)
    assert (found[0], found[1]["code"]) == (status, code)


def test_an_unknown_conversation(call: Call) -> None:
    status, problem = call("POST", "/v1/messages", message(conversation_id=str(uuid4())))
    assert (status, problem["code"]) == (404, "not_found")


def test_conversations_are_listed_by_provider_and_status(call: Call, conversation: str) -> None:
    for query, expected in [
        ("", [conversation]),
        ("provider=twilio", [conversation]),
        ("provider=twilio&status=active", [conversation]),
        ("provider=meta", []),
        ("status=escalated", []),
    ]:
        status, found = call("GET", "/v1/conversations", query=query)
        assert (status, [c["id"] for c in found["conversations"]]) == (200, expected), query
    assert call("GET", "/v1/conversations", query="provider=telex")[0] == 422
    assert call("GET", "/v1/conversations", query="limit=0")[0] == 422


def test_a_conversation_comes_with_its_messages_and_window(call: Call, conversation: str) -> None:
    status, found = call("GET", f"/v1/conversations/{conversation}")
    assert (status, found["phone"], found["contact_name"]) == (200, "+5511987654321", "Ana")
    assert [(m["role"], m["content"]) for m in found["messages"]] == [("user", "hola")]
    assert found["window"]["open"] is True


@pytest.mark.parametrize(("ago", "is_open", "minutes"), [("1 hour", True, 22 * 60 + 58), ("25 hours", False, 0)])
def test_the_window(call: Call, conversation: str, rows: Rows, ago: str, is_open: bool, minutes: int) -> None:
    rows("update kommo_conversations set last_user_message_at = now() - %s::interval returning 1", ago)
    status, found = call("GET", f"/v1/conversations/{conversation}/window")
    assert (status, found["open"], found["minutes_left"], found["needs_template"]) == (
        200,
        is_open,
        minutes,
        not is_open,
    )


def test_statistics_are_the_view(call: Call, conversation: str) -> None:
    assert call("GET", "/v1/stats") == (
        200,
        {
            "providers": [
                {"provider": "kommo", "total": 0, "active": 0, "escalated": 0, "within_24h": 0},
                {"provider": "twilio", "total": 1, "active": 1, "escalated": 0, "within_24h": 1},
                {"provider": "meta", "total": 0, "active": 0, "escalated": 0, "within_24h": 0},
            ]
        },
    )


def test_health_tells_the_truth(call: Call, load: Load, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("GET", "/v1/health") == (200, {"status": "ok"})
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
    response = load("api").handler(events["http"]("GET", "/v1/health"), Context())
    assert (response["statusCode"], json.loads(response["body"])["code"]) == (503, "storage_unavailable")


@pytest.fixture
def parked(application_url: str) -> Callable[..., str]:
    """Park items as a webhook does; the id of the last."""

    def park(*items: Any) -> str:
        database = Database(Settings(database_url=application_url))
        record_inbound(database, items)
        found = database.value("select id::text from parked_items order by received_at desc limit 1")
        database.close()
        return str(found)

    return park


WHOLE = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "metadata": {"phone_number_id": "1065"},
                        "messages": [
                            {
                                "id": "wamid.1",
                                "from": "5511987654321",
                                "timestamp": "1795348000",
                                "type": "text",
                                "text": {"body": "hola"},
                            }
                        ],
                    },
                }
            ]
        }
    ],
}


def test_parked_items_are_listed_without_notices(call: Call, parked: Callable[..., str]) -> None:
    poison = parked(Parked("meta", "parse failed: KeyError", b'{"x": 1}'))
    parked(Parked("meta", "notice: account_update", b"{}", kind="notice"))
    status, found = call("GET", "/v1/parked")
    assert (status, [(item["id"], item["kind"], item["reason"]) for item in found["parked"]]) == (
        200,
        [(poison, "poison", "parse failed: KeyError")],
    )
    assert len(call("GET", "/v1/parked", query="kind=notice")[1]["parked"]) == 1
    assert call("GET", "/v1/parked", query="provider=twilio")[1]["parked"] == []
    assert call("GET", f"/v1/parked/{poison}")[1]["body"] == '{"x": 1}'
    assert call("GET", f"/v1/parked/{NOBODY}")[0] == 404


def test_a_parked_body_is_replayed_after_a_fix(call: Call, parked: Callable[..., str], rows: Rows) -> None:
    """As when a bug of ours made a whole body unreadable: what it holds is recorded once, then and later."""
    parked_id = parked(Parked("meta", "parse failed: IndexError", json.dumps(WHOLE).encode()))
    status, found = call("POST", f"/v1/parked/{parked_id}/replay")
    assert (status, found["replayed"], found["outcomes"]) == (200, True, ["recorded"])
    assert rows("select id::text, content from kommo_messages") == [(found["message_ids"][0], "hola")]
    assert call("GET", "/v1/parked")[1]["parked"] == []
    assert call("POST", f"/v1/parked/{parked_id}/replay")[1]["outcomes"] == ["duplicate"]


def test_what_is_still_not_understood_stays_parked(call: Call, parked: Callable[..., str]) -> None:
    parked_id = parked(Parked("meta", "body is not JSON", b"{"))
    assert call("POST", f"/v1/parked/{parked_id}/replay")[1]["replayed"] is False
    assert [item["id"] for item in call("GET", "/v1/parked")[1]["parked"]] == [parked_id]


def test_what_no_provider_sent_cannot_be_replayed(call: Call, parked: Callable[..., str]) -> None:
    """As an entry of the spill queue that was none of ours."""
    parked_id = parked(Parked("unknown", "no spill entry", b"{}"))
    status, problem = call("POST", f"/v1/parked/{parked_id}/replay")
    assert (status, problem["code"]) == (400, "bad_request")
    assert call("GET", f"/v1/parked/{parked_id}")[1]["body"] == "{}"


def test_an_item_that_the_database_refused_is_replayed(call: Call, parked: Callable[..., str], rows: Rows) -> None:
    message = InboundMessage("twilio", "+14155238886", "SM1", Customer(phone="+5511"), "text", "hola")
    parked_id = parked(replace(message, content_type="hologram"))  # type: ignore[arg-type]
    rows("alter table kommo_messages drop constraint kommo_messages_content_type_check")
    assert call("POST", f"/v1/parked/{parked_id}/replay")[1]["outcomes"] == ["recorded"]
    assert rows("select content_type, content from kommo_messages") == [("hologram", "hola")]
    rows("delete from events")  # no consumer is told of such a type
