"""Cancelled, tried again, settled: what a person or a provider's list decides, from every state a message may be in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LATER,
    MARGIN,
    MINUTE,
    NOW,
    SECOND,
    TEMPLATE,
    answer,
    claim,
    claimed,
    conversation,
    history_of,
    phase_of,
    report,
    sent,
    somebody,
    state_of,
    status_of,
    text,
    unsent,
    writes,
)
from ventana.errors import Conflict, NotFound, Rejected, Uncertain, Unreachable, WindowClosed
from ventana.messages import Receipt
from ventana.schema.connection import Database
from ventana.schema.lifecycle import change_conversation
from ventana.schema.settle import (
    cancel_message,
    claim_unsettled,
    retry_message,
    settle_listed,
    settle_message,
)


def in_state(database: Database, state: str) -> str:
    """An answer in a state, reached as answers reach it."""
    ana = conversation(database)
    if state == "held":
        return answer(database, ana, at=LATER, if_window_closed="hold")
    if state == "scheduled":
        return answer(database, ana, send_at=NOW + HOUR)
    message_id = answer(database, ana)
    if state == "accepted":
        return message_id
    if state == "queued":
        database.value("select mark_queued_v1(array[%s::uuid], %s)", (message_id, NOW))
        return message_id
    if state == "cancelled":
        cancel_message(database, message_id, "ana", NOW)
        return message_id
    if state == "expired":
        claim(database, message_id, NOW + DAY)
        return message_id
    claimed(database, message_id)
    if state == "sending":
        return message_id
    if state == "failed":
        unsent(database, message_id, Rejected("no such number", "63003"))
    elif state == "uncertain":
        unsent(database, message_id, Uncertain("the answer was lost"))
    elif state == "waiting":
        unsent(database, message_id, Unreachable("away"), wait=HOUR)
    else:
        sent(database, message_id)
        if state == "failed there":
            report(database, message_id, "failed", error_code="131026")
        elif state != "taken":
            report(database, message_id, state)
    return message_id


CANCELLED = ["accepted", "queued", "held", "scheduled", "waiting", "cancelled"]
IN_FLIGHT = ["sending", "uncertain", "taken"]
TOO_LATE = ["sent", "delivered", "read", "failed", "failed there", "expired"]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(each, "cancelled") for each in CANCELLED]
    + [(each, "in_flight") for each in IN_FLIGHT]
    + [(each, "too_late") for each in TOO_LATE],
)
def test_cancelling(shared: Database, state: str, outcome: str) -> None:
    message_id = in_state(shared, state)
    before = status_of(shared, message_id)
    if outcome == "cancelled":
        cancel_message(shared, message_id, "ana", NOW + MINUTE)
        assert state_of(shared, message_id) == ("cancelled", "over")
        assert history_of(shared, message_id)[-1] == ("cancelled", "ana")
        assert claim(shared, message_id, NOW + 2 * HOUR).outcome == "done"
        return
    with pytest.raises(Conflict) as caught:
        cancel_message(shared, message_id, "ana", NOW + MINUTE)
    assert (caught.value.code, status_of(shared, message_id)) == (outcome, before)


def test_what_is_not_ours_to_send_cannot_be_changed(shared: Database) -> None:
    """What the customer wrote, what others of us wrote elsewhere, and what there is not."""
    echo = str(writes(shared, role="assistant").message_id)
    rows(shared, "update kommo_messages set delivery_status = 'failed' where id = %s", echo)
    for message_id in (str(writes(shared).message_id), echo, str(uuid4())):
        with pytest.raises(NotFound):
            retry_message(shared, message_id, "ana", DAY, MARGIN, NOW)
        if message_id != echo:
            with pytest.raises(NotFound):
                cancel_message(shared, message_id, "ana")
            with pytest.raises(NotFound):
                settle_message(shared, message_id, "sent", "ana")


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        *[(each, "accepted") for each in ("failed", "expired", "failed there")],
        *[(each, "not_failed") for each in [*CANCELLED, "sending", "taken", "sent", "delivered", "read"]],
        ("uncertain", "uncertain"),
    ],
)
def test_trying_again(shared: Database, state: str, outcome: str) -> None:
    message_id = in_state(shared, state)
    at = NOW + 2 * HOUR
    if outcome != "accepted":
        with pytest.raises(Conflict) as caught:
            retry_message(shared, message_id, "ana", DAY, MARGIN, at)
        assert caught.value.code == outcome
        return
    found = retry_message(shared, message_id, "ana", DAY, MARGIN, at)
    assert (found.message_id == message_id) == (state != "failed there")
    assert [turn.message_id for turn in found.turns()] == [found.message_id]
    assert state_of(shared, found.message_id) == ("accepted", "ready")
    assert history_of(shared, found.message_id)[-1] == ("accepted", "ana")
    again = claim(shared, found.message_id, at)
    assert (again.message_id, again.content, again.attempts) == (found.message_id, text(), 1)
    sent(shared, found.message_id, at, name=f"again-{found.message_id}")
    if state == "failed there":
        assert status_of(shared, message_id) == "failed"
        with pytest.raises(Conflict, match="was not replaced"):
            retry_message(shared, message_id, "ana", DAY, MARGIN, at)


@pytest.mark.parametrize(
    ("policy", "opted_out", "outcome"),
    [
        ("reject", False, "window_closed"),
        ("hold", False, "held"),
        ("template", False, "template"),
        ("template", True, "opted_out"),
    ],
)
def test_what_is_tried_again_outside_the_window(shared: Database, policy: Any, opted_out: bool, outcome: str) -> None:
    ana = conversation(shared)
    message_id = claimed(shared, answer(shared, ana, if_window_closed=policy, fallback=TEMPLATE))
    unsent(shared, message_id, Rejected("no such number"))
    if opted_out:
        change_conversation(shared, ana, "opt_out", "customer", now=NOW)
    if outcome in ("window_closed", "opted_out"):
        with pytest.raises(Conflict) as caught:
            retry_message(shared, message_id, "ana", DAY, MARGIN, LATER)
        assert caught.value.code == outcome
        assert isinstance(caught.value, WindowClosed) == (outcome == "window_closed")
        assert status_of(shared, message_id) == "failed"
        return
    found = retry_message(shared, message_id, "ana", DAY, MARGIN, LATER)
    assert found.outcome == ("held" if outcome == "held" else "accepted")
    assert phase_of(shared, message_id) == ("held" if outcome == "held" else "ready")
    if outcome == "template":
        assert claim(shared, message_id, LATER).content == TEMPLATE
    else:
        assert found.turns() == []


def test_free_text_that_failed_as_a_template_goes_as_free_text_once_it_may(shared: Database) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    message_id = claimed(shared, answer(shared, ana, at=LATER, if_window_closed="template", fallback=TEMPLATE), LATER)
    unsent(shared, message_id, Rejected("no such template"), LATER)
    writes(shared, customer, at=LATER + HOUR)
    retry_message(shared, message_id, "ana", DAY, MARGIN, LATER + HOUR)
    assert claim(shared, message_id, LATER + HOUR).content == text()


def test_what_is_tried_again_goes_last_in_line_and_by_one(database: Database, at_once: AtOnce) -> None:
    ana = conversation(database)
    first, second = answer(database, ana), answer(database, ana)
    unsent(database, claimed(database, first), Rejected("no"))

    def again(own: Database) -> str:
        try:
            return retry_message(own, first, "ana", DAY, MARGIN, NOW + MINUTE).outcome
        except Conflict as error:
            return error.code

    assert sorted(at_once([again] * 6)) == ["accepted"] + ["not_failed"] * 5
    assert claim(database, first, NOW + MINUTE).message_id == second


def uncertain(database: Database, number: int) -> list[str]:
    """So many uncertain sends, a second apart."""
    found = []
    for place in range(number):
        message_id = claimed(database, answer(database, conversation(database)), NOW + place * SECOND)
        unsent(database, message_id, Uncertain("the answer was lost"), NOW + place * SECOND)
        found.append(message_id)
    return found


def test_two_askers_at_once_ask_for_each_once(database: Database, at_once: AtOnce) -> None:
    ids = uncertain(database, 20)
    assert claim_unsettled(database, "twilio", 50, NOW + MINUTE) == [], "its callback may still be on its way"
    assert claim_unsettled(database, "meta", 50, NOW + HOUR) == []
    works: list[Callable[[Database], list[Any]]] = [lambda own: claim_unsettled(own, "twilio", 12, NOW + HOUR)] * 3
    found = [each for mine in at_once(works) for each in mine]
    assert len({each.message_id for each in found}) == len(found) <= 20
    found += claim_unsettled(database, "twilio", 50, NOW + HOUR)
    assert sorted(each.message_id for each in found) == sorted(ids)
    one = next(each for each in found if each.message_id == ids[0])
    assert (one.claimed_at, one.asked, one.content) == (NOW, 1, text())
    assert one.message().customer.phone == one.phone
    assert one.message().id == ids[0]


def test_it_is_asked_for_ever_more_rarely(database: Database) -> None:
    uncertain(database, 1)
    asked = [minute for minute in range(3000) if claim_unsettled(database, "twilio", 5, NOW + minute * MINUTE)]
    assert asked == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]


@pytest.mark.parametrize(
    ("settled", "state", "cause"),
    [
        ("sent", ("sent", None), "ana"),
        ("failed", ("failed", "over"), "ana"),
        ("untaken", ("queued", "ready"), "ana"),
        ("listed", ("sending", None), "listed"),
        ("listed as sent", ("sent", None), "listed"),
    ],
)
def test_settling(shared: Database, settled: Any, state: Any, cause: str) -> None:
    message_id = in_state(shared, "uncertain")
    at = NOW + HOUR
    if settled.startswith("listed"):
        receipt = Receipt(f"out-{message_id}", "sent" if settled.endswith("sent") else "sending")
        assert settle_listed(shared, message_id, receipt, at) == state[0]
    else:
        found = settle_message(shared, message_id, settled, "ana", now=at)
        assert (found.outcome, found.status, found.lane) == ("settled", state[0], "reply")
    assert (state_of(shared, message_id), history_of(shared, message_id)[-1]) == (state, (state[0], cause))
    if settled == "untaken":
        assert claim(shared, message_id, at).message_id == message_id
        report(shared, message_id, "sent", at, own_id=True)
        assert state_of(shared, message_id) == ("sent", None)


def test_what_is_to_be_sent_again_too_late_expires(shared: Database) -> None:
    message_id = in_state(shared, "uncertain")
    assert settle_message(shared, message_id, "untaken", "ana", now=NOW + DAY).status == "expired"
    assert state_of(shared, message_id) == ("expired", "over")


@pytest.mark.parametrize(("after", "outcome"), [(HOUR - SECOND, "too_early"), (HOUR, "settled"), (DAY, "settled")])
def test_a_person_does_not_decide_too_early(shared: Database, after: Any, outcome: str) -> None:
    message_id = in_state(shared, "uncertain")
    found = settle_message(shared, message_id, "failed", "ana", HOUR, NOW + after)
    assert (found.outcome, found.settle_after) == (outcome, NOW + HOUR)
    assert found.status == ("uncertain" if outcome == "too_early" else "failed")


@pytest.mark.parametrize("state", [*CANCELLED, "sending", "taken", *TOO_LATE])
def test_only_what_is_uncertain_is_settled(shared: Database, state: str) -> None:
    message_id = in_state(shared, state)
    before = state_of(shared, message_id)
    found = settle_message(shared, message_id, "untaken", "ana", now=NOW + HOUR)
    assert (found.outcome, state_of(shared, message_id)) == ("not_uncertain", before)


def test_deciding_at_once_decides_once(database: Database, at_once: AtOnce) -> None:
    for _ in range(6):
        message_id = in_state(database, "uncertain")

        def decide(own: Database, how: Any, message_id: str = message_id) -> str:
            return settle_message(own, message_id, how, how, now=NOW + HOUR).outcome

        works = [lambda own, how=how: decide(own, how) for how in ("sent", "failed", "untaken")]
        assert sorted(at_once(works)) == ["not_uncertain", "not_uncertain", "settled"]
