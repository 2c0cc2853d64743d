"""The sender under real SQS events: what becomes of one message, whatever its provider answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.functions.lambda_context import Context
from tests.functions.sending import STATE, TAKEN, Desk, Peer, record_of
from ventana.errors import StorageUnavailable

Rows = Callable[..., list[tuple[Any, ...]]]

TEMPLATE = {"type": "template", "name": "we_are_back", "language": "es"}
SHUT = (400, {"error": {"code": 131047, "message": "Re-engagement message"}})


@pytest.mark.parametrize(
    ("provider", "path", "status"),
    [
        ("twilio", "/2010-04-01/Accounts/AC" + "0" * 32 + "/Messages.json", "sending"),
        ("meta", "/v25.0/1065/messages", "sending"),
        ("kommo", "/api/v4/talks/1/send_message", "sent"),
    ],
)
def test_a_message_reaches_its_provider_once(
    desk: Desk, peer: Peer, rows: Rows, provider: str, path: str, status: str
) -> None:
    peer.answer = TAKEN[provider]
    message_id = desk.accept(desk.customer(provider))
    assert desk.deliver(message_id) is None
    assert desk.deliver(message_id) is None, "the same turn again, as queues do"
    assert [request[0] for request in peer.requests] == [path]
    assert rows(STATE, message_id)[0][0] == status
    assert rows(STATE, message_id)[0][1] in json.dumps(TAKEN[provider][1])
    assert rows("select count(*) from sends") == [(0,)], "nothing is left to be done"


def test_twilio_reports_to_a_url_that_carries_our_id(desk: Desk, peer: Peer) -> None:
    message_id = desk.accept(desk.customer("twilio"))
    desk.deliver(message_id)
    assert f"%2Fwebhooks%2Ftwilio%2Fstatus%3Fmessage_id%3D{message_id}" in peer.requests[0][2].decode()


def test_what_is_sent_is_the_content_with_the_callers_options_and_the_message_that_it_answers(
    desk: Desk, peer: Peer, rows: Rows
) -> None:
    conversation = desk.customer("meta")
    ((question,),) = rows(
        "insert into kommo_messages (conversation_id, provider, business_address, role, content, provider_message_id)"
        " values (%s, 'meta', '1065', 'user', '?', 'wamid.asked') returning id::text",
        conversation,
    )
    image = {"type": "image", "link": "https://shop.example.com/a.jpg", "caption": "esta"}
    desk.deliver(desk.accept(conversation, content=image, reply_to=question, options={"biz_opaque": "x"}))
    body = json.loads(peer.requests[0][2])
    assert body["image"] == {"link": "https://shop.example.com/a.jpg", "caption": "esta"}
    assert (body["context"], body["biz_opaque"]) == ({"message_id": "wamid.asked"}, "x")


@pytest.mark.parametrize(
    ("provider", "answer", "status"),
    [
        ("twilio", (429, {"code": 20429, "message": "Too Many Requests", "status": 429}), "queued"),
        ("twilio", (400, {"code": 63003, "message": "no", "status": 400}), "failed"),
        ("twilio", (500, {"code": 20500, "message": "oops", "status": 500}), "uncertain"),
        ("meta", (400, {"error": {"code": 131056, "message": "pair rate"}}), "queued"),
        ("meta", (400, {"error": {"code": 131057, "message": "maintenance"}}), "queued"),
        ("meta", (400, {"error": {"code": 131009, "message": "bad"}}), "failed"),
        ("meta", (503, {"error": {"code": 131016, "message": "busy"}}), "uncertain"),
        ("meta", (200, {"nothing": "readable"}), "uncertain"),
        ("kommo", (429, {}), "queued"),
        ("kommo", (400, {"title": "no"}), "failed"),
        ("kommo", (502, {}), "uncertain"),
    ],
)
def test_what_a_provider_did_not_take(
    desk: Desk, peer: Peer, rows: Rows, provider: str, answer: tuple[int, Any], status: str
) -> None:
    peer.answer = answer
    message_id = desk.accept(desk.customer(provider))
    assert desk.deliver(message_id) == (message_id if status == "queued" else None)
    found, _, code = rows(STATE, message_id)[0]
    assert (found, code is not None) == (status, True)


@pytest.mark.parametrize("provider", ["twilio", "meta", "kommo"])
@pytest.mark.parametrize("fault", ["hang", "drop"])
def test_a_lost_answer_is_uncertain_and_never_sent_again(desk: Desk, peer: Peer, provider: str, fault: str) -> None:
    peer.hang, peer.drop = (1, False) if fault == "hang" else (0, True)
    message_id = desk.accept(desk.customer(provider))
    assert desk.deliver(message_id) is None
    assert desk.state(message_id) == "uncertain"
    assert desk.deliver(message_id) is None
    assert len(peer.requests) == 1


def test_a_bug_while_sending_is_uncertain_and_told_without_its_text(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str) -> None:
        raise KeyError("+5511987600001")

    monkeypatch.setattr(desk.app, "provider_named", broken)
    message_id = desk.accept(desk.customer("meta"), "un secreto")
    assert desk.deliver(message_id) is None
    assert desk.state(message_id) == "uncertain"
    said = capsys.readouterr().out
    assert "send_failed" in said
    assert "+5511987600001" not in said
    assert "un secreto" not in said


@pytest.mark.parametrize("provider", ["twilio", "meta", "kommo"])
def test_a_provider_that_cannot_be_reached_is_tried_again(desk: Desk, peer: Peer, provider: str) -> None:
    reach = desk.app.http
    desk.app.http = desk.app.transport("http://127.0.0.1:1", connect_seconds=0.5, read_seconds=0.5)
    message_id = desk.accept(desk.customer(provider))
    assert desk.deliver(message_id) == message_id
    assert desk.state(message_id) == "queued"
    desk.app.http = reach
    desk.time_passes()
    assert desk.turn() is None
    assert desk.states(message_id) == ["sent" if provider == "kommo" else "sending"]


@pytest.mark.parametrize(
    ("policy", "status", "goes"),
    [("reject", "failed", []), ("template", "sending", ["template"]), ("hold", "held", [])],
)
def test_the_providers_word_shuts_the_window(
    desk: Desk, peer: Peer, rows: Rows, policy: str, status: str, goes: list[str]
) -> None:
    """100eyes #1739, gaia PR #790: our clock is not the source of truth."""
    fallback = TEMPLATE if policy == "template" else None
    message_id = desk.accept(desk.customer("meta"), if_window_closed=policy, fallback=fallback)
    peer.answer = SHUT
    send = desk.app.http

    def shut_once(request: Any) -> Any:
        reply = send(request)
        peer.answer = None
        return reply

    desk.app.http = shut_once
    assert desk.deliver(message_id) is None
    assert peer.sent() == ["an answer", *goes]
    assert rows(STATE, message_id)[0][::2] == (status, "131047")
    assert rows("select window_closed_for = last_user_message_at, needs_template from kommo_conversations") == [
        (True, True)
    ]
    assert [event["reason"] for event in desk.events("WindowClosed")] == ["provider"]


