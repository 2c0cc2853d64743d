"""Two rows that turn out to be one customer become one, with all that was known, said and planned of either."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LATER,
    NOW,
    SECOND,
    A,
    B,
    accept,
    answer,
    claim,
    claimed,
    conversation,
    events_of,
    our_address,
    sent,
    somebody,
    state_of,
    status_of,
    unsent,
    writes,
)
from ventana.errors import NotFound, Uncertain, WindowClosed, WindowShut
from ventana.messages import Customer, IdentityChange
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.lifecycle import change_conversation, conversation_history
from ventana.schema.windows import Swept, sweep_windows, windows_of

C = "+15550002222"
Courses = list[tuple[str, float]]


def two(database: Database, by_phone: Courses, by_id: Courses) -> tuple[str, str, Customer]:
    """A customer who wrote under a phone and under an id, to these addresses, so many hours after NOW."""
    phone, user_id = Customer(phone=somebody().phone), Customer(user_id=f"BR.{somebody().phone}")
    found = []
    for customer, courses in ((phone, by_phone), (user_id, by_id)):
        for to, hours in courses:
            found_id = conversation(database, customer, to=to, at=NOW + hours * HOUR)
        found.append(found_id)
    return found[0], found[1], Customer(phone=phone.phone, user_id=user_id.user_id)


def join(database: Database, both: Customer, at: Any = NOW + DAY) -> None:
    change = IdentityChange("twilio", A, both, Customer(user_id=both.user_id))
    assert record_inbound(database, [change], at)[0].outcome == "moved"


def only(database: Database, both: Customer) -> str:
    query = "select id::text from kommo_conversations where phone = %s or provider_user_id = %s"
    ((found,),) = rows(database, query, both.phone, both.user_id)
    return str(found)


@pytest.mark.parametrize(
    ("by_phone", "by_id", "current", "windows"),
    [
        ([(A, 0)], [(A, 1)], A, {A: 1.0}),
        ([(A, 1)], [(A, 0)], A, {A: 1.0}),
        ([(A, 0)], [(B, 1)], B, {A: 0.0, B: 1.0}),
        ([(A, 1)], [(B, 0)], A, {A: 1.0, B: 0.0}),
        ([(A, 0), (B, 2)], [(A, 1)], B, {A: 1.0, B: 2.0}),
        ([(A, 0), (B, 1)], [(A, 2)], A, {A: 2.0, B: 1.0}),
        ([(A, 0), (B, 3)], [(C, 1), (A, 2)], B, {A: 2.0, B: 3.0, C: 1.0}),
        ([(C, 1), (A, 2)], [(A, 0), (B, 3)], B, {A: 2.0, B: 3.0, C: 1.0}),
    ],
)
def test_windows_are_joined_by_address(
    shared: Database, by_phone: Courses, by_id: Courses, current: str, windows: dict[str, float]
) -> None:
    *_, both = two(shared, by_phone, by_id)
    join(shared, both)
    ana = only(shared, both)
    found = windows_of(shared, ana)
    assert len(found) == len(windows)
    known = {each.business_address: each.last_user_message_at for each in found}
    assert known == {address: NOW + hours * HOUR for address, hours in windows.items()}
    assert found[0].business_address == current


def test_each_joined_window_is_announced_once(database: Database) -> None:
    *_, both = two(database, [(A, 0), (B, 2)], [(A, 1), (C, 3)])
    join(database, both, NOW + 4 * HOUR)
    assert sweep_windows(database, HOUR, 10, NOW + 26 * HOUR + HOUR / 2) == Swept(1, 2)
    assert sweep_windows(database, HOUR, 10, NOW + 30 * HOUR) == Swept(0, 1)
    found = [
        (event["business_address"], event["last_user_message_at"]) for event in events_of(database, "WindowClosed")
    ]
    assert [address for address, _ in found] == [A, B, C]
    assert found[0][1].startswith((NOW + HOUR).isoformat()[:19])


@pytest.mark.parametrize("side", [0, 1])
def test_a_window_that_was_shut_stays_shut(database: Database, side: int) -> None:
    *ids, both = two(database, [(A, 1)], [(B, 1)])
    at = NOW + 2 * HOUR
    message_id = claimed(database, answer(database, ids[side], at=at), at)
    unsent(database, message_id, WindowShut("shut"), at)
    join(database, both, at)
    ana = only(database, both)
    with pytest.raises(WindowClosed):
        answer(database, ana, sender=(A, B)[side], at=at)
    assert answer(database, ana, sender=(B, A)[side], at=at)


def test_what_is_to_be_sent_and_what_was_done_is_kept(shared: Database) -> None:
    ours = our_address()
    by_phone, by_id, both = two(shared, [(ours, 0)], [(ours, 1)])
    at = NOW + HOUR
    ready = [answer(shared, to, at=at) for to in (by_id, by_phone)]
    later = answer(shared, by_id, at=at, send_at=NOW + 2 * DAY)
    over = answer(shared, by_id, at=at)
    rows(shared, "update sends set phase = 'over' where message_id = %s", over)
    for number, to in enumerate((by_phone, by_id)):
        change_conversation(shared, to, "note", f"by-{number}", {"body": "x"}, at)
        change_conversation(shared, to, "tag", f"by-{number}", {"add": [f"tag-{number}"]}, at)
    join(shared, both, at)
    ana = only(shared, both)
    assert {each.changed_by for each in conversation_history(shared, ana)} == {"by-0", "by-1"}
    assert len(conversation_history(shared, ana)) == 4
    tags = rows(shared, "select tags from kommo_conversations where id = %s", ana)[0][0]
    assert sorted(tags) == ["tag-0", "tag-1"]
    sends = "select message_id::text from sends where conversation_id = %s order by send_order"
    assert [row[0] for row in rows(shared, sends, ana)] == [*ready, later, over]
    for each in ready:
        claimed(shared, each, at)
        sent(shared, each, at)
    counts = "select message_count, user_message_count, bot_message_count from kommo_conversations where id = %s"
    assert rows(shared, counts, ana) == [(6, 2, 4)]


def test_what_one_row_held_goes_when_the_customer_writes_under_the_other_name(shared: Database) -> None:
    ours = our_address()
    by_phone, _, both = two(shared, [(ours, 0)], [(ours, 0)])
    held = answer(shared, by_phone, at=LATER, if_window_closed="hold")
    turns = writes(shared, both, ours, at=LATER).turns or []
    assert [(turn["message_id"], turn["conversation_id"]) for turn in turns] == [(held, only(shared, both))]
    assert claim(shared, held, LATER).message_id == held


def test_pace_towards_a_customer_is_kept(shared: Database) -> None:
    from ventana.providers.base import Pace
    from ventana.schema.dispatch import paces_json

    ours = our_address()
    by_phone, by_id, both = two(shared, [(ours, 0)], [(ours, 0)])
    paces = paces_json({"twilio": Pace(100_000, 6, 1)})
    first, second = answer(shared, by_id), answer(shared, by_phone)
    assert claim(shared, first, NOW, paces=paces).message_id == first
    sent(shared, first)
    join(shared, both, NOW)
    assert claim(shared, second, NOW + SECOND, paces=paces).wait_seconds == 5.0


def test_uncertain_sends_of_either_are_settled(shared: Database) -> None:
    ours = our_address()
    *ids, both = two(shared, [(ours, 0)], [(ours, 0)])
    lost = [claimed(shared, answer(shared, to)) for to in ids]
    for each in lost:
        unsent(shared, each, Uncertain("lost"))
    join(shared, both, NOW)
    assert [state_of(shared, each) for each in lost] == [("uncertain", "uncertain")] * 2
    sent(shared, lost[0], NOW + HOUR)
    assert status_of(shared, lost[0]) == "sending"


def test_joining_while_everything_goes_on(database: Database, at_once: AtOnce) -> None:
    """Accepted, claimed, written and joined at once: nothing is lost, and nothing goes twice."""
    for _ in range(5):
        by_phone, by_id, both = two(database, [(A, 0)], [(A, 0)])
        before = [answer(database, to) for to in (by_phone, by_id) for _ in range(3)]

        def add(own: Database, to: str) -> list[str]:
            found: list[str] = []
            for _ in range(4):
                with suppress(NotFound):  # its conversation has become another's
                    found += accept(own, conversation_id=to).message_ids
            return found

        def send(own: Database, mine: Any = tuple(before)) -> list[str]:
            went = []
            for each in mine * 3:
                found = claim(own, each)
                if found.message_id:
                    went.append(found.message_id)
                    sent(own, found.message_id)
            return went

        def merge(own: Database, both: Customer = both) -> list[str]:
            writes(own, both, A, NOW + SECOND)
            return []

        works: list[Callable[[Database], list[str]]] = [partial(add, to=by_phone), partial(add, to=by_id)]
        added_a, added_b, *went, _ = at_once([*works, send, send, merge])
        sent_ids = [each for mine in went for each in mine]
        ana = only(database, both)
        last = answer(database, ana)
        while (found := claim(database, last)).message_id:
            sent_ids.append(found.message_id)
            sent(database, found.message_id)
        assert sorted(sent_ids) == sorted([*before, *added_a, *added_b, last])
        assert rows(database, "select count(*) from sends") == [(0,)]
