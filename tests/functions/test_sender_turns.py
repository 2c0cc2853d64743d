"""Turns: in which order messages go, how long each waits where, and what a turn that comes again does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.functions.sending import Desk, Peer, pace
from ventana.providers.base import Pace
from ventana.schema.dispatch import claim_outbound
from ventana.schema.settle import cancel_message

Rows = Callable[..., list[tuple[Any, ...]]]
REFUSED: tuple[int, dict[str, str]] = (429, {})
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def retries_are_long_enough_to_be_seen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.app, "FIRST_RETRY_SECONDS", 20)


def three(desk: Desk, **wishes: Any) -> list[str]:
    """Three answers to one customer."""
    conversation = desk.customer()
    return [desk.accept(conversation, text, **wishes) for text in ("one", "two", "three")]


def test_a_turn_sends_what_is_in_line_before_its_message(desk: Desk, peer: Peer) -> None:
    messages = three(desk)
    assert desk.deliver(messages[2]) is None
    assert peer.sent() == ["one", "two", "three"]
    assert desk.deliver(messages[0]) is None, "its turn comes when nothing is left to do"
    assert len(peer.requests) == 3


def test_a_turn_leaves_what_is_behind_its_message_to_that_ones_turn(desk: Desk, peer: Peer) -> None:
    messages = three(desk)
    assert desk.deliver(messages[0]) is None
    assert peer.sent() == ["one"]
    assert desk.states(*messages) == ["sent", "accepted", "accepted"]


def test_a_message_that_is_tried_again_holds_those_behind_it_and_keeps_their_order(desk: Desk, peer: Peer) -> None:
    messages = three(desk)
    peer.answer = REFUSED
    desk.put(*messages)
    assert desk.turn() == messages[0]
    peer.answer = None
    with pytest.raises(LookupError):
        desk.turn()  # the queue holds the conversation back as well
    desk.time_passes()
    assert [desk.turn() for _ in range(3)] == [None] * 3
    assert peer.sent() == ["one", "one", "two", "three"]


def test_a_turn_that_comes_in_front_of_the_line_waits_for_it(desk: Desk, peer: Peer, rows: Rows) -> None:
    """As after a visibility time-out, or from the other queue."""
    messages = three(desk)
    peer.answer = REFUSED
    assert desk.deliver(messages[0]) == messages[0]
    peer.answer = None
    desk.forget_turns()
    rows("update sends set not_before = now() + interval '40 seconds' where not_before is not null returning 1")
    assert desk.deliver(messages[2]) == messages[2]
    assert desk.delays[-1] == ("reply", 40)
    assert peer.sent() == ["one"]
    desk.time_passes()
    assert desk.turn() is None
    assert peer.sent() == ["one", "one", "two", "three"]


def test_one_that_is_refused_too_often_fails_and_the_next_goes(desk: Desk, peer: Peer, rows: Rows) -> None:
    """megaapp977 #607: later messages failed silently behind one stuck send."""
    messages = three(desk)
    rows("update sends set attempts = 19 where message_id = %s returning 1", messages[0])
    send = desk.app.http

    def refuse_once(request: Any) -> Any:
        peer.answer = REFUSED if not peer.requests else None
        return send(request)

    desk.app.http = refuse_once
    assert desk.deliver(messages[2]) is None
    assert desk.states(*messages) == ["failed", "sent", "sent"]
    assert peer.sent() == ["one", "two", "three"]


@pytest.mark.parametrize("fault", ["failed", "uncertain"])
def test_one_that_fails_or_is_uncertain_holds_nobody_up(desk: Desk, peer: Peer, fault: str) -> None:
    messages = three(desk)
    peer.answer = (400, {}) if fault == "failed" else (500, {})
    assert desk.deliver(messages[0]) is None
    peer.answer = None
    assert desk.deliver(messages[2]) is None
    assert desk.states(*messages) == [fault, "sent", "sent"]


@pytest.mark.parametrize(
    ("wait", "where"),
    [("1 second", "here"), ("3 seconds", "queue"), ("119 seconds", "queue"), ("125 seconds", "sweep")],
)
def test_a_wait_is_spent_where_it_costs_least(desk: Desk, peer: Peer, rows: Rows, wait: str, where: str) -> None:
    """Here up to 1.5 s, in the queue up to 2 minutes, longer on the list of the sweep."""
    message_id = desk.accept(desk.customer())
    rows("update sends set not_before = now() + %s::interval returning 1", wait)
    again = desk.deliver(message_id)
    assert again == (message_id if where == "queue" else None)
    assert peer.sent() == (["an answer"] if where == "here" else [])
    if where == "queue":
        ((lane, seconds),) = desk.delays
        assert (lane, f"{seconds} seconds") == ("reply", wait)
    if where == "sweep":
        ((seconds,),) = rows("select extract(epoch from due_at - now())::integer from sends")
        assert 110 <= seconds <= 125


