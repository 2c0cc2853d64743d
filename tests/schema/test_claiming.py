"""A message is claimed by one sender, in the order of acceptance within its conversation, and never twice."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    LEASE,
    MARGIN,
    MINUTE,
    NOW,
    PACES,
    SECOND,
    accept,
    answer,
    claim,
    claimed,
    conversation,
    history_of,
    our_address,
    sent,
    state_of,
    status_of,
    text,
    unsent,
)
from ventana.errors import Unreachable
from ventana.messages import Customer, Receipt
from ventana.schema.connection import Database
from ventana.schema.dispatch import claim_outbound, finish_sent


def test_a_claim_brings_all_that_a_provider_needs(shared: Database) -> None:
    customer = Customer(user_id=f"BR.{uuid4()}", name="Ana")
    ours = our_address()
    ana = conversation(shared, customer, to=ours)
    message_id = answer(shared, ana, text("hi"), options={"provide_feedback": True})
    message = claim(shared, message_id).message("https://example.com/status")
    assert (message.id, message.conversation_id, message.provider, message.business_address) == (
        message_id,
        ana,
        "twilio",
        ours,
    )
    assert (message.customer.user_id, message.customer.phone) == (customer.user_id, None)
    assert (message.content, message.options, message.reply_to) == (text("hi"), {"provide_feedback": True}, None)


def test_the_first_in_line_goes_whosoever_turn_it_is(shared: Database) -> None:
    ana = conversation(shared)
    ids = [answer(shared, ana) for _ in range(3)]
    for place, turn in enumerate((2, 2, 2)):
        found = claim(shared, ids[turn])
        assert (found.outcome, found.message_id) == ("claimed", ids[place])
        busy = claim(shared, ids[turn], NOW + SECOND)
        assert (busy.outcome, busy.reason, busy.wait_seconds) == ("wait", "another sender is at it", 59.0)
        sent(shared, ids[place])
    assert [claim(shared, each).outcome for each in ids] == ["done"] * 3
    assert claim(shared, str(uuid4())).outcome == "not_found"


def test_a_turn_goes_no_further_than_its_own_message(shared: Database) -> None:
    ana = conversation(shared)
    first, second = answer(shared, ana), answer(shared, ana)
    claimed(shared, first)
    sent(shared, first)
    assert claim(shared, first).outcome == "done"
    assert status_of(shared, second) == "accepted"


def test_lanes_do_not_change_the_order_of_a_conversation(shared: Database) -> None:
    ana = conversation(shared)
    bulk, reply = answer(shared, ana, lane="bulk"), answer(shared, ana)
    assert claim(shared, reply, lane="reply").message_id == bulk


def test_eight_senders_at_once(database: Database, at_once: AtOnce) -> None:
    message_id = answer(database, conversation(database))
    found = at_once([lambda own: claim(own, message_id).outcome] * 8)
    assert sorted(found) == ["claimed"] + ["wait"] * 7
    assert rows(database, "select attempts, phase from sends") == [(1, "sending")]


def test_two_hundred_messages_by_eight_senders_with_random_turns(database: Database, at_once: AtOnce) -> None:
    accepted: dict[str, list[str]] = defaultdict(list)
    conversations = [conversation(database) for _ in range(10)]
    for number in range(200):
        to = conversations[number * 7 % 10]
        accepted[to].append(answer(database, to, lane="bulk" if number % 3 else "reply"))
    everything = [each for ids in accepted.values() for each in ids]

    def send(seed: int) -> Any:
        def work(own: Database) -> list[str]:
            mine: list[str] = []
            turns = list(everything)
            random.Random(seed).shuffle(turns)
            while turns:
                found = claim_outbound(own, turns[-1], random.choice(["reply", "bulk"]), PACES, LEASE, MARGIN, NOW)
                if found.outcome == "claimed":
                    assert found.message_id
                    mine.append(found.message_id)
                    finish_sent(own, found.message_id, Receipt(f"out-{found.message_id}"), NOW)
                elif found.outcome == "done":
                    turns.pop()
                else:
                    random.shuffle(turns)
            return mine

        return work

    taken = [each for mine in at_once([send(seed) for seed in range(8)]) for each in mine]
    assert sorted(taken) == sorted(everything), "each once"
    order = """
        select h.message_id::text from message_status_history h join kommo_messages m on m.id = h.message_id
         where h.status = 'sending' and m.conversation_id = %s order by h.id
    """
    for to, ids in accepted.items():
        assert [row[0] for row in rows(database, order, to)] == ids
    assert rows(database, "select count(*) from sends") == [(0,)]


def test_accepting_and_claiming_at_once_keeps_the_order(database: Database, at_once: AtOnce) -> None:
    ana = conversation(database)

    def accept_some(own: Database) -> None:
        for _ in range(15):
            accept(own, text("1"), text("2"), conversation_id=ana)

    def send_some(own: Database) -> None:
        for _ in range(400):
            for (turn,) in rows(own, "select message_id::text from sends order by random() limit 1"):
                found = claim(own, turn)
                if found.message_id:
                    sent(own, found.message_id)

    at_once([accept_some, accept_some, send_some, send_some])
    accepted = "select message_id from message_status_history where status = 'accepted'"
    sending = "select message_id from message_status_history where status = 'sending' order by id"
    by_order = rows(database, "select id from kommo_messages where role = 'assistant' order by id")
    assert len(rows(database, accepted)) == len(by_order) == 60
    went = [row[0] for row in rows(database, sending)]
    assert len(went) == len(set(went))
    assert went == [row[0] for row in rows(database, accepted + " order by id")][: len(went)]


@pytest.mark.parametrize(("after", "outcome"), [(59, "wait"), (60, "done"), (600, "done")])
def test_a_sender_that_died_leaves_its_message_uncertain(shared: Database, after: int, outcome: str) -> None:
    ana = conversation(shared)
    first, second = answer(shared, ana), answer(shared, ana)
    claimed(shared, first)
    assert claim(shared, first, NOW + after * SECOND).outcome == outcome
    assert status_of(shared, first) == ("sending" if outcome == "wait" else "uncertain")
    if outcome == "done":
        assert state_of(shared, first) == ("uncertain", "uncertain")
        assert claim(shared, second, NOW + after * SECOND).message_id == second, "one that is stuck stops nobody"


def test_what_is_tried_again_later_holds_its_conversation_back(shared: Database) -> None:
    ana, bob = conversation(shared), conversation(shared)
    first, second, other = answer(shared, ana), answer(shared, ana), answer(shared, bob)
    claimed(shared, first)
    assert unsent(shared, first, Unreachable("away"), wait=30 * SECOND).status == "queued"
    waits = claim(shared, second, NOW + 10 * SECOND)
    assert (waits.outcome, waits.reason, waits.wait_seconds) == ("wait", "it is tried again later", 20.0)
    claimed(shared, other, NOW + 10 * SECOND)
    assert claim(shared, second, NOW + 30 * SECOND).message_id == first
    assert history_of(shared, first) == [
        ("accepted", "api"),
        ("sending", "sender"),
        ("queued", "retry"),
        ("sending", "sender"),
    ]


@pytest.mark.parametrize(("after", "is_late"), [(5 * MINUTE - SECOND, False), (5 * MINUTE, True)])
def test_what_could_not_be_sent_in_its_time_expires(shared: Database, after: timedelta, is_late: bool) -> None:
    ana = conversation(shared)
    short, long = answer(shared, ana, expires_in=5 * MINUTE), answer(shared, ana)
    assert claim(shared, long, NOW + after).message_id == (long if is_late else short)
    if is_late:
        assert state_of(shared, short) == ("expired", "over")
        assert history_of(shared, short)[-1] == ("expired", "sender")
