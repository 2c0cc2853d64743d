"""What a provider took and could not deliver: another row goes in its place where that may help, once each time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LATER,
    MINUTE,
    NOW,
    OTHER_TEMPLATE,
    SECOND,
    TEMPLATE,
    answer,
    claim,
    claimed,
    conversation,
    events_of,
    report,
    sent,
    somebody,
    state_of,
    status_of,
    text,
    unsent,
    writes,
)
from ventana.errors import Uncertain, WindowClosed
from ventana.messages import StatusUpdate
from ventana.schema.addresses import save_address
from ventana.schema.connection import Database
from ventana.schema.inbound import Recorded, record_inbound, turns_of
from ventana.schema.lifecycle import change_conversation

SHUT: dict[str, Any] = {"window_shut": True, "error_code": "131047"}
AGAIN: dict[str, Any] = {"retryable": True, "error_code": "131000"}


def taken(database: Database, to: str, at: Any = NOW, **changes: Any) -> str:
    """An answer that its provider took."""
    message_id = claimed(database, answer(database, to, at=at, **changes), at)
    sent(database, message_id, at)
    return message_id


def fails(database: Database, message_id: str, why: dict[str, Any], at: Any = NOW) -> Recorded:
    return report(database, message_id, "failed", at, **why)


def replacements(database: Database, message_id: str) -> list[str]:
    query = "select id::text from kommo_messages where metadata ->> 'replaces' = %s"
    return [row[0] for row in rows(database, query, message_id)]


@pytest.mark.parametrize(
    ("policy", "own", "addresses", "why", "expected"),
    [
        ("reject", TEMPLATE, TEMPLATE, SHUT, None),
        ("template", TEMPLATE, OTHER_TEMPLATE, SHUT, "HX1"),
        ("template", None, OTHER_TEMPLATE, SHUT, "HX2"),
        ("template", None, None, SHUT, None),
        ("hold", None, None, SHUT, "held"),
        ("reject", None, None, AGAIN, "text"),
        ("hold", None, None, AGAIN, "text"),
        ("template", TEMPLATE, None, AGAIN, "text"),
        ("template", TEMPLATE, None, {"error_code": "131026"}, None),
        ("hold", TEMPLATE, None, {"opted_out": True, "error_code": "131050"}, None),
    ],
)
def test_what_goes_in_its_place(
    shared: Database, policy: Any, own: Any, addresses: Any, why: Any, expected: str | None
) -> None:
    ana = conversation(shared)
    ours = rows(shared, "select business_address from kommo_conversations where id = %s", ana)[0][0]
    save_address(shared, "twilio", ours, None, addresses)
    message_id = taken(shared, ana, if_window_closed=policy, fallback=own, lane="bulk", options={"a": 1})
    at = NOW + MINUTE
    recorded = fails(shared, message_id, why, at)
    assert (recorded.outcome, state_of(shared, message_id)) == ("moved", ("failed", "over"))
    if expected is None:
        assert (replacements(shared, message_id), turns_of([recorded])) == ([], [])
        return
    (other,) = replacements(shared, message_id)
    found = rows(shared, "select metadata ->> 'replaced_by' from kommo_messages where id = %s", message_id)
    assert found == [(other,)]
    if expected == "held":
        assert (state_of(shared, other), turns_of([recorded])) == (("held", "held"), [])
        return
    assert state_of(shared, other) == ("accepted", "ready")
    (turn,) = turns_of([recorded])
    assert (turn.message_id, turn.conversation_id, turn.lane) == (other, ana, "bulk")
    if expected == "text":
        assert claim(shared, other, at).wait_seconds == 30.0
        at += 30 * SECOND
    found_claim = claim(shared, other, at)
    assert (found_claim.message_id, found_claim.options) == (other, {"a": 1})
    assert (found_claim.content or {}).get("content_sid", "text") == expected


def test_it_is_tried_again_ever_later_and_no_more_than_five_times(shared: Database) -> None:
    message_id = taken(shared, conversation(shared), expires_in=3 * DAY)
    at, waits, tries = NOW, [], [message_id]
    for _ in range(6):
        at += SECOND
        fails(shared, tries[-1], AGAIN, at)
        found = replacements(shared, tries[-1])
        if not found:
            break
        tries += found
        waits.append(claim(shared, tries[-1], at).wait_seconds)
        at += timedelta(seconds=waits[-1] or 0)
        sent(shared, claimed(shared, tries[-1], at), at)
    assert waits == [30, 60, 120, 240, 480]
    assert [status_of(shared, each) for each in tries] == ["failed"] * 6


@pytest.mark.parametrize("why", [SHUT, AGAIN])
@pytest.mark.parametrize(("after", "goes"), [(HOUR - SECOND, True), (HOUR, False), (DAY, False)])
def test_nothing_goes_in_its_place_when_its_time_is_over(
    shared: Database, why: Any, after: timedelta, goes: bool
) -> None:
    message_id = taken(shared, conversation(shared), expires_in=HOUR, if_window_closed="template", fallback=TEMPLATE)
    fails(shared, message_id, why, NOW + after)
    assert len(replacements(shared, message_id)) == goes


def test_a_failure_that_is_told_again_has_no_further_consequence(shared: Database) -> None:
    message_id = taken(shared, conversation(shared), if_window_closed="template", fallback=TEMPLATE)
    assert [fails(shared, message_id, SHUT, NOW + SECOND).outcome for _ in range(3)] == [
        "moved",
        "unchanged",
        "unchanged",
    ]
    assert len(replacements(shared, message_id)) == 1
    assert len([event for event in events_of(shared, "MessageStatusChanged") if event["message_id"] == message_id]) == 2


def test_a_failure_that_is_told_eight_times_at_once_has_one(database: Database, at_once: AtOnce) -> None:
    message_id = taken(database, conversation(database))
    found = at_once([lambda own: fails(own, message_id, AGAIN, NOW + SECOND).outcome] * 8)
    assert sorted(found) == ["moved"] + ["unchanged"] * 7
    assert len(replacements(database, message_id)) == 1


@pytest.mark.parametrize("late", ["sent", "delivered", "read", "failed"])
def test_what_is_told_late_of_the_first_changes_nothing_of_the_second(shared: Database, late: Any) -> None:
    message_id = taken(shared, conversation(shared))
    fails(shared, message_id, AGAIN)
    (other,) = replacements(shared, message_id)
    assert report(shared, message_id, late, NOW + SECOND, retryable=late == "failed").outcome == "unchanged"
    assert (status_of(shared, message_id), state_of(shared, other)) == ("failed", ("accepted", "ready"))
    sent(shared, claimed(shared, other, NOW + MINUTE), NOW + MINUTE)
    assert report(shared, message_id, late, NOW + MINUTE).outcome == "unchanged"
    assert status_of(shared, other) == "sending"
    report(shared, other, "read", NOW + MINUTE)
    assert (status_of(shared, message_id), status_of(shared, other)) == ("failed", "read")


def test_a_template_that_finds_the_window_shut_has_no_template(shared: Database) -> None:
    """The one that went instead was the last thing to try."""
    message_id = answer(shared, conversation(shared), at=LATER, if_window_closed="template", fallback=TEMPLATE)
    sent(shared, claimed(shared, message_id, LATER), LATER)
    fails(shared, message_id, SHUT, LATER)
    assert replacements(shared, message_id) == []


def test_a_failure_shuts_the_window_that_it_was_sent_in(shared: Database) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    message_id = taken(shared, ana, at=NOW + SECOND)
    fails(shared, message_id, SHUT, NOW + MINUTE)
    with pytest.raises(WindowClosed):
        answer(shared, ana, at=NOW + MINUTE)
    writes(shared, customer, at=NOW + 2 * MINUTE)
    fails(shared, message_id, SHUT, NOW + 3 * MINUTE)
    other = taken(shared, ana, at=NOW + 3 * MINUTE)
    writes(shared, customer, at=NOW + 4 * MINUTE)
    fails(shared, other, SHUT, NOW + 5 * MINUTE)
    assert answer(shared, ana, at=NOW + 5 * MINUTE)


def test_a_held_one_waits_for_the_customer_and_goes_then(shared: Database) -> None:
    customer = somebody()
    message_id = taken(shared, conversation(shared, customer), if_window_closed="hold")
    fails(shared, message_id, SHUT, NOW + SECOND)
    (other,) = replacements(shared, message_id)
    turns = writes(shared, customer, at=NOW + MINUTE).turns or []
    assert [turn["message_id"] for turn in turns] == [other]
    assert claim(shared, other, NOW + MINUTE).content == text()


@pytest.mark.parametrize(
    ("later", "is_out"),
    [([], True), ([("opt_in", "customer", 2)], False), ([("opt_in", "desk", 2)], True)],
)
def test_a_wish_that_a_failure_tells_of(shared: Database, later: list[Any], is_out: bool) -> None:
    """It counts from when it was told; a customer who has changed their mind since is not stopped by a repetition."""
    ana = conversation(shared)
    message_id = taken(shared, ana)
    stop = {"opted_out": True, "error_code": "131050"}
    fails(shared, message_id, stop, NOW + MINUTE)
    for change, by, minutes in later:
        change_conversation(shared, ana, change, by, now=NOW + minutes * MINUTE)
    item = StatusUpdate("twilio", "+1", f"out-{message_id}", "failed", NOW + MINUTE, opted_out=True)
    record_inbound(shared, [item], NOW + HOUR)
    assert rows(shared, "select opted_out_at is not null from kommo_conversations where id = %s", ana) == [(is_out,)]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("sending", ("sending", None)),
        ("sent", ("sent", None)),
        ("delivered", ("delivered", None)),
        ("failed", ("failed", "over")),
    ],
)
def test_a_status_settles_what_was_uncertain(shared: Database, status: Any, state: Any) -> None:
    message_id = claimed(shared, answer(shared, conversation(shared)))
    unsent(shared, message_id, Uncertain("the answer was lost"))
    assert report(shared, message_id, status, NOW + SECOND, own_id=True).outcome == "moved"
    assert state_of(shared, message_id) == state
    found = rows(shared, "select provider_message_id, error_code from kommo_messages where id = %s", message_id)
    assert found[0][0] == f"out-{message_id}"
    assert report(shared, message_id, "read", NOW + MINUTE).outcome == ("unchanged" if status == "failed" else "moved")


def test_an_uncertain_one_that_failed_so_that_it_may_go_again_goes_again(shared: Database) -> None:
    message_id = claimed(shared, answer(shared, conversation(shared)))
    unsent(shared, message_id, Uncertain("the answer was lost"))
    report(shared, message_id, "failed", NOW + SECOND, own_id=True, **AGAIN)
    assert len(replacements(shared, message_id)) == 1