@pytest.mark.parametrize(
    ("policy", "status", "goes"),
    [("reject", "failed", []), ("template", "sending", ["template"]), ("hold", "held", [])],
)
def test_a_window_that_shut_in_the_queue_is_respected(
    desk: Desk, peer: Peer, rows: Rows, policy: str, status: str, goes: list[str]
) -> None:
    """chatwoot #9516: no provider call outside of the window."""
    fallback = TEMPLATE if policy == "template" else None
    message_id = desk.accept(desk.customer("meta"), if_window_closed=policy, fallback=fallback)
    rows("update kommo_conversations set last_user_message_at = now() - interval '24 hours' returning 1")
    assert desk.deliver(message_id) is None
    assert peer.sent() == goes
    assert desk.state(message_id) == status


def test_a_customer_who_wants_no_such_messages_is_remembered(desk: Desk, peer: Peer, rows: Rows) -> None:
    """100eyes #2148, whatomate #539: for every audience, and not only for this message."""
    peer.answer = (400, {"error": {"code": 131050, "message": "stopped"}})
    message_id = desk.accept(desk.customer("meta"))
    assert desk.deliver(message_id) is None
    assert rows(STATE, message_id) == [("failed", None, "131050")]
    assert rows("select opted_out_at is not null, opted_out_by from kommo_conversations") == [(True, "meta")]
    assert [(event["change"], event["opted_out"]) for event in desk.events("ConversationChanged")] == [
        ("opted_out", True)
    ]


def test_what_was_not_sent_in_its_time_is_not_sent_later(desk: Desk, peer: Peer, rows: Rows) -> None:
    message_id = desk.accept(desk.customer())
    rows("update sends set expires_at = now() returning 1")
    assert desk.deliver(message_id) is None
    assert (desk.state(message_id), peer.requests) == ("expired", [])


