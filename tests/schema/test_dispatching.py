"""What was right when it was accepted is looked at again when it goes: window, wishes, and who the customer is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.schema.conftest import rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LATER,
    MARGIN,
    NOW,
    OTHER_TEMPLATE,
    SECOND,
    TEMPLATE,
    accept,
    answer,
    claim,
    claimed,
    conversation,
    history_of,
    our_address,
    phase_of,
    sent,
    somebody,
    state_of,
    status_of,
    text,
    writes,
)
from ventana.messages import Customer, IdentityChange
from ventana.schema.addresses import save_address
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.lifecycle import change_conversation

EDGE = NOW + 24 * HOUR - MARGIN


@pytest.mark.parametrize("at", [EDGE - SECOND, EDGE, LATER])
@pytest.mark.parametrize(
    ("policy", "own", "addresses", "expected"),
    [
        ("reject", None, TEMPLATE, ("failed", "over")),
        ("template", TEMPLATE, OTHER_TEMPLATE, "HX1"),
        ("template", None, OTHER_TEMPLATE, "HX2"),
        ("template", None, None, ("failed", "over")),
        ("hold", TEMPLATE, TEMPLATE, ("held", "held")),
    ],
)
def test_the_window_may_have_closed_since(
    shared: Database, policy: Any, own: Any, addresses: Any, expected: Any, at: Any
) -> None:
    """To the second, the margin included: not once is free text claimed outside it."""
    customer = somebody()
    ana = conversation(shared, customer)
    ours = rows(shared, "select business_address from kommo_conversations where id = %s", ana)[0][0]
    save_address(shared, "twilio", ours, None, addresses)
    message_id = answer(shared, ana, if_window_closed=policy, fallback=own, expires_in=3 * DAY)
    found = claim(shared, message_id, at)
    if at < EDGE:
        assert found.content == text()
    elif isinstance(expected, str):
        assert found.content and found.content.get("content_sid") == expected
        assert history_of(shared, message_id)[1:] == [("queued", "sender"), ("sending", "sender")]
    else:
        assert (found.outcome, state_of(shared, message_id)) == ("done", expected)
        found_code = rows(shared, "select error_code from kommo_messages where id = %s", message_id)
        assert found_code == [("window_closed",)]


def test_a_template_is_sent_whatever_the_window(shared: Database) -> None:
    ana = conversation(shared)
    claimed(shared, answer(shared, ana, TEMPLATE, at=LATER), LATER + DAY - SECOND)


def test_the_window_that_counts_is_that_of_the_address_that_it_leaves_from(shared: Database) -> None:
    customer, one, other = somebody(), our_address(), our_address()
    ana = conversation(shared, customer, to=one)
    from_a = answer(shared, ana, sender=one, expires_in=3 * DAY)
    writes(shared, customer, to=other, at=NOW + 23 * HOUR)
    from_b = answer(shared, ana, at=NOW + 23 * HOUR, expires_in=3 * DAY)
    assert claim(shared, from_b, LATER).message_id == from_b
    assert status_of(shared, from_a) == "failed"


@pytest.mark.parametrize(
    ("content", "lane", "goes"),
    [(text(), "reply", True), (text(), "bulk", False), (TEMPLATE, "reply", False), (TEMPLATE, "bulk", False)],
)
def test_who_opted_out_since_gets_direct_answers_only(shared: Database, content: Any, lane: Any, goes: bool) -> None:
    ana = conversation(shared)
    message_id = answer(shared, ana, content, lane=lane)
    behind = answer(shared, ana)
    change_conversation(shared, ana, "opt_out", "customer", now=NOW)
    found = claim(shared, behind)
    assert found.message_id == (message_id if goes else behind)
    if not goes:
        error = rows(shared, "select delivery_status, error_code from kommo_messages where id = %s", message_id)
        assert (error, phase_of(shared, message_id)) == ([("failed", "opted_out")], "over")


def test_who_opted_out_gets_no_template_instead_either(shared: Database) -> None:
    ana = conversation(shared)
    message_id = answer(shared, ana, if_window_closed="template", fallback=TEMPLATE, expires_in=3 * DAY)
    change_conversation(shared, ana, "opt_out", "customer", now=NOW)
    assert claim(shared, message_id, LATER).outcome == "done"
    assert rows(shared, "select error_code from kommo_messages where id = %s", message_id) == [("opted_out",)]


def test_messages_follow_a_customer_who_turns_out_to_be_another(shared: Database) -> None:
    """Two conversations become one in between: one line, in the order of acceptance."""
    phone, user_id = somebody(), Customer(user_id=f"BR.{somebody().phone}")
    ours = our_address()
    by_phone, by_id = conversation(shared, phone, to=ours), conversation(shared, user_id, to=ours)
    ids = [answer(shared, to) for to in (by_phone, by_id, by_phone, by_id)]
    claimed(shared, ids[1])
    both = Customer(phone=phone.phone, user_id=user_id.user_id)
    assert record_inbound(shared, [IdentityChange("twilio", ours, both, user_id)], NOW)[0].outcome == "moved"
    first = claim(shared, ids[3])
    assert first.message_id == ids[0]
    assert {first.conversation_id} == {by_phone, by_id} & {first.conversation_id}
    sent(shared, ids[0])
    assert claim(shared, ids[3]).reason == "another sender is at it"
    sent(shared, ids[1])
    for expected in ids[2:]:
        found = claim(shared, ids[3])
        assert (found.message_id, found.phone, found.provider_user_id) == (expected, phone.phone, user_id.user_id)
        sent(shared, expected)
    left = "select count(distinct conversation_id) from kommo_messages where id = any(%s::uuid[])"
    assert rows(shared, left, ids) == [(1,)]


def test_what_was_scheduled_is_decided_when_its_time_comes(shared: Database) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    at = NOW + 30 * HOUR
    ids = [
        accept(shared, conversation_id=ana, send_at=at, if_window_closed=policy, fallback=TEMPLATE).message_ids[0]
        for policy in ("reject", "template", "hold")
    ]
    rows(shared, "update sends set phase = 'ready' where message_id = any(%s::uuid[])", ids)
    assert claim(shared, ids[2], at).content == TEMPLATE
    assert [status_of(shared, each) for each in ids] == ["failed", "sending", "accepted"]
    sent(shared, ids[1], at)
    assert claim(shared, ids[2], at).outcome == "done"
    assert state_of(shared, ids[2]) == ("held", "held")
    assert timedelta(0) < rows(shared, "select due_at - %s from sends where message_id = %s", at, ids[2])[0][0] <= DAY
