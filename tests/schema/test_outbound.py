"""An answer is accepted inside the window, as one row or several, with all that is needed to send it later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.schema.conftest import rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LATER,
    MINUTE,
    NOW,
    SECOND,
    A,
    B,
    accept,
    answer,
    claim,
    claimed,
    conversation,
    phase_of,
    request,
    somebody,
    state_of,
    status_of,
    text,
    writes,
)
from ventana.errors import NotFound, VentanaError, WindowClosed
from ventana.messages import Customer
from ventana.schema.connection import Database
from ventana.schema.outbound import accept_outbound, mark_queued


def test_an_answer_is_a_row_of_the_conversation_and_one_in_line(database: Database) -> None:
    ana = conversation(database, to=A)
    accepted = accept(database, text("hi"), conversation_id=ana, options={"messagingServiceSid": "MG1"})
    assert (accepted.conversation_id, accepted.status) == (ana, "accepted")
    assert rows(
        database,
        "select m.id::text, m.conversation_id::text, m.provider, m.business_address, m.role, m.content,"
        " m.content_type, m.delivery_status, m.opens_window, m.created_at, m.metadata -> 'content',"
        " m.metadata -> 'send' -> 'options', s.phase, s.lane, s.conversation_id::text, s.business_address,"
        " s.expires_at - m.created_at"
        " from kommo_messages m join sends s on s.message_id = m.id",
    ) == [
        (
            accepted.message_ids[0],
            ana,
            "twilio",
            A,
            "assistant",
            "hi",
            "text",
            "accepted",
            False,
            NOW,
            {"type": "text", "body": "hi"},
            {"messagingServiceSid": "MG1"},
            "ready",
            "reply",
            ana,
            A,
            DAY,
        )
    ]
    assert rows(database, "select message_count, bot_message_count from kommo_conversations") == [(2, 1)]
    assert rows(database, "select last_user_message_at from kommo_conversations") == [(NOW,)], "never extends a window"


@pytest.mark.parametrize("to", ["+5511987654321", "US.1349"])
def test_a_customer_is_found_by_phone_or_user_id(database: Database, to: str) -> None:
    ana = conversation(database, Customer(phone="+5511987654321", user_id="US.1349"))
    assert accept(database, provider="twilio", to=to).conversation_id == ana


@pytest.mark.parametrize(
    ("at", "margin", "is_open"),
    [
        (NOW, MINUTE, True),
        (NOW + 24 * HOUR - 61 * SECOND, MINUTE, True),
        (NOW + 24 * HOUR - 60 * SECOND, MINUTE, False),
        (NOW + 24 * HOUR - 60 * SECOND, 0 * SECOND, True),
        (NOW + 24 * HOUR, 0 * SECOND, False),
        (NOW + 9 * DAY, MINUTE, False),
    ],
)
def test_the_window_is_decided_to_the_second(shared: Database, at: Any, margin: timedelta, is_open: bool) -> None:
    ana = conversation(shared)
    if is_open:
        assert accept_outbound(shared, request(conversation_id=ana), margin, at).status == "accepted"
        return
    with pytest.raises(WindowClosed) as caught:
        accept_outbound(shared, request(conversation_id=ana), margin, at)
    assert caught.value.closed_at == min(at, NOW + 24 * HOUR)
    for query in (
        "select count(*) from kommo_messages where role = 'assistant' and conversation_id = %s",
        "select count(*) from sends where conversation_id = %s",
    ):
        assert rows(shared, query, ana) == [(0,)]


@pytest.mark.parametrize("channel", ["telegram", "whatsapp"])
def test_a_channel_without_a_window_is_always_open(shared: Database, channel: str) -> None:
    ana = conversation(shared, channel=channel)
    if channel == "telegram":
        assert claim(shared, answer(shared, ana, at=LATER), LATER).outcome == "claimed"
    else:
        with pytest.raises(WindowClosed):
            answer(shared, ana, at=LATER)


def test_a_window_is_the_addresses_own(shared: Database) -> None:
    """The customer wrote to A yesterday and to B just now."""
    customer = somebody()
    ana = conversation(shared, customer, to=A)
    writes(shared, customer, to=B, at=NOW + 23 * HOUR)
    at = NOW + 24 * HOUR
    for sender, closed_at in ((A, at), ("+1999", None)):
        with pytest.raises(WindowClosed) as caught:
            accept(shared, conversation_id=ana, sender=sender, at=at)
        assert caught.value.closed_at == closed_at
    for chosen in (B, None):
        message_id = accept(shared, conversation_id=ana, sender=chosen, at=at).message_ids[0]
        assert rows(shared, "select business_address from kommo_messages where id = %s", message_id) == [(B,)]


def test_parts_are_rows_in_order(database: Database) -> None:
    ana = conversation(database)
    accepted = accept(database, *(text(str(n)) for n in range(12)), conversation_id=ana)
    assert [turn.message_id for turn in accepted.turns("reply")] == list(accepted.message_ids)
    found = rows(database, "select m.id::text, m.content from kommo_messages m join sends s on s.message_id = m.id")
    by_id = dict(found)
    assert [by_id[each] for each in accepted.message_ids] == [str(n) for n in range(12)]
    for order in ("m.created_at", "s.send_order"):
        query = f"select m.id::text from kommo_messages m join sends s on s.message_id = m.id order by {order}"
        assert [row[0] for row in rows(database, query)] == list(accepted.message_ids)


def test_what_is_to_be_sent_later_waits_for_its_time(database: Database) -> None:
    """Its window is decided then: the customer may have written again, or no more."""
    ana = conversation(database)
    send_at = NOW + 30 * HOUR
    message_id = answer(database, ana, send_at=send_at, expires_in=HOUR)
    assert state_of(database, message_id) == ("accepted", "scheduled")
    assert claim(database, message_id, NOW).outcome == "done"
    assert rows(database, "select due_at, expires_at from sends") == [(send_at, send_at + HOUR)]
    past = answer(database, ana, send_at=NOW - HOUR)
    assert phase_of(database, past) == "ready"
    assert claim(database, past).outcome == "claimed"


@pytest.mark.parametrize(("expires_in", "due_in"), [(30 * SECOND, 30 * SECOND), (2 * HOUR, MINUTE), (3 * DAY, MINUTE)])
def test_an_answer_has_its_time(database: Database, expires_in: timedelta, due_in: timedelta) -> None:
    """And the sweep looks at it no later than that."""
    answer(database, conversation(database), expires_in=expires_in)
    assert rows(database, "select expires_at, due_at from sends") == [(NOW + expires_in, NOW + due_in)]


def test_an_answer_quotes_a_message_of_its_conversation(shared: Database) -> None:
    ana, bob = writes(shared), writes(shared)
    message_id = answer(shared, str(ana.conversation_id), reply_to=ana.message_id)
    provider_id = rows(shared, "select provider_message_id from kommo_messages where id = %s", ana.message_id)[0][0]
    assert claim(shared, message_id).reply_to == provider_id
    for other in (bob.message_id, str(uuid4())):
        with pytest.raises(NotFound, match="reply_to"):
            answer(shared, str(ana.conversation_id), reply_to=other)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ({"conversation_id": str(uuid4())}, NotFound),
        ({"provider": "twilio", "to": "+5500"}, WindowClosed),
        ({"provider": "twilio", "to": "nobody"}, WindowClosed),
    ],
)
def test_nobody_gets_free_text(shared: Database, what: Any, error: type[VentanaError]) -> None:
    with pytest.raises(error):
        accept(shared, **what)


def test_queued_is_noted_unless_a_sender_was_faster(database: Database) -> None:
    ana = conversation(database)
    slow, fast, short = answer(database, ana), answer(database, conversation(database)), answer(database, ana)
    rows(database, "update sends set expires_at = %s where message_id = %s", NOW + 5 * MINUTE, short)
    claimed(database, fast)
    before = rows(database, "select due_at from sends where message_id = %s", fast)
    database.value("select mark_queued_v1(%s::uuid[], %s)", ([slow, fast, short], NOW))
    mark_queued(database, [slow])
    assert [status_of(database, each) for each in (slow, fast, short)] == ["queued", "sending", "queued"]
    assert rows(database, "select due_at from sends where message_id = %s", fast) == before
    due = rows(database, "select due_at from sends where message_id in (%s, %s) order by send_order", slow, short)
    assert due == [(NOW + 30 * MINUTE,), (NOW + 5 * MINUTE,)]