def test_a_sender_that_died_leaves_a_message_uncertain_which_is_not_sent_twice(
    desk: Desk, peer: Peer, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """camel #4280, eliza #22382."""

    class Killed(BaseException):
        pass

    def killed(*arguments: object) -> None:
        raise Killed

    message_id = desk.accept(desk.customer())
    monkeypatch.setattr(desk.app, "finish_sent", killed)
    with pytest.raises(Killed):
        desk.deliver(message_id)
    assert desk.state(message_id) == "sending"
    rows("update sends set lease_until = now() returning 1")
    rows("update kommo_messages set lease_until = now() returning 1")  # where a sender of the former version looks
    assert desk.turn() is None, "the same turn, after the queue's visibility time-out"
    assert desk.state(message_id) == "uncertain"
    assert len(peer.requests) == 1


@pytest.mark.parametrize(("receives", "longest"), [(1, 1), (3, 4), (30, 60)])
def test_a_turn_that_the_database_did_not_take_comes_again_soon(
    desk: Desk, peer: Peer, monkeypatch: pytest.MonkeyPatch, receives: int, longest: int
) -> None:
    message_id = desk.accept(desk.customer())

    def away(*arguments: object) -> None:
        raise StorageUnavailable("the database did not answer")

    monkeypatch.setattr(desk.app, "claim_outbound", away)
    assert desk.deliver(message_id, receives=receives) == message_id
    ((lane, seconds),) = desk.delays
    assert lane == "reply"
    assert longest / 2 <= seconds <= longest
    monkeypatch.undo()
    assert desk.state(message_id) == "accepted"
    assert peer.requests == []


def test_a_turn_comes_again_also_where_neither_database_nor_queue_answers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object) -> None:
        raise StorageUnavailable("nobody answers")

    message_id = desk.accept(desk.customer())
    monkeypatch.setattr(desk.app, "claim_outbound", away)
    monkeypatch.setattr(desk.app.queue, "delay", away)
    assert desk.deliver(message_id) == message_id


def test_what_a_provider_took_is_kept_although_the_database_was_away_at_that_moment(
    desk: Desk, peer: Peer, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.app, "FINISH_AGAIN_SECONDS", 0)
    finish, failures = desk.app.finish_sent, [1, 2, 3]

    def finish_late(*arguments: Any) -> Any:
        if failures:
            failures.pop()
            raise StorageUnavailable("the database did not answer")
        return finish(*arguments)

    monkeypatch.setattr(desk.app, "finish_sent", finish_late)
    message_id = desk.accept(desk.customer())
    assert desk.deliver(message_id) is None
    assert rows(STATE, message_id) == [("sent", "k1", None)]


NOBODYS = "6f1cbc1e-0000-4000-8000-000000000000"


@pytest.mark.parametrize("body", [NOBODYS, f"read:{NOBODYS}", "", "no id", "read:", "typing:what", "{}", "🙂"])
def test_what_is_no_turn_of_ours_is_let_go(desk: Desk, peer: Peer, body: str) -> None:
    assert desk.app.handler({"Records": [record_of(body)]}, Context(60_000)) == {"batchItemFailures": []}
    assert peer.requests == []


def test_only_what_is_to_come_again_is_named_in_the_answer(desk: Desk, peer: Peer) -> None:
    """A larger batch than ours: mocknest PR #157, swallowed exceptions acknowledge."""
    done, waits = desk.accept(desk.customer("kommo")), desk.accept(desk.customer("meta"))
    desk.deliver(done)
    peer.answer = (429, {})
    records = [record_of(body, f"m{number}") for number, body in enumerate((done, waits, str(uuid4())))]
    desk.app.queue.delay = lambda *arguments: None
    assert desk.app.handler({"Records": records}, Context(60_000)) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


@pytest.mark.parametrize("provider", ["twilio", "meta", "kommo"])
def test_no_log_holds_a_secret_a_phone_or_a_text(
    desk: Desk, peer: Peer, rows: Rows, provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    phone = "+5511987600001"
    for status in (200, 201, 400, 401, 429, 500):
        peer.answer = (status, {"message": f"{phone} said un secreto", "error": {"message": phone, "code": 100}})
        message_id = desk.accept(desk.customer(provider), "un secreto")
        desk.deliver(message_id)
        desk.forget_turns()
    said = capsys.readouterr().out
    assert "message_id" in said
    for private in (phone, phone[1:], "un secreto", "new-token", "Bearer", "Basic"):
        assert private not in said
