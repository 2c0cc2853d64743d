"""How items become entries of the spill queue, and how entries are read again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ventana.messages import Customer, IdentityChange, InboundMessage, Item, Parked, Preference, StatusUpdate
from ventana.schema.inbound import as_json
from ventana.spill import LARGEST, MOST_ITEMS, entries_of, read_entry

ARRIVED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANA, BEA = Customer(phone="+5511987654321"), Customer(user_id="BR.1349")
HELLO = InboundMessage("acme", "+14155238886", "SM1", ANA, "text", "hola")


def message(number: int, customer: Customer = ANA, content: str = "hola") -> InboundMessage:
    return replace(HELLO, provider_message_id=f"SM{number}", customer=customer, content=content)


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["provider_message_id"] for item in items]


def test_an_entry_holds_what_the_database_takes_and_when_it_arrived() -> None:
    items: list[Item] = [HELLO, replace(HELLO, provider_message_id="SM2", details={"voice": True})]
    (entry,) = entries_of(items, ARRIVED)
    found = read_entry(entry.body)
    assert found.items == [json.loads(json.dumps(as_json(item))) for item in items]
    assert found.received_at == ARRIVED


def test_each_conversation_has_a_group_in_which_its_items_keep_their_order() -> None:
    entries = entries_of([message(1), message(2, BEA), message(3), message(4, BEA), message(5)], ARRIVED)
    assert [ids(read_entry(entry.body).items) for entry in entries] == [["SM1", "SM3", "SM5"], ["SM2", "SM4"]]
    assert len({entry.group for entry in entries}) == 2


@pytest.mark.parametrize(
    ("label", "item", "same"),
    [
        ("a later message", message(2), True),
        ("the customer's preference", Preference("acme", "a", ANA, opted_out=True), True),
        ("a change of the customer's names", IdentityChange("acme", "a", BEA, previous=ANA), True),
        ("another customer", message(2, BEA), False),
        ("the same customer elsewhere", replace(HELLO, provider="other"), False),
        ("a status", StatusUpdate("acme", "+14155238886", "SM1", "read"), False),
        ("a parked item", Parked("acme", "no idea", b"{}"), False),
    ],
)
def test_what_shares_a_group(label: str, item: Item, same: bool) -> None:
    groups = {entry.group for entry in entries_of([HELLO, item], ARRIVED)}
    assert (len(groups) == 1) is same, label


def test_statuses_of_one_message_keep_their_order() -> None:
    statuses = [StatusUpdate("acme", "a", message_id, "read") for message_id in ("SM1", "SM2", "SM1")]
    assert [len(read_entry(entry.body).items) for entry in entries_of(list(statuses), ARRIVED)] == [2, 1]


def test_a_group_tells_nobody_who_it_is() -> None:
    (entry,) = entries_of([HELLO], ARRIVED)
    assert len(entry.group) == len(entry.ticket) == 64
    assert "5511987654321" not in entry.group + entry.ticket


@pytest.mark.parametrize(
    ("label", "number", "length", "parts"),
    [
        ("many", 300, 1, [100, 100, 100]),
        ("large", 5, 100_000, [2, 2, 1]),
        ("each too large to share", 3, 200_000, [1, 1, 1]),
        ("characters that grow", 3, 10_000, [2, 1]),
    ],
)
def test_entries_stay_below_the_limit_of_a_queue_message(
    label: str, number: int, length: int, parts: list[int]
) -> None:
    letter = "👋" if label.startswith("characters") else "x"
    entries = entries_of([message(n, content=letter * length) for n in range(number)], ARRIVED)
    found = [read_entry(entry.body) for entry in entries]
    assert [len(part.items) for part in found] == parts
    assert all(len(entry.body.encode()) == len(entry.body) <= LARGEST for entry in entries)
    assert [one for part in found for one in ids(part.items)] == [f"SM{n}" for n in range(number)]


def test_only_a_single_item_may_be_too_large() -> None:
    entries = entries_of([message(1), message(2, content="x" * LARGEST), message(3)], ARRIVED)
    assert [len(read_entry(entry.body).items) for entry in entries] == [1, 1, 1]
    assert [len(entry.body) > LARGEST for entry in entries] == [False, True, False]


def test_a_later_part_of_a_webhook_stays_later() -> None:
    """As when all of it is recorded in one call, where each item is a microsecond behind the one before it."""
    entries = entries_of([message(n) for n in range(MOST_ITEMS + 1)], ARRIVED)
    assert [read_entry(entry.body).received_at - ARRIVED for entry in entries] == [
        timedelta(0),
        timedelta(microseconds=MOST_ITEMS),
    ]


def test_an_entry_that_is_put_again_has_the_same_ticket_and_a_later_webhook_another() -> None:
    first, again = entries_of([HELLO], ARRIVED), entries_of([HELLO], ARRIVED)
    later = entries_of([HELLO], ARRIVED + timedelta(seconds=1))
    assert first[0].ticket == again[0].ticket != later[0].ticket


def test_what_postgres_cannot_hold_is_cleaned_before_it_waits() -> None:
    (entry,) = entries_of([replace(HELLO, content="a\0b\ud83d", details={"n": float("nan")})], ARRIVED)
    (item,) = read_entry(entry.body).items
    assert (item["content"], item["details"]) == ("ab�", {"n": "nan"})


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hola",
        "[]",
        "{}",
        "null",
        '{"items": []}',
        '{"received_at": "2026-11-22T12:00:00+00:00"}',
        '{"received_at": 7, "items": []}',
        '{"received_at": "soon", "items": []}',
        '{"received_at": "2026-11-22T12:00:00", "items": []}',
        '{"received_at": "2026-11-22T12:00:00+00:00", "items": {}}',
        '{"received_at": "2026-11-22T12:00:00+00:00", "items": [1]}',
    ],
)
def test_what_is_no_entry_is_told_apart(body: str) -> None:
    with pytest.raises(ValueError):
        read_entry(body)
