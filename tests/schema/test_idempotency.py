"""A caller who asks twice with one key gets one message and one answer, whatever happened in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LATER,
    MARGIN,
    NOW,
    SECOND,
    TEMPLATE,
    accept,
    conversation,
    request,
    somebody,
    text,
    writes,
)
from ventana.content import Content
from ventana.errors import Conflict, VentanaError
from ventana.schema.connection import Database
from ventana.schema.lifecycle import change_conversation
from ventana.schema.outbound import Accepted, accept_outbound
from ventana.schema.windows import forget

KEY: dict[str, Any] = {"key": "k-1", "request_hash": "one"}


def answers_of(database: Database) -> int:
    return int(rows(database, "select count(*) from kommo_messages where role = 'assistant'")[0][0])


def decision(work: Callable[[], Accepted]) -> Any:
    """What a caller gets: an answer, or an error with all that it tells."""
    try:
        return work()
    except VentanaError as error:
        return type(error).__name__, error.code, str(error)


@pytest.mark.parametrize(("at", "policy"), [(NOW, "reject"), (LATER, "hold"), (LATER, "template"), (LATER, "reject")])
def test_eight_at_once_get_one_row_and_one_answer(database: Database, at_once: AtOnce, at: Any, policy: Any) -> None:
    """Each of them brings ids of its own, as the API makes them anew for each request."""
    ana = conversation(database)
    change = {"conversation_id": ana, "if_window_closed": policy, "fallback": TEMPLATE, "at": at, **KEY}
    found = at_once([lambda own: decision(lambda: accept(own, text("1"), text("2"), **change))] * 8)
    assert [each for each in found if each != found[0]] == []
    number = {"reject": 2 if at == NOW else 0, "hold": 2, "template": 1}[policy]
    assert answers_of(database) == number
    assert rows(database, "select count(*) from sends") == [(number,)]


def test_another_request_under_the_same_key_is_a_conflict(database: Database) -> None:
    ana = conversation(database)
    first = accept(database, text("1"), conversation_id=ana, **KEY)
    with pytest.raises(Conflict) as caught:
        accept(database, text("2"), conversation_id=ana, key="k-1", request_hash="two")
    assert caught.value.code == "idempotency_conflict"
    assert accept(database, text("1"), conversation_id=ana, **KEY) == first
    assert answers_of(database) == 1


def test_keys_are_the_callers_own(database: Database) -> None:
    ana = conversation(database)
    desk = accept(database, text("1"), conversation_id=ana, **KEY)
    shop = accept(database, text("2"), conversation_id=ana, caller="shop", key="k-1", request_hash="two")
    assert desk.message_ids != shop.message_ids
    assert accept(database, text("2"), conversation_id=ana, caller="shop", key="k-1", request_hash="two") == shop
    for _ in range(2):
        accept(database, conversation_id=ana)
    assert answers_of(database) == 4, "without a key each request is another"


@pytest.mark.parametrize("refusal", ["window_closed", "opted_out"])
def test_a_decision_against_it_is_remembered(database: Database, refusal: str) -> None:
    customer = somebody()
    ana = conversation(database, customer)
    lane = "reply"
    if refusal == "opted_out":
        change_conversation(database, ana, "opt_out", "desk", now=NOW)
        lane = "bulk"
    first = decision(lambda: accept(database, at=LATER, conversation_id=ana, lane=lane, **KEY))
    assert first[1] == refusal
    change_conversation(database, ana, "opt_in", "desk", now=LATER)
    writes(database, customer, at=LATER)
    again = decision(lambda: accept(database, at=LATER + SECOND, conversation_id=ana, lane=lane, **KEY))
    assert again == first
    assert accept(database, at=LATER, conversation_id=ana, lane=lane, key="k-2", request_hash="one")


@pytest.mark.parametrize(
    ("content", "what", "mended"),
    [
        (text(), {"conversation_id": str(uuid4())}, {}),
        (text(), {"conversation_id": None, "provider": "twilio", "to": "+5500"}, {}),
        (text(), {"reply_to": str(uuid4())}, {}),
        (TEMPLATE, {"conversation_id": None, "provider": "twilio", "to": "+5500"}, {"sender": "+1"}),
    ],
)
def test_where_nothing_was_decided_the_key_may_ask_again(
    database: Database, content: Content, what: dict[str, Any], mended: dict[str, Any]
) -> None:
    mine = {"conversation_id": conversation(database), **KEY}
    with pytest.raises(VentanaError):
        accept(database, content, **{**mine, **what})
    assert accept(database, content, **({**mine, **what, **mended} if mended else mine)).message_ids
    assert answers_of(database) == 1


def test_whom_an_answer_was_for_is_told_again(database: Database) -> None:
    """To a phone: the conversation that it led to is part of the answer."""
    customer = somebody()
    ana = conversation(database, customer)
    first = accept(database, provider="twilio", to=customer.phone, at=LATER, if_window_closed="hold", **KEY)
    again = accept(database, provider="twilio", to=customer.phone, at=LATER, if_window_closed="hold", **KEY)
    assert (first.conversation_id, first.status, again) == (ana, "held", first)


@pytest.mark.parametrize(
    ("age", "remembered"), [(timedelta(0), True), (8 * DAY - SECOND, True), (8 * DAY, True), (8 * DAY + SECOND, False)]
)
def test_answers_are_kept_for_eight_days(database: Database, age: timedelta, remembered: bool) -> None:
    ana = conversation(database)
    accept_outbound(database, request(conversation_id=ana, **KEY), MARGIN, NOW)
    assert forget(database, 100, NOW + age) == (0 if remembered else 1)
    accept_outbound(database, request(conversation_id=ana, **KEY), MARGIN, NOW + HOUR)
    assert answers_of(database) == (1 if remembered else 2)


def test_forgetting_is_bounded(database: Database, at_once: AtOnce) -> None:
    ana = conversation(database)
    for number in range(9):
        accept(database, conversation_id=ana, key=str(number), request_hash="one")
    assert [forget(database, 4, NOW + 9 * DAY) for _ in range(2)] == [4, 4]
    assert sum(at_once([lambda own: forget(own, 4, NOW + 9 * DAY)] * 3)) == 1


@pytest.mark.parametrize(
    ("at", "policy", "rows_made"), [(NOW, "reject", 2), (LATER, "hold", 2), (LATER, "template", 1)]
)
def test_a_statement_that_is_repeated_is_one_without_a_key_as_well(
    database: Database, at_once: AtOnce, at: Any, policy: Any, rows_made: int
) -> None:
    """As after a connection that died when all was done, or nearly: the ids of the parts are the same then."""
    what = {"conversation_id": conversation(database), "if_window_closed": policy, "fallback": TEMPLATE}
    wanted = request(text("1"), text("2"), **what)
    found = at_once([lambda own: accept_outbound(own, wanted, MARGIN, at)] * 4)
    assert [each for each in found if each != found[0]] == []
    assert found[0].message_ids == tuple(part.id for part in wanted.parts)[:rows_made]
    assert found[0].status == ("held" if policy == "hold" else "accepted")
    assert answers_of(database) == rows_made
