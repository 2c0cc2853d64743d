"""Signed webhooks through the real handlers into the real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]

TWILIO = {
    "MessageSid": "SM" + "1" * 32,
    "AccountSid": "AC" + "0" * 32,
    "From": "whatsapp:+5511987654321",
    "To": "whatsapp:+14155238886",
    "WaId": "5511987654321",
    "ProfileName": "Ana",
    "Body": "olá 👋 a+b & c",
    "NumMedia": "0",
    "SmsStatus": "received",
    "ButtonText": "",
}
KOMMO = {
    "message[add][0][id]": "6b0e0f2e-0000-4000-8000-000000000001",
    "message[add][0][chat_id]": "chat-1",
    "message[add][0][talk_id]": "77",
    "message[add][0][contact_id]": "5",
    "message[add][0][text]": "hola",
    "message[add][0][created_at]": "1795348000",
    "message[add][0][type]": "incoming",
    "message[add][0][author][type]": "external",
    "message[add][0][author][name]": "Ana",
    "message[add][0][origin]": "waba",
    "account[id]": "100",
    "account[subdomain]": "shop",
}


def meta(*messages: dict[str, Any], **value: Any) -> dict[str, Any]:
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": "1",
                "changes": [
                    {
                        "field": "messages",
                        "value": {"metadata": {"phone_number_id": "1065"}, "messages": list(messages), **value},
                    }
                ],
            }
        ],
    }


def text(number: int, body: str = "hola", sender: str = "5511987654321") -> dict[str, Any]:
    message_id = f"wamid.{sender}.{number}"
    return {"id": message_id, "from": sender, "timestamp": "1795348000", "type": "text", "text": {"body": body}}


STORED = "select provider, role, content, delivery_status from kommo_messages order by received_at, provider_message_id"


@pytest.mark.parametrize(
    ("provider", "payload", "content", "answer"),
    [
        ("twilio", TWILIO, "olá 👋 a+b & c", ("text/xml", "<Response/>")),
        ("meta", meta(text(1)), "hola", ("application/json", "{}")),
        ("kommo", KOMMO, "hola", ("application/json", "{}")),
    ],
)
def test_a_signed_webhook_is_stored_and_acknowledged(
    load: Load, rows: Rows, events: Events, provider: str, payload: Any, content: str, answer: tuple[str, str]
) -> None:
    response = load(f"{provider}_webhook").handler(events[provider](payload), None)
    assert response["statusCode"] == 200
    assert (response["headers"]["content-type"], response["body"]) == answer
    assert rows(STORED) == [(provider, "user", content, "received")]


@pytest.mark.parametrize(("provider", "payload"), [("twilio", TWILIO), ("meta", meta(text(1))), ("kommo", KOMMO)])
def test_a_webhook_costs_one_line_of_log(
    load: Load,
    events: Events,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    payload: Any,
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    load(f"{provider}_webhook").handler(events[provider](payload), None)
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["provider"], told["status"], told["InboundRecorded"]) == (provider, 200, [1.0])
    assert told["duration_ms"] > 0
    assert not {"hola", "Ana", "5511987654321", "chat-1"} & set(line.replace('"', " ").split())


@pytest.mark.parametrize(
    ("provider", "payload", "forged"),
    [("twilio", TWILIO, "forged"), ("meta", meta(text(1)), "forged"), ("kommo", KOMMO, "forged")],
)
def test_a_forged_webhook_is_refused_and_reaches_neither_parser_nor_database(
    load: Load,
    rows: Rows,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    payload: Any,
    forged: str,
) -> None:
    handler = load(f"{provider}_webhook").handler

    def unreachable(*arguments: object) -> None:
        raise AssertionError("parsed a forged webhook")

    monkeypatch.setattr(f"ventana.providers.{provider}.parse.parse", unreachable)
    response = handler(events[provider](payload, forged), None)
    assert response["statusCode"] == 403
    assert json.loads(response["body"])["code"] == "bad_signature"
    assert rows("select count(*) from kommo_messages") == [(0,)]
    assert rows("select count(*) from parked_items") == [(0,)]


@pytest.mark.parametrize(
    ("provider", "payload", "old"), [("twilio", TWILIO, "old-token"), ("meta", meta(text(1)), "old-secret")]
)
def test_a_secret_in_rotation_still_verifies(load: Load, events: Events, provider: str, payload: Any, old: str) -> None:
    assert load(f"{provider}_webhook").handler(events[provider](payload, old), None)["statusCode"] == 200


def test_twilio_signs_the_public_url_with_its_raw_query(load: Load, rows: Rows, events: Events) -> None:
    path = "/webhooks/twilio/status?message_id=6f1cbc1e-0000-4000-8000-000000000000&x=a%20b+c'"
    status = {"MessageSid": "SM9", "MessageStatus": "delivered", "From": TWILIO["To"], "To": TWILIO["From"]}
    response = load("twilio_webhook").handler(events["twilio"](status, path=path), None)
    assert response["statusCode"] == 200
    assert rows("select provider_message_id, status from parked_statuses") == [("SM9", "delivered")]


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ("hub.mode=subscribe&hub.verify_token=hand-shake&hub.challenge=0012%3Cb%3E", 200, "0012<b>"),
        ("hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1", 403, None),
        ("hub.mode=unsubscribe&hub.verify_token=hand-shake&hub.challenge=1", 403, None),
        ("", 403, None),
    ],
)
def test_metas_handshake(load: Load, events: Events, query: str, status: int, body: str | None) -> None:
    response = load("meta_webhook").handler(events["http"]("GET", "/webhooks/meta", query=query), None)
    assert response["statusCode"] == status
    if body is not None:
        assert (response["headers"]["content-type"], response["body"]) == ("text/plain", body)


def test_every_message_of_a_meta_batch_is_stored(load: Load, rows: Rows, events: Events) -> None:
    payload = meta(text(1), {"id": "wamid.poison"}, text(2), text(3, sender="5511900000000"))
    payload["entry"] *= 2
    payload["entry"].append(meta(text(4), metadata={"phone_number_id": "2077"})["entry"][0])
    assert load("meta_webhook").handler(events["meta"](payload), None)["statusCode"] == 200
    assert rows("select count(*) from kommo_messages") == [(4,)]
    assert rows("select count(*) from kommo_conversations") == [(2,)]
    assert rows("select count(*), sum(times) from parked_items") == [(1, 2)]


def test_kommos_account_is_checked(load: Load, rows: Rows, events: Events) -> None:
    response = load("kommo_webhook").handler(events["kommo"]({**KOMMO, "account[id]": "999"}), None)
    assert response["statusCode"] == 403
    assert rows("select count(*) from kommo_messages") == [(0,)]


def test_kommos_own_messages_are_recorded_and_open_nothing(load: Load, rows: Rows, events: Events) -> None:
    ours = {name.replace("message[add]", "outgoing_message[add]"): value for name, value in KOMMO.items()}
    ours["outgoing_message[add][0][type]"] = "outgoing"
    ours["outgoing_message[add][0][author][type]"] = "internal"
    assert load("kommo_webhook").handler(events["kommo"](ours), None)["statusCode"] == 200
    assert rows("select role, kommo_message_id from kommo_messages") == [("assistant", KOMMO["message[add][0][id]"])]
    assert rows("select kommo_chat_id, last_user_message_at from kommo_conversations") == [("chat-1", None)]


def test_a_bug_in_a_parser_parks_the_body_whole(
    load: Load, rows: Rows, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr("ventana.providers.meta.parse.parse", broken)
    event = events["meta"](meta(text(1)))
    assert load("meta_webhook").handler(event, None)["statusCode"] == 200
    assert rows("select provider, reason, body from parked_items") == [
        ("meta", "parse failed: IndexError", event["body"].encode())
    ]


@pytest.mark.parametrize(("provider", "payload"), [("twilio", TWILIO), ("meta", meta(text(1))), ("kommo", KOMMO)])
def test_nothing_is_acknowledged_that_was_not_stored(
    load: Load, events: Events, monkeypatch: pytest.MonkeyPatch, provider: str, payload: Any
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
    monkeypatch.delenv("SPILL_QUEUE_URL")
    response = load(f"{provider}_webhook").handler(events[provider](payload), None)
    assert response["statusCode"] == 503
    assert json.loads(response["body"])["code"] == "storage_unavailable"


def test_a_missing_secret_fails_closed_and_says_so(load: Load, events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_SECRET_ID", "nowhere")
    response = load("meta_webhook").handler(events["meta"](meta(text(1))), None)
    assert (response["statusCode"], json.loads(response["body"])["code"]) == (503, "not_configured")


@pytest.mark.parametrize(("provider", "payload"), [("twilio", TWILIO), ("meta", meta(text(1))), ("kommo", KOMMO)])
@pytest.mark.parametrize("forged", [False, True])
def test_no_log_holds_a_secret_a_phone_or_a_text(
    load: Load,
    events: Events,
    capsys: pytest.CaptureFixture[str],
    provider: str,
    payload: Any,
    forged: bool,
) -> None:
    event = events[provider](payload, "forged") if forged else events[provider](payload)
    response = load(f"{provider}_webhook").handler(event, None)
    said = "".join(capsys.readouterr()) + response["body"]
    for private in ("5511987654321", "hola", "olá", "new-token", "new-secret", "sha256=", "path-token"):
        assert private not in said


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"body": None},
        {"body": "%%%", "isBase64Encoded": True},
        {"body": "\ud83d", "isBase64Encoded": False, "headers": None},
    ],
)
@pytest.mark.parametrize("provider", ["twilio", "meta", "kommo"])
def test_nonsense_is_refused(load: Load, rows: Rows, provider: str, event: dict[str, Any]) -> None:
    assert load(f"{provider}_webhook").handler(event, None)["statusCode"] == 403
