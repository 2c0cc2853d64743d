"""What people do with a conversation: each change once, in its history and as an event, by whoever did it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import DAY, HOUR, MINUTE, NOW, SECOND, A, conversation, events_of, somebody, writes
from ventana.errors import NotFound
from ventana.messages import Preference
from ventana.schema.connection import Database
from ventana.schema.conversations import find_conversation
from ventana.schema.inbound import record_inbound
from ventana.schema.lifecycle import Change, change_conversation, conversation_history

Step = tuple[Change, dict[str, Any], bool]


def told(database: Database, to: str) -> list[tuple[str, str]]:
    """The changes of a conversation that consumers hear of, and who made them."""
    events = [event for event in events_of(database, "ConversationChanged") if event["conversation_id"] == to]
    return [(event["change"], event["by"]) for event in events]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            [("escalate", {"reason": "angry"}, True), ("escalate", {"reason": "angry"}, False)],
            {"status": "escalated", "escalated_at": NOW, "assigned_to": None},
        ),
        (
            [("escalate", {"reason": "angry", "assignee": "bo"}, True), ("escalate", {"reason": "still"}, True)],
            {"status": "escalated", "escalated_at": NOW, "assigned_to": "bo"},
        ),
        (
            [("escalate", {}, True), ("escalate", {"assignee": "bo"}, True), ("escalate", {}, False)],
            {"status": "escalated", "assigned_to": "bo"},
        ),
        (
            [("assign", {"assignee": "bo"}, True), ("assign", {"assignee": "bo"}, False)],
            {"status": "active", "assigned_to": "bo"},
        ),
        (
            [("assign", {"assignee": "bo"}, True), ("assign", {"assignee": None}, True), ("assign", {}, False)],
            {"assigned_to": None},
        ),
        ([("resolve", {}, True), ("resolve", {}, False)], {"status": "resolved", "resolved_at": NOW}),
        ([("close", {}, True), ("close", {}, False)], {"status": "closed"}),
        ([("reopen", {}, False)], {"status": "active"}),
        ([("close", {}, True), ("reopen", {}, True), ("reopen", {}, False)], {"status": "active"}),
        ([("escalate", {}, True), ("reopen", {}, True)], {"status": "active"}),
        (
            [("tag", {"add": ["vip", "bra"]}, True), ("tag", {"add": ["bra"]}, False)],
            {"tags": ["bra", "vip"]},
        ),
        (
            [("tag", {"add": ["b", "a"]}, True), ("tag", {"add": ["c"], "remove": ["a", "x"]}, True)],
            {"tags": ["b", "c"]},
        ),
        ([("tag", {"remove": ["x"]}, False), ("tag", {}, False), ("tag", {"add": None}, False)], {"tags": []}),
        ([("note", {"body": "calls at 5"}, True), ("note", {"body": "calls at 5"}, True)], {"status": "active"}),
        ([("opt_out", {}, True), ("opt_out", {}, False), ("opt_in", {}, True), ("opt_in", {}, False)], {}),
    ],
)
def test_changes(shared: Database, steps: list[Step], expected: dict[str, Any]) -> None:
    ana = conversation(shared)
    for number, (change, detail, changes) in enumerate(steps):
        at = NOW + number * SECOND
        assert change_conversation(shared, ana, change, f"by-{number}", detail, at) == changes, (number, change)
    found = find_conversation(shared, ana)
    assert {name: getattr(found, name) for name in expected} == expected
    made = [(change, f"by-{number}") for number, (change, _, changes) in enumerate(steps) if changes]
    words = {
        "escalate": "escalated",
        "assign": "assigned",
        "resolve": "resolved",
        "close": "closed",
        "reopen": "reopened",
        "tag": "tagged",
        "note": "noted",
        "opt_out": "opted_out",
        "opt_in": "opted_in",
    }
    history = [(each.change, each.changed_by) for each in reversed(conversation_history(shared, ana))]
    assert history == told(shared, ana) == [(words[change], by) for change, by in made]


def test_history_and_event_say_what_was_done(shared: Database) -> None:
    ana = conversation(shared)
    change_conversation(shared, ana, "tag", "bo", {"add": ["vip"]}, NOW)
    detail = {"reason": "wants a person", "assignee": "cy"}
    change_conversation(shared, ana, "escalate", "bo", detail, NOW + SECOND)
    latest = conversation_history(shared, ana, 1)
    assert [(each.at, each.change, each.changed_by, each.detail) for each in latest] == [
        (NOW + SECOND, "escalated", "bo", detail)
    ]
    event = [event for event in events_of(shared, "ConversationChanged") if event["conversation_id"] == ana][-1]
    assert event == {
        "conversation_id": ana,
        "provider": "twilio",
        "change": "escalated",
        "by": "bo",
        "status": "escalated",
        "assigned_to": "cy",
        "tags": ["vip"],
        "opted_out": False,
        "detail": detail,
    }


def test_of_nobody_we_know(shared: Database) -> None:
    with pytest.raises(NotFound):
        change_conversation(shared, str(uuid4()), "close", "bo")


def test_eight_at_once_change_it_once(database: Database, at_once: AtOnce) -> None:
    ana = conversation(database)
    for change, detail in (("escalate", {"reason": "x"}), ("tag", {"add": ["a"]}), ("close", {}), ("opt_out", {})):

        def work(own: Database, change: Any = change, detail: Any = detail) -> bool:
            return change_conversation(own, ana, change, "bo", detail, NOW)

        assert sorted(at_once([work] * 8)) == [False] * 7 + [True], change
    assert len(told(database, ana)) == 4


@pytest.mark.parametrize(
    ("before", "changes", "status", "reopened"),
    [
        ("resolve", {}, "active", True),
        ("close", {}, "active", True),
        ("escalate", {}, "escalated", False),
        (None, {}, "active", False),
        ("resolve", {"opens_window": False, "content_type": "reaction"}, "resolved", False),
        ("close", {"role": "assistant"}, "closed", False),
    ],
)
def test_a_customers_message_reopens(shared: Database, before: Any, changes: Any, status: str, reopened: bool) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    if before:
        change_conversation(shared, ana, before, "bo", now=NOW)
    writes(shared, customer, at=NOW + MINUTE, **changes)
    writes(shared, customer, at=NOW + 2 * MINUTE, **changes)
    found = find_conversation(shared, ana)
    assert found is not None
    assert found.status == status
    assert told(shared, ana)[bool(before) :] == ([("reopened", "customer")] if reopened else [])
    if not changes:
        received = [event for event in events_of(shared, "MessageReceived") if event["conversation_id"] == ana]
        assert {event["conversation_status"] for event in received[1:]} == {status}


def preference(database: Database, customer: Any, out: bool, at: Any, received_at: Any = None) -> str:
    item = Preference("twilio", A, customer, opted_out=out, at=at)
    return record_inbound(database, [item], received_at or at)[0].outcome


def test_wishes_of_customers_are_told_of_once(shared: Database) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    found = [preference(shared, customer, out, NOW + n * MINUTE) for n, out in enumerate([True, True, False, False])]
    assert found == ["moved", "unchanged", "moved", "unchanged"]
    assert told(shared, ana) == [("opted_out", "customer"), ("opted_in", "customer")]
    assert preference(shared, somebody(), True, NOW) == "unmatched"


@pytest.mark.parametrize(
    ("course", "is_out"),
    [
        ([(True, 1), (False, 2), (True, 1)], False),  # a stop that comes again after it was taken back
        ([(False, 2), (True, 1)], True),  # nothing was taken back
        ([(True, 2), (False, 1)], True),
        ([(True, 1), (False, 2), (True, 3), (False, 2)], True),
        ([(True, 1), (False, 1)], False),
    ],
)
def test_wishes_that_come_again_or_late_undo_no_later_ones(shared: Database, course: Any, is_out: bool) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    for out, minute in course:
        preference(shared, customer, out, NOW + minute * MINUTE, NOW + HOUR)
    assert rows(shared, "select opted_out_at is not null from kommo_conversations where id = %s", ana) == [(is_out,)]


@pytest.mark.parametrize(("by", "is_out"), [("desk", True), ("customer", False)])
def test_a_stop_wins_over_what_people_of_ours_undid(shared: Database, by: str, is_out: bool) -> None:
    """Clocks differ: one that seems to be older may be newer, and it is the customer's word."""
    customer = somebody()
    ana = conversation(shared, customer)
    preference(shared, customer, True, NOW)
    change_conversation(shared, ana, "opt_in", by, now=NOW + MINUTE)
    preference(shared, customer, True, NOW + 59 * SECOND, NOW + DAY)
    assert rows(shared, "select opted_out_at is not null from kommo_conversations where id = %s", ana) == [(is_out,)]
