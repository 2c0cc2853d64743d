"""The echo bot: one answer for each text of a customer, however often its event comes, and silence otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.functions.lambda_context import Context
from tests.functions.sending import Desk, Peer
from tests.functions.test_webhooks import KOMMO, TWILIO, meta, text
from ventana.errors import StorageUnavailable

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]
Bus = Callable[[], list[dict[str, Any]]]

EVERY = [("twilio", TWILIO), ("meta", meta(text(1))), ("kommo", KOMMO)]
CONTENTS = {"twilio": "olá 👋 a+b & c", "meta": "hola", "kommo": "hola"}


@pytest.fixture
def hear(load: Load, events: Events, bus: Bus, rows: Rows) -> Callable[[str, Any], list[dict[str, Any]]]:
    """Have a webhook taken; the events that come of it, as EventBridge hands them on. They were sent just now."""

    def heard(provider: str, payload: Any) -> list[dict[str, Any]]:
        assert load(f"{provider}_webhook").handler(events[provider](payload), None)["statusCode"] == 200
        rows("update kommo_conversations set last_user_message_at = now()")
        return bus()

    return heard


@pytest.mark.parametrize(("provider", "payload"), EVERY)
def test_a_text_is_answered_once_however_often_its_event_comes(
    hear: Callable[..., Any], load: Load, desk: Desk, peer: Peer, provider: str, payload: Any
) -> None:
    (event,) = hear(provider, payload)
    app = load("echo_bot")
    answers = [app.handler(event, Context()) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert desk.turn() is None
    assert peer.sent() == [f"You wrote: {CONTENTS[provider]}"]
    assert desk.states(*answers[0]["message_ids"]) == ["sent" if provider == "kommo" else "sending"]


def test_a_long_text_is_answered_in_what_the_provider_takes(
    hear: Callable[..., Any], load: Load, desk: Desk, peer: Peer
) -> None:
    (event,) = hear("twilio", {**TWILIO, "Body": "palabra " * 500})
    answered = load("echo_bot").handler(event, Context())["message_ids"]
    assert len(answered) > 1
    assert all(desk.turn() is None for _ in answered)
    assert len(peer.sent()) == len(answered)


@pytest.mark.parametrize(
    "message",
    [
        {**text(1), "type": "image", "image": {"id": "1", "mime_type": "image/jpeg"}},
        {**text(1), "type": "sticker", "sticker": {"id": "1", "mime_type": "image/webp"}},
        {**text(1), "type": "text", "text": {"body": ""}},
    ],
)
def test_what_is_no_text_is_not_answered(hear: Callable[..., Any], load: Load, rows: Rows, message: Any) -> None:
    (event,) = hear("meta", meta(message))
    assert load("echo_bot").handler(event, Context()) == {"message_ids": []}
    assert rows("select count(*) from kommo_messages where role = 'assistant'") == [(0,)]


def test_an_event_whose_window_has_closed_since_is_not_answered(
    hear: Callable[..., Any], load: Load, rows: Rows
) -> None:
    (event,) = hear("meta", meta(text(1)))
    rows("update kommo_conversations set last_user_message_at = now() - interval '25 hours'")
    assert load("echo_bot").handler(event, Context()) == {"message_ids": []}


def test_an_event_of_a_conversation_that_is_gone_is_not_answered(
    hear: Callable[..., Any], load: Load, rows: Rows
) -> None:
    (event,) = hear("meta", meta(text(1)))
    rows("delete from kommo_conversations")
    assert load("echo_bot").handler(event, Context()) == {"message_ids": []}


def test_an_event_that_the_database_did_not_take_comes_again(
    hear: Callable[..., Any], load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    (event,) = hear("meta", meta(text(1)))
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
    with pytest.raises(StorageUnavailable):
        load("echo_bot").handler(event, Context())
