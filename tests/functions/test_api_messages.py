"""Sending through the API: every type, every wish, the limits of providers, and the window."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.functions.api_calls import CALLER, NOBODY, OURS, PHONE, Api, Events, Load, Rows, a_conversation, text

TEMPLATE = {"name": "order_ready", "language": "es", "components": [{"type": "body", "parameters": []}]}
LIST: dict[str, Any] = {"body": "Which?", "button": "Look", "sections": []}
CONTENTS: dict[str, dict[str, Any]] = {
    "text": {"body": "an answer", "preview_url": True},
    "image": {"link": "https://files.example.com/a.png", "caption": "a sofa"},
    "video": {"id": "upload-1"},
    "audio": {"link": "https://files.example.com/a.ogg"},
    "document": {"link": "https://files.example.com/a.pdf", "filename": "a.pdf"},
    "sticker": {"id": "upload-2"},
    "location": {"latitude": -33.45, "longitude": -70, "name": "the shop"},
    "contacts": {
        "contacts": [{"name": "Ana", "phones": [{"phone": PHONE, "type": "WORK"}], "emails": ["a@x.example"]}]
    },
    "buttons": {"body": "Friday?", "buttons": [{"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}]},
    "list": {**LIST, "sections": [{"rows": [{"id": "1", "title": "One"}]}]},
    "cta_url": {"body": "Look", "display_text": "Shop", "url": "https://shop.example.com", "footer": "thanks"},
    "template": TEMPLATE,
}


@pytest.fixture
def call(load: Load, events: Events) -> Api:
    return Api(load, events, {"sub": CALLER})


def soon(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


@pytest.mark.parametrize("kind", CONTENTS)
def test_every_type_is_kept_as_it_was_written(call: Api, rows: Rows, kind: str) -> None:
    """The row has exactly what ventana.content says, and the API shows it as it was asked for."""
    conversation = a_conversation(rows, "meta")
    content = {**CONTENTS[kind], **({"header": None} if kind in ("buttons", "list", "cta_url") else {})}
    body = {"conversation_id": conversation, "type": kind, kind: content}
    status, accepted = call("POST", "/v1/messages", body)
    assert (status, accepted["status"], accepted["conversation_id"]) == (202, "accepted", conversation)
    assert rows("select metadata -> 'content' from kommo_messages where id = %s", accepted["id"]) == [
        ({"type": kind, **CONTENTS[kind]},)
    ]
    shown = call("GET", f"/v1/messages/{accepted['id']}")[1]
    assert shown["message"] == {"type": kind, kind: CONTENTS[kind]}


def test_a_reaction_is_to_a_message(call: Api, rows: Rows) -> None:
    conversation = a_conversation(rows, "meta")
    theirs = rows("select id::text from kommo_messages where conversation_id = %s", conversation)[0][0]
    body = {"conversation_id": conversation, "type": "reaction", "reaction": {"message_id": theirs, "emoji": "👍"}}
    status, accepted = call("POST", "/v1/messages", body)
    assert status == 202
    shown = call("GET", f"/v1/messages/{accepted['id']}")[1]
    assert (shown["message"], shown["reply_to"]) == ({"type": "reaction", "reaction": {"emoji": "👍"}}, theirs)
    status, problem = call("POST", "/v1/messages", {**body, "reply_to": theirs})
    assert (status, [error["field"] for error in problem["errors"]]) == (422, ["reply_to"])


def test_everything_that_was_wished_is_kept_and_shown(call: Api, rows: Rows) -> None:
    conversation, send_at = a_conversation(rows, "meta"), soon(hours=2)
    theirs = rows("select id::text from kommo_messages where conversation_id = %s", conversation)[0][0]
    wishes = {
        "from": OURS["meta"],
        "reply_to": theirs,
        "if_window_closed": "template",
        "fallback_template": TEMPLATE,
        "lane": "bulk",
        "send_at": send_at,
        "expires_in": 7200,
        "provider_options": {"meta": {"message_activity_sharing": True}, "twilio": {"ShortenUrls": "true"}},
    }
    status, accepted = call("POST", "/v1/messages", text(conversation_id=conversation, **wishes))
    assert (status, accepted["status"]) == (202, "accepted")
    shown = call("GET", f"/v1/messages/{accepted['id']}")[1]
    assert {name: shown[name] for name in ("reply_to", "if_window_closed", "fallback_template", "lane")} == {
        name: wishes[name] for name in ("reply_to", "if_window_closed", "fallback_template", "lane")
    }
    assert (shown["accepted_by"], shown["attempts"], shown["sent_as"], shown["business_address"]) == (
        CALLER,
        0,
        None,
        OURS["meta"],
    )
    at = datetime.fromisoformat(shown["send_at"])
    assert at == datetime.fromisoformat(send_at)
    assert datetime.fromisoformat(shown["expires_at"]) - at == timedelta(hours=2)
    assert rows("select metadata -> 'send' -> 'options' from kommo_messages where id = %s", accepted["id"]) == [
        ({"message_activity_sharing": True},)
    ]
    assert "send" not in shown["metadata"]


@pytest.mark.parametrize(
    ("provider", "body", "code", "field"),
    [
        ("meta", text("x" * 4097), "limit_exceeded", "text.body"),
        ("kommo", {"type": "image", "image": {"link": "https://x.example"}}, "unsupported_by_provider", "type"),
        ("twilio", {"type": "image", "image": {"id": "1"}}, "unsupported_by_provider", "image.id"),
        ("twilio", text(reply_to=NOBODY), "unsupported_by_provider", "reply_to"),
        ("meta", {"type": "list", "list": LIST}, "unsupported_by_provider", "list.sections"),
        ("meta", text(provider_options={"meta": {"to": "x"}}), "unsupported_by_provider", "provider_options.to"),
        (
            "meta",
            text(if_window_closed="template", fallback_template={"name": "x"}),
            "unsupported_by_provider",
            "fallback_template.language",
        ),
        ("kommo", text(fallback_template=TEMPLATE), "unsupported_by_provider", "fallback_template"),
    ],
)
def test_what_the_provider_would_refuse_is_refused_before(
    call: Api, rows: Rows, provider: str, body: dict[str, Any], code: str, field: str
) -> None:
    conversation = a_conversation(rows, provider)
    status, problem = call("POST", "/v1/messages", {**body, "conversation_id": conversation})
    assert (status, problem["code"], problem["field"]) == (422, code, field)
    assert ("limit" in problem) == (code == "limit_exceeded")
    assert rows("select count(*) from kommo_messages where role = 'assistant'") == [(0,)]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"expires_in": 59}, "expires_in"),
        ({"expires_in": 30 * 86400 + 1}, "expires_in"),
        ({"expires_in": "3600"}, "expires_in"),
        ({"send_at": "tomorrow"}, "send_at"),
        ({"send_at": 1795348800}, "send_at"),
        ({"send_at": "1795348800"}, "send_at"),
        ({"send_at": "2026-11-22T12:00:00"}, "send_at"),
        ({"send_at": "0001-01-01T00:00:00+14:00"}, "send_at"),
        ({"send_at": soon(days=31)}, "send_at"),
        ({"if_window_closed": "wait"}, "if_window_closed"),
        ({"lane": "fast"}, "lane"),
        ({"reply_to": "7"}, "reply_to"),
        ({"from": "a b"}, "from"),
        ({"provider_options": {"telex": {}}}, "provider_options.telex.[key]"),
        ({"provider_options": {"meta": 1}}, "provider_options.meta"),
        ({"provider_options": {"meta": {"a": {"b": ["\0"]}}}}, "provider_options.meta.a.b[0]"),
        ({"fallback_template": {"nam": "x"}}, "fallback_template.nam"),
    ],
)
def test_wishes_are_checked(call: Api, wish: dict[str, Any], field: str) -> None:
    status, problem = call("POST", "/v1/messages", text(conversation_id=NOBODY, **wish))
    assert (status, problem["code"]) == (422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [field]


def test_errors_repeat_no_value(call: Api) -> None:
    secret = "nobody-should-see-this"
    bodies = [
        text(conversation_id=secret),
        text(conversation_id=NOBODY, reply_to=secret),
        text(conversation_id=NOBODY, send_at=secret, lane=secret, expires_in=secret),
        text(provider=secret, to=secret),
        text(secret * 1000, provider="meta", to=PHONE),
        {"type": secret},
    ]
    for body in bodies:
        status, problem = call("POST", "/v1/messages", body)
        assert status in (404, 422)
        assert secret not in json.dumps(problem)


def test_a_long_text_goes_in_parts_in_their_order(call: Api, rows: Rows) -> None:
    conversation = a_conversation(rows)
    long = " ".join(f"word{number}" for number in range(500))
    status, accepted = call("POST", "/v1/messages", text(long, conversation_id=conversation))
    assert (status, accepted["id"]) == (202, accepted["ids"][0])
    kept = rows("select m.content from sends s join kommo_messages m on m.id = s.message_id order by s.send_order")
    assert len(kept) == len(accepted["ids"]) > 1
    assert " ".join(part for (part,) in kept).split() == long.split()


@pytest.mark.parametrize(
    ("wish", "status", "outcome"),
    [
        ({}, 409, "window_closed"),
        ({"if_window_closed": "hold"}, 202, "held"),
        ({"if_window_closed": "template", "fallback_template": TEMPLATE}, 202, "accepted"),
        ({"if_window_closed": "template"}, 409, "window_closed"),
        ({"send_at": soon(hours=1)}, 202, "accepted"),
    ],
)
def test_a_shut_window(call: Api, rows: Rows, wish: dict[str, Any], status: int, outcome: str) -> None:
    conversation = a_conversation(rows, "meta", hours_ago=25)
    found, answer = call("POST", "/v1/messages", text(conversation_id=conversation, **wish))
    assert (found, answer["status"] if found == 202 else answer["code"]) == (status, outcome)
    if found == 409:
        assert answer["conversation_id"] == conversation
        assert datetime.fromisoformat(answer["closed_at"]) < datetime.now(UTC)
    elif wish.get("fallback_template"):
        shown = call("GET", f"/v1/messages/{answer['id']}")[1]
        assert shown["sent_as"] == {"type": "template", "template": TEMPLATE}


def test_a_template_may_begin_a_conversation(call: Api, rows: Rows) -> None:
    body = {"provider": "meta", "to": PHONE, "from": OURS["meta"], "type": "template", "template": TEMPLATE}
    assert call("POST", "/v1/messages", {**body, "from": None})[1]["code"] == "bad_request"
    status, accepted = call("POST", "/v1/messages", body)
    assert status == 202
    assert rows("select id::text, phone from kommo_conversations") == [(accepted["conversation_id"], PHONE)]


def test_who_opted_out_gets_direct_answers_only(call: Api, rows: Rows) -> None:
    conversation = a_conversation(rows, "meta")
    assert call("PUT", f"/v1/conversations/{conversation}/opt-out")[0] == 200
    assert call("POST", "/v1/messages", text(conversation_id=conversation))[0] == 202
    for body in (text(lane="bulk"), {"type": "template", "template": TEMPLATE}):
        status, problem = call("POST", "/v1/messages", {**body, "conversation_id": conversation})
        assert (status, problem["code"]) == (409, "opted_out")