def test_a_turn_that_waits_often_is_left_to_the_sweep_and_not_to_the_dead_letters(desk: Desk, rows: Rows) -> None:
    message_id = desk.accept(desk.customer())
    rows("update sends set not_before = now() + interval '10 seconds' returning 1")
    assert desk.deliver(message_id, receives=desk.app.RECEIVES) is None
    assert rows("select phase, due_at < now() + interval '11 seconds' from sends") == [("ready", True)]


def test_a_turn_that_waits_is_not_seen_in_the_queue_meanwhile(desk: Desk, aws: dict[str, str], rows: Rows) -> None:
    message_id = desk.accept(desk.customer())
    rows("update sends set not_before = now() + interval '1 minute' returning 1")
    assert desk.deliver(message_id) == message_id
    sqs = boto3.client("sqs")
    assert "Messages" not in sqs.receive_message(QueueUrl=aws["SEND_QUEUE_URL"])
    found = sqs.get_queue_attributes(QueueUrl=aws["SEND_QUEUE_URL"], AttributeNames=["All"])["Attributes"]
    assert found["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_nothing_is_begun_that_could_not_be_finished_in_time(desk: Desk, peer: Peer) -> None:
    message_id = desk.accept(desk.customer())
    assert desk.deliver(message_id, remaining=desk.app.NEEDED_MS) == message_id
    assert (peer.requests, desk.delays) == ([], [("reply", 0)])
    assert desk.state(message_id) == "accepted"
    assert desk.turn() is None, "there is time in the next invocation"


def test_a_message_that_another_sender_is_just_sending_is_waited_for_briefly(desk: Desk, peer: Peer) -> None:
    """Of two queues; a reply must not wait for the end of a lease that a bulk message holds for a moment."""
    messages = three(desk)
    claim_outbound(desk.app.database, messages[0], "bulk", desk.app.PACES, MINUTE, MINUTE)
    waits: list[float] = []

    def finished_meanwhile(seconds: float) -> None:
        waits.append(seconds)
        desk.app.finish_sent(desk.app.database, messages[0], desk.app.Receipt("k-other", "sent"))

    desk.app.time = type("Clock", (), {"sleep": staticmethod(finished_meanwhile), "monotonic": lambda: 0.0})
    assert desk.deliver(messages[1]) is None
    assert waits == [1.0]
    assert peer.sent() == ["two"]


def test_the_lanes_are_two_queues_and_one_line(desk: Desk, peer: Peer) -> None:
    conversation = desk.customer()
    bulk = desk.accept(conversation, "offer", lane="bulk")
    reply = desk.accept(conversation, "answer")
    desk.put(bulk, lane="bulk")
    assert desk.deliver(reply) is None
    assert peer.sent() == ["offer", "answer"]
    assert desk.turn("bulk") is None


def test_bulk_leaves_to_replies_what_may_come_at_once(
    desk: Desk, peer: Peer, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    """One in two seconds at this pace, and two at once for replies."""
    monkeypatch.setattr(desk.app, "WAITED_FOR_SECONDS", 0.0)
    pace(desk, monkeypatch, Pace(messages_per_second=0.5))
    first, bulk = desk.accept(desk.customer(), lane="bulk"), desk.accept(desk.customer(), lane="bulk")
    assert desk.deliver(first, "bulk") is None
    assert desk.deliver(bulk, "bulk") == bulk
    assert desk.delays[-1][0] == "bulk"
    rows("update business_addresses set messages_per_second = 30 returning 1")
    rows("update business_addresses set free_at = now() + interval '50 milliseconds' returning 1")
    assert desk.deliver(desk.accept(desk.customer())) is None
    assert len(peer.requests) == 2


def test_a_turn_of_the_sweep_and_the_first_one_send_once(desk: Desk, peer: Peer) -> None:
    message_id = desk.accept(desk.customer())
    desk.put(message_id, message_id)
    assert [desk.turn(), desk.turn()] == [None, None]
    assert len(peer.requests) == 1


def test_a_failed_turn_of_nobody_is_let_go(desk: Desk) -> None:
    assert desk.deliver(str(uuid4())) is None


def test_a_scheduled_message_is_not_sent_before_its_time(desk: Desk, peer: Peer, rows: Rows) -> None:
    message_id = desk.accept(desk.customer(), send_at=datetime.now(UTC) + timedelta(hours=1))
    assert desk.deliver(message_id) is None
    assert peer.requests == []
    assert rows("select phase from sends") == [("scheduled",)]


def test_a_cancelled_message_is_not_sent(desk: Desk, peer: Peer) -> None:
    message_id = desk.accept(desk.customer())
    desk.put(message_id)
    cancel_message(desk.app.database, message_id, "operator")
    assert desk.turn() is None
    assert (desk.state(message_id), peer.requests) == ("cancelled", [])
