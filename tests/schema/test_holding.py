"""What is held goes in its order when the customer writes, to the address that they write to, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LATER,
    MINUTE,
    NOW,
    SECOND,
    answer,
    claim,
    claimed,
    conversation,
    events_of,
    history_of,
    our_address,
    sent,
    somebody,
    state_of,
    status_of,
    text,
    unsent,
    writes,
)
from ventana.errors import WindowShut
from ventana.schema.connection import Database
from ventana.schema.inbound import turns_of
from ventana.schema.windows import sweep_sends


def held(database: Database, to: str, body: str = "an answer", **changes: Any) -> str:
    message_id = answer(database, to, text(body), **{"at": LATER, "if_window_closed": "hold", **changes})
    assert state_of(database, message_id) == ("held", "held")
    return message_id


def test_the_next_message_lets_everything_go_in_order(shared: Database) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    ids = [held(shared, ana, str(number), lane="bulk" if number == 1 else "reply") for number in range(4)]
    other = held(shared, conversation(shared))
    at = LATER + HOUR
    recorded = writes(shared, customer, at=at)
    assert [(turn.message_id, turn.conversation_id, turn.lane) for turn in turns_of([recorded])] == [
        (each, ana, "bulk" if number == 1 else "reply") for number, each in enumerate(ids)
    ]
    assert [state_of(shared, each) for each in ids] == [("queued", "ready")] * 4
    assert history_of(shared, ids[0]) == [("held", "api"), ("queued", "customer")]
    told = [event for event in events_of(shared, "MessageStatusChanged") if event["message_id"] in ids]
    assert [(event["previous_status"], event["status"], event["cause"]) for event in told] == [
        ("held", "queued", "customer")
    ] * 4
    last = answer(shared, ana, text("last"), at=at)
    went = []
    for _ in range(5):
        found = claim(shared, last, at)
        went.append((found.content or {})["body"])
        sent(shared, str(found.message_id), at)
    assert went == ["0", "1", "2", "3", "last"]
    assert status_of(shared, other) == "held", "another customer's"
    assert not writes(shared, customer, at=at + SECOND).turns


@pytest.mark.parametrize(
    ("label", "changes"),
    [
        ("a reaction", {"content_type": "reaction", "opens_window": False}),
        ("a note of the system", {"role": "system", "opens_window": False}),
        ("an echo", {"role": "assistant"}),
    ],
)
def test_only_what_opens_a_window_lets_it_go(shared: Database, label: str, changes: Any) -> None:
    customer = somebody()
    message_id = held(shared, conversation(shared, customer))
    assert not writes(shared, customer, at=LATER + HOUR, **changes).turns, label
    assert status_of(shared, message_id) == "held"


@pytest.mark.parametrize(("ago", "goes"), [(23 * HOUR, True), (24 * HOUR, False), (30 * HOUR, False)])
def test_a_message_that_comes_late_lets_it_go_while_its_window_is_open(shared: Database, ago: Any, goes: bool) -> None:
    customer = somebody()
    message_id = held(shared, conversation(shared, customer, at=NOW - 9 * HOUR))
    assert len(writes(shared, customer, at=LATER, sent_at=LATER - ago).turns or []) == goes
    assert claim(shared, message_id, LATER).outcome == ("claimed" if goes else "done")
    assert status_of(shared, message_id) == ("sending" if goes else "held")


@pytest.mark.parametrize(
    ("sender", "written_to", "leaves_from"),
    [(None, 0, 0), (None, 1, 1), (0, 0, 0), (0, 1, None), (1, 1, 1), (1, 0, None)],
)
def test_it_leaves_from_where_the_customer_wrote_unless_its_sender_chose(
    shared: Database, sender: int | None, written_to: int, leaves_from: int | None
) -> None:
    ours, customer = (our_address(), our_address()), somebody()
    chosen = None if sender is None else ours[sender]
    ana = conversation(shared, customer, to=ours[0])
    message_id = held(shared, ana, sender=chosen)
    writes(shared, customer, to=ours[written_to], at=LATER + HOUR)
    found = claim(shared, message_id, LATER + HOUR)
    assert found.business_address == (None if leaves_from is None else ours[leaves_from])
    if leaves_from is None:
        assert state_of(shared, message_id) == ("held", "held")
        writes(shared, customer, to=chosen, at=LATER + 2 * HOUR)
        assert claim(shared, message_id, LATER + 2 * HOUR).business_address == chosen


@pytest.mark.parametrize(("after", "expires"), [(DAY - SECOND, False), (DAY, True)])
def test_it_is_held_no_longer_than_its_time(database: Database, after: Any, expires: bool) -> None:
    customer = somebody()
    message_id = held(database, conversation(database, customer))
    at = LATER + after
    assert [each.outcome for each in sweep_sends(database, 10, at)] == (["expired"] if expires else [])
    assert len(writes(database, customer, at=at).turns or []) == (not expires)
    assert status_of(database, message_id) == ("expired" if expires else "queued")


def test_a_customer_who_writes_too_late_lets_nothing_go(shared: Database) -> None:
    """Though the sweep has not looked yet."""
    customer = somebody()
    message_id = held(shared, conversation(shared, customer))
    assert not writes(shared, customer, at=LATER + DAY).turns
    assert status_of(shared, message_id) == "held"


def test_what_was_let_go_may_find_the_window_shut_again(shared: Database) -> None:
    customer = somebody()
    message_id = held(shared, conversation(shared, customer), expires_in=5 * DAY)
    at = LATER + HOUR
    writes(shared, customer, at=at)
    assert claim(shared, message_id, at + DAY).outcome == "done"
    assert state_of(shared, message_id) == ("held", "held")
    writes(shared, customer, at=at + DAY)
    claimed(shared, message_id, at + DAY)
    assert unsent(shared, message_id, WindowShut("shut"), at + DAY + SECOND).status == "held"
    writes(shared, customer, at=at + DAY + MINUTE)
    claimed(shared, message_id, at + DAY + MINUTE)
    assert [status for status, _ in history_of(shared, message_id)] == [
        *("held", "queued", "held", "queued", "sending", "held", "queued", "sending")
    ]


def test_its_turn_is_not_lost_with_the_queue(database: Database) -> None:
    customer = somebody()
    message_id = held(database, conversation(database, customer))
    writes(database, customer, at=LATER + HOUR)
    swept = sweep_sends(database, 10, LATER + HOUR + MINUTE)
    assert [(each.message_id, each.outcome) for each in swept] == [(message_id, "turn")]


def test_eight_messages_at_once_let_it_go_once(database: Database, at_once: AtOnce) -> None:
    customer = somebody()
    ana = conversation(database, customer)
    ids = [held(database, ana) for _ in range(3)]
    found = at_once([lambda own: writes(own, customer, at=LATER + HOUR).turns or []] * 8)
    assert sorted(turn["message_id"] for turns in found for turn in turns) == sorted(ids)
    query = "select count(*) from message_status_history where status = 'queued'"
    assert rows(database, query) == [(3,)]


def test_accepting_and_writing_at_once_strands_nothing(database: Database, at_once: AtOnce) -> None:
    """The customer writes in the moment in which an answer is held: one of the two sees the other."""
    for number in range(12):
        customer = somebody()
        ana = conversation(database, customer)

        def wait(own: Database, ana: str = ana) -> Any:
            return answer(own, ana, at=LATER, if_window_closed="hold")

        def write(own: Database, customer: Any = customer) -> Any:
            return writes(own, customer, at=LATER - SECOND).conversation_id

        message_id, _ = at_once([wait, write])
        assert status_of(database, message_id) in ("queued", "accepted"), number
        assert claim(database, message_id, LATER).message_id == message_id
