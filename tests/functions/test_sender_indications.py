"""Showing a customer that we have read, or write: nothing depends on it, and it depends on nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.functions.lambda_context import Context
from tests.functions.sending import Desk, Peer, record_of
from ventana.errors import StorageUnavailable

Rows = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def written(desk: Desk, rows: Rows) -> Callable[[str], tuple[str, str]]:
    """A customer's message, and its conversation."""

    def make(provider: str) -> tuple[str, str]:
        conversation = desk.customer(provider)
        ((message_id,),) = rows(
            "insert into kommo_messages (conversation_id, provider, business_address, role, content,"
            " provider_message_id) select id, provider, business_address, 'user', 'hola', 'in-1'"
            " from kommo_conversations where id = %s returning id::text",
            conversation,
        )
        return message_id, conversation

    return make


@pytest.mark.parametrize(
    ("provider", "kind", "path", "body"),
    [
        (
            "meta",
            "read",
            "/v25.0/1065/messages",
            {"messaging_product": "whatsapp", "status": "read", "message_id": "in-1"},
        ),
        (
            "meta",
            "typing",
            "/v25.0/1065/messages",
            {
                "messaging_product": "whatsapp",
                "status": "read",
                "message_id": "in-1",
                "typing_indicator": {"type": "text"},
            },
        ),
        ("twilio", "typing", "/v3/Indicators/Typing.json", {"channel": "WHATSAPP", "messageId": "in-1"}),
    ],
)
def test_what_a_provider_can_show_is_shown(
    desk: Desk, peer: Peer, written: Callable[[str], tuple[str, str]], provider: str, kind: str, path: str, body: Any
) -> None:
    peer.answer = (200, {"success": True})
    message_id, conversation = written(provider)
    desk.app.queue.indicate(kind, message_id, conversation)
    assert desk.turn() is None
    ((asked, _, sent),) = peer.requests
    assert (asked, json.loads(sent)) == (path, body)


@pytest.mark.parametrize(
    ("provider", "kind"), [("twilio", "read"), ("kommo", "read"), ("kommo", "typing"), ("meta", "x")]
)
def test_what_a_provider_cannot_show_is_let_be(
    desk: Desk, peer: Peer, written: Callable[[str], tuple[str, str]], provider: str, kind: str
) -> None:
    desk.app.queue.indicate(kind, *written(provider))
    assert desk.turn() is None
    assert peer.requests == []


def test_nothing_is_shown_at_a_message_of_ours(desk: Desk, peer: Peer) -> None:
    conversation = desk.customer("meta")
    desk.app.queue.indicate("read", desk.accept(conversation), conversation)
    assert desk.turn() is None
    assert peer.requests == []


@pytest.mark.parametrize("fault", ["refused", "silent", "unreachable", "no credentials", "no database", "a bug"])
def test_whatever_goes_wrong_it_neither_comes_again_nor_touches_an_answer(
    desk: Desk,
    peer: Peer,
    rows: Rows,
    written: Callable[[str], tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    message_id, conversation = written("meta")
    answer = desk.accept(conversation)
    with monkeypatch.context() as patched:
        if fault == "refused":
            peer.answer = (401, {"error": {"code": 190, "message": "+5511987600001"}})
        elif fault == "silent":
            peer.hang = 1.0
            patched.setattr(desk.app, "hasty", desk.app.transport(peer.url, connect_seconds=0.2, read_seconds=0.2))
        elif fault == "unreachable":
            patched.setattr(desk.app, "hasty", desk.app.transport("http://127.0.0.1:1", connect_seconds=0.2))
        elif fault == "no credentials":
            patched.setattr(desk.app.secrets, "of", _raising(desk.app.NotConfigured("no secret")))
        elif fault == "no database":
            patched.setattr(desk.app, "find_indicated", _raising(StorageUnavailable("away")))
        else:
            patched.setattr(desk.app, "indications_named", _raising(KeyError("+5511987600001")))
        desk.app.queue.indicate("typing", message_id, conversation)
        assert desk.turn() is None
    assert desk.delays == []
    peer.answer, peer.hang = None, 0
    assert desk.deliver(answer) is None
    assert desk.state(answer) == "sending"
    assert rows("select stopped_at from business_addresses") == [(None,)], "and says nothing of the address"
    said = capsys.readouterr().out
    assert "not_indicated" in said
    assert "+5511987600001" not in said


def test_typing_that_comes_late_is_not_shown_after_the_answer(
    desk: Desk, peer: Peer, written: Callable[[str], tuple[str, str]]
) -> None:
    message_id, _ = written("meta")
    for kind in ("typing", "read"):
        record = record_of(f"{kind}:{message_id}")
        record["attributes"]["SentTimestamp"] = f"{(time.time() - 30) * 1000:.0f}"
        assert desk.app.handler({"Records": [record]}, Context(60_000)) == {"batchItemFailures": []}
    assert [json.loads(body).get("typing_indicator") for _, _, body in peer.requests] == [None]


def test_an_answer_does_not_stand_behind_what_is_shown(
    desk: Desk, peer: Peer, written: Callable[[str], tuple[str, str]], aws: dict[str, str]
) -> None:
    """They are of different groups: while one sender shows, another sends."""
    message_id, conversation = written("meta")
    desk.app.queue.indicate("typing", message_id, conversation)
    shown = boto3.client("sqs").receive_message(QueueUrl=aws["SEND_QUEUE_URL"])["Messages"]
    assert len(shown) == 1
    assert desk.deliver(desk.accept(conversation)) is None
    assert peer.sent() == ["an answer"]


def _raising(error: Exception) -> Callable[..., None]:
    def raise_it(*arguments: object) -> None:
        raise error

    return raise_it
