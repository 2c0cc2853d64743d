"""Outside the window, and to whom answers are unwelcome or new: what is refused, held, or goes as a template."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.schema.conftest import rows
from tests.schema.sending import (
    DAY,
    LATER,
    NOW,
    OTHER_TEMPLATE,
    TEMPLATE,
    A,
    B,
    accept,
    answer,
    claim,
    conversation,
    our_address,
    sent,
    state_of,
    status_of,
    text,
    writes,
)
from ventana.content import Content
from ventana.errors import BadRequest, Conflict, NotFound, WindowClosed
from ventana.messages import Customer
from ventana.schema.addresses import save_address
from ventana.schema.connection import Database
from ventana.schema.lifecycle import change_conversation

OPEN, SHUT = NOW, LATER
TEXT = text()


@pytest.mark.parametrize(
    ("policy", "own", "addresses", "at", "expected"),
    [
        ("reject", None, None, OPEN, "text"),
        ("reject", TEMPLATE, OTHER_TEMPLATE, SHUT, "window_closed"),
        ("template", TEMPLATE, OTHER_TEMPLATE, OPEN, "text"),
        ("template", TEMPLATE, OTHER_TEMPLATE, SHUT, "HX1"),
        ("template", TEMPLATE, None, SHUT, "HX1"),
        ("template", None, OTHER_TEMPLATE, SHUT, "HX2"),
        ("template", None, None, SHUT, "window_closed"),
        ("hold", None, None, OPEN, "text"),
        ("hold", TEMPLATE, OTHER_TEMPLATE, SHUT, "held"),
    ],
)
def test_what_happens_outside_the_window_is_the_callers_choice(
    shared: Database, policy: Any, own: Any, addresses: Any, at: Any, expected: str
) -> None:
    ours = our_address()
    ana = conversation(shared, to=ours)
    save_address(shared, "twilio", ours, None, addresses)
    if expected == "window_closed":
        with pytest.raises(WindowClosed):
            answer(shared, ana, at=at, if_window_closed=policy, fallback=own)
        return
    message_id = answer(shared, ana, at=at, if_window_closed=policy, fallback=own)
    if expected == "held":
        assert state_of(shared, message_id) == ("held", "held")
        assert claim(shared, message_id, at).outcome == "done"
        return
    content = claim(shared, message_id, at).content or {}
    assert content.get("content_sid", content["type"]) == expected


def test_a_held_answer_is_for_later(shared: Database) -> None:
    accepted = accept(shared, conversation_id=conversation(shared), at=LATER, if_window_closed="hold")
    assert (accepted.status, accepted.turns("reply")) == ("held", [])


@pytest.mark.parametrize("shut_when", ["accepted", "sent"])
def test_one_template_goes_for_all_parts(shared: Database, shut_when: str) -> None:
    ana = conversation(shared)
    at = SHUT if shut_when == "accepted" else OPEN
    accepted = accept(
        shared,
        *(text("1"), text("2"), text("3")),
        conversation_id=ana,
        at=at,
        if_window_closed="template",
        fallback=TEMPLATE,
        expires_in=3 * DAY,
    )
    first, *others = accepted.message_ids
    assert len(others) == (0 if shut_when == "accepted" else 2)
    assert claim(shared, first, SHUT).content == TEMPLATE
    sent(shared, first, SHUT)
    assert [claim(shared, each, SHUT).outcome for each in reversed(others)] == ["done"] * len(others)
    assert [status_of(shared, each) for each in others] == ["failed"] * len(others)


@pytest.mark.parametrize(
    ("content", "lane", "policy", "at", "outcome"),
    [
        (TEXT, "reply", "reject", OPEN, "accepted"),
        (TEXT, "reply", "template", OPEN, "accepted"),
        (TEXT, "reply", "template", SHUT, "opted_out"),
        (TEXT, "reply", "hold", SHUT, "held"),
        (TEXT, "reply", "reject", SHUT, "window_closed"),
        (TEXT, "bulk", "reject", OPEN, "opted_out"),
        (TEXT, "bulk", "hold", SHUT, "opted_out"),
        (TEMPLATE, "reply", "reject", OPEN, "opted_out"),
        (TEMPLATE, "bulk", "reject", SHUT, "opted_out"),
    ],
)
def test_who_opted_out_gets_direct_answers_only(
    shared: Database, content: Content, lane: Any, policy: Any, at: Any, outcome: str
) -> None:
    ana = conversation(shared)
    change_conversation(shared, ana, "opt_out", "desk", now=NOW)
    what: dict[str, Any] = {"lane": lane, "if_window_closed": policy, "fallback": TEMPLATE, "conversation_id": ana}
    if outcome in ("accepted", "held"):
        assert accept(shared, content, at=at, **what).status == outcome
        return
    with pytest.raises(Conflict) as caught:
        accept(shared, content, at=at, **what)
    assert caught.value.code == outcome


@pytest.mark.parametrize(
    ("what", "addresses", "expected"),
    [
        ({"to": "+5500"}, [A], A),
        ({"to": "US.77"}, [A], A),
        ({"to": "+5500", "sender": B}, [], B),
        ({"to": "+5500", "sender": B}, [A], B),
        ({"to": "+5500"}, [], BadRequest),
        ({"to": "+5500"}, [A, B], BadRequest),
        ({"to": "+5500", "sender": B, "reply_to": str(uuid4())}, [], NotFound),
        ({"to": "+5500", "may_start": False}, [A], WindowClosed),
    ],
)
def test_a_template_begins_a_conversation(database: Database, what: Any, addresses: Any, expected: Any) -> None:
    for address in addresses:
        save_address(database, "twilio", address, None, None)
    save_address(database, "meta", "1065", None, None)
    if isinstance(expected, type):
        with pytest.raises(expected):
            accept(database, TEMPLATE, provider="twilio", **what)
        assert rows(database, "select count(*) from kommo_conversations") == [(0,)]
        return
    message_id = accept(database, TEMPLATE, provider="twilio", **what).message_ids[0]
    found = claim(database, message_id)
    assert (found.content, found.business_address, found.phone or found.provider_user_id) == (
        TEMPLATE,
        expected,
        what["to"],
    )
    assert accept(database, TEMPLATE, provider="twilio", **what).conversation_id == found.conversation_id
    writes(database, Customer(phone=found.phone, user_id=found.provider_user_id), to=expected)
    assert rows(database, "select count(*) from kommo_conversations") == [(1,)]
