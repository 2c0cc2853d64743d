"""A window is per customer and address of ours: each opens, is announced, shuts and is shut by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    A,
    B,
    answer,
    claimed,
    conversation,
    events_of,
    somebody,
    unsent,
    writes,
)
from ventana.errors import WindowClosed, WindowShut
from ventana.schema.connection import Database
from ventana.schema.conversations import statistics
from ventana.schema.windows import Swept, sweep_windows, windows_of

C = "+15550002222"


def written(database: Database, *courses: tuple[str, float]) -> str:
    """The conversation of a customer who wrote to these addresses, so many hours after NOW, in this order."""
    customer = somebody()
    found = [
        writes(database, customer, to=to, at=NOW + 60 * HOUR, sent_at=NOW + hours * HOUR).conversation_id
        for to, hours in courses
    ]
    return str(found[0])


def known(database: Database, to: str) -> dict[str | None, float]:
    """What is known of the customer's windows: when they last wrote to each address, in hours after NOW."""
    return {
        each.business_address: (each.last_user_message_at - NOW) / HOUR
        for each in windows_of(database, to)
        if each.last_user_message_at
    }


@pytest.mark.parametrize(
    ("courses", "expected"),
    [
        ([(A, 0), (A, 1)], [(A, 1)]),
        ([(A, 0), (B, 1)], [(B, 1), (A, 0)]),
        ([(A, 0), (B, 1), (A, 2)], [(A, 2), (B, 1)]),
        ([(A, 0), (B, 1), (C, 2), (B, 3)], [(B, 3), (C, 2), (A, 0)]),
        ([(A, 2), (B, 1)], [(A, 2), (B, 1)]),
        ([(A, 2), (B, 1), (B, 0)], [(A, 2), (B, 1)]),
        ([(A, 2), (B, 0), (B, 1)], [(A, 2), (B, 1)]),
        ([(A, 0), (B, 2), (A, 1)], [(B, 2), (A, 1)]),
        ([(A, 1), (B, 2), (A, 0)], [(B, 2), (A, 1)]),
        ([(A, 1), (B, 1)], [(B, 1), (A, 1)]),
        ([(A, 0), (B, 1), (A, 2), (B, 3), (A, 4)], [(A, 4), (B, 3)]),
    ],
)
def test_each_address_knows_when_it_was_written_to_last(
    shared: Database, courses: list[tuple[str, float]], expected: list[tuple[str, float]]
) -> None:
    """Whatever order the messages come in, by their own times."""
    ana = written(shared, *courses)
    assert known(shared, ana) == dict(expected)
    current = "select business_address, last_user_message_at from kommo_conversations where id = %s"
    assert rows(shared, current, ana) == [(expected[0][0], NOW + expected[0][1] * HOUR)]


@pytest.mark.parametrize("order", range(6))
def test_any_order_of_the_same_messages_ends_the_same(shared: Database, order: int) -> None:
    from itertools import permutations

    courses = list(permutations([(A, 1.0), (B, 2.0), (A, 3.0)]))[order]
    assert known(shared, written(shared, *courses)) == {A: 3.0, B: 2.0}


@pytest.mark.parametrize(
    ("hours", "open_at"),
    [(23, {A, B}), (24, {B}), (29, {B}), (30, set())],
)
def test_one_shuts_while_another_is_open(shared: Database, hours: int, open_at: set[str]) -> None:
    ana = written(shared, (A, 0), (B, 6))
    found = set()
    for sender in (A, B, C):
        try:
            answer(shared, ana, sender=sender, at=NOW + hours * HOUR - MINUTE)
            found.add(sender)
        except WindowClosed:
            continue
    assert found == open_at


def told(database: Database, name: str) -> list[tuple[str, datetime]]:
    at = "closes_at" if name == "WindowClosing" else "closed_at"
    return [(event["business_address"], datetime.fromisoformat(event[at])) for event in events_of(database, name)]


def test_each_is_announced_once(database: Database) -> None:
    written(database, (A, 0), (B, 6), (A, 7), (C, 8))
    found = [sweep_windows(database, HOUR, 100, NOW + hours * HOUR) for hours in range(70)]
    assert {hour: swept for hour, swept in enumerate(found) if swept != Swept(0, 0)} == {
        29: Swept(1, 0),
        30: Swept(1, 1),
        31: Swept(1, 1),
        32: Swept(0, 1),
    }
    closes = [(B, NOW + 30 * HOUR), (A, NOW + 31 * HOUR), (C, NOW + 32 * HOUR)]
    assert (told(database, "WindowClosing"), told(database, "WindowClosed")) == (closes, closes)


@pytest.mark.parametrize("to", [A, B])
def test_a_new_message_puts_the_announcement_off(database: Database, to: str) -> None:
    """That of its own address, and of no other."""
    customer = somebody()
    for at, each in ((NOW, A), (NOW + MINUTE, B)):
        writes(database, customer, to=each, at=at)
    assert sweep_windows(database, HOUR, 100, NOW + 23 * HOUR + 30 * MINUTE) == Swept(2, 0)
    writes(database, customer, to=to, at=NOW + 23 * HOUR + 40 * MINUTE)
    assert sweep_windows(database, HOUR, 100, NOW + 25 * HOUR) == Swept(0, 1)
    assert [address for address, _ in told(database, "WindowClosed")] == [B if to == A else A]
    assert sweep_windows(database, HOUR, 100, NOW + 47 * HOUR) == Swept(1, 0)
    assert sweep_windows(database, HOUR, 100, NOW + 48 * HOUR) == Swept(0, 1)
    assert told(database, "WindowClosed")[-1] == (to, NOW + 47 * HOUR + 40 * MINUTE)


@pytest.mark.parametrize("shut", [A, B])
def test_the_providers_word_shuts_the_window_at_its_address(database: Database, shut: str) -> None:
    ana = written(database, (A, 0), (B, 1))
    at = NOW + 2 * HOUR
    message_id = claimed(database, answer(database, ana, sender=shut, at=at), at)
    unsent(database, message_id, WindowShut("shut", "63016"), at + SECOND)
    with pytest.raises(WindowClosed):
        answer(database, ana, sender=shut, at=at + MINUTE)
    assert answer(database, ana, sender=A if shut == B else B, at=at + MINUTE)
    assert [(event["business_address"], event["reason"]) for event in events_of(database, "WindowClosed")] == [
        (shut, "provider")
    ]
    sweep_windows(database, HOUR, 100, NOW + 30 * HOUR)
    assert sorted(address for address, _ in told(database, "WindowClosed")) == [A, B], "each once"


def test_the_word_about_a_former_message_leaves_a_new_window_open(database: Database) -> None:
    customer = somebody()
    ana = conversation(database, customer, to=A)
    message_id = claimed(database, answer(database, ana))
    writes(database, customer, to=B, at=NOW + SECOND)
    writes(database, customer, to=A, at=NOW + 2 * SECOND)
    writes(database, customer, to=B, at=NOW + 3 * SECOND)
    unsent(database, message_id, WindowShut("shut", "63016"), NOW + 4 * SECOND)
    for sender in (A, B):
        assert answer(database, ana, sender=sender, at=NOW + 4 * SECOND)


def test_a_window_that_was_shut_by_word_stays_shut_when_another_takes_its_place(database: Database) -> None:
    customer = somebody()
    ana = conversation(database, customer, to=A)
    message_id = claimed(database, answer(database, ana))
    unsent(database, message_id, WindowShut("shut", "63016"), NOW + SECOND)
    writes(database, customer, to=B, at=NOW + MINUTE)
    with pytest.raises(WindowClosed):
        answer(database, ana, sender=A, at=NOW + MINUTE)
    writes(database, customer, to=A, at=NOW + 2 * MINUTE)
    assert answer(database, ana, sender=A, at=NOW + 2 * MINUTE)


def test_sweeps_at_once_announce_each_once_in_bounded_batches(database: Database, at_once: AtOnce) -> None:
    for _ in range(25):
        written(database, (A, 0), (B, 1), (C, 2))

    def sweep(own: Database) -> int:
        found = 0
        while closed := sweep_windows(own, HOUR, 7, NOW + 30 * HOUR).closed:
            assert closed <= 7
            found += closed
        return found

    total = sum(at_once([sweep] * 4))
    while closed := sweep_windows(database, HOUR, 7, NOW + 30 * HOUR).closed:
        total += closed
    assert total == 75
    assert len(set(map(repr, told(database, "WindowClosed")))) == 3
    assert len(events_of(database, "WindowClosed")) == 75


def test_statistics_count_conversations_by_their_latest_message(database: Database) -> None:
    recent = datetime.now(NOW.tzinfo)
    customer = somebody()
    writes(database, customer, to=A, at=recent - 30 * HOUR)
    writes(database, customer, to=B, at=recent - 2 * HOUR)
    writes(database, customer, to=A, at=recent, sent_at=recent - 26 * HOUR)
    written(database, (A, 0), (B, 1))
    found = {row.provider: (row.total, row.within_24h) for row in statistics(database)}
    assert found == {"kommo": (0, 0), "twilio": (2, 1), "meta": (0, 0)}


def test_who_knows_one_address_costs_no_further_row(database: Database) -> None:
    for _ in range(3):
        written(database, (A, 0), (A, 1))
    assert rows(database, "select count(*) from former_windows") == [(0,)]


def test_a_channel_without_a_window_is_open_at_every_address(database: Database) -> None:
    customer = somebody()
    ana = conversation(database, customer, to=A, channel="telegram")
    writes(database, customer, to=B, at=NOW + HOUR, channel="telegram")
    for sender in (A, B, C):
        assert answer(database, ana, sender=sender, at=NOW + 9 * DAY)
    sweep_windows(database, HOUR, 100, NOW + 9 * DAY)
    assert (events_of(database, "WindowClosed"), events_of(database, "WindowClosing")) == ([], [])


def test_one_message_that_comes_again_moves_nothing(shared: Database) -> None:
    customer = somebody()
    again: dict[str, Any] = {"provider_message_id": f"in-{customer.phone}", "sent_at": NOW}
    ana = str(writes(shared, customer, to=A, **again).conversation_id)
    writes(shared, customer, to=B, at=NOW + HOUR)
    before = known(shared, ana)
    assert writes(shared, customer, to=A, at=NOW + 2 * HOUR, **again).outcome == "duplicate"
    assert known(shared, ana) == before == {A: 0.0, B: 1.0}
