"""Everything at once: eight at random work for some seconds on twenty customers, and every promise holds afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import HOUR, MARGIN, PACES, SECOND, TEMPLATE, A, B, request, somebody, text, writes
from ventana.errors import (
    Conflict,
    Misconfigured,
    NotFound,
    OptedOut,
    PairThrottled,
    Rejected,
    StorageUnavailable,
    Throttled,
    Uncertain,
    Unreachable,
    WindowShut,
)
from ventana.messages import Customer, IdentityChange, Receipt, StatusUpdate
from ventana.schema.addresses import resume_address
from ventana.schema.connection import Database
from ventana.schema.dispatch import claim_outbound, finish_sent, finish_unsent, leave_outbound
from ventana.schema.inbound import record_inbound
from ventana.schema.lifecycle import change_conversation
from ventana.schema.outbound import accept_outbound, mark_queued
from ventana.schema.settle import cancel_message, claim_unsettled, retry_message, settle_listed, settle_message
from ventana.schema.windows import forget, sweep_sends, sweep_windows

SECONDS = 5.0
LEASE = SECOND / 2
CERTAIN_AFTER = 2 * SECOND  # by then a sender has handed over what it has claimed
ERRORS = (
    *(Unreachable("away"), Throttled("slower"), PairThrottled("slower"), Misconfigured("revoked")),
    *(WindowShut("shut"), OptedOut("stop"), Rejected("no such number")),
)
Result = TypeVar("Result")

WRONG = """
select m.id::text, m.delivery_status, m.provider_message_id, s.phase
  from kommo_messages m left join sends s on s.message_id = m.id
 where m.role = 'assistant' and s.phase is distinct from case
    when m.delivery_status in ('failed', 'expired', 'cancelled') then 'over'
    when m.provider_message_id is not null or m.delivery_status in ('sent', 'delivered', 'read') then null
    when m.delivery_status in ('held', 'sending', 'uncertain') then m.delivery_status
    when s.phase = 'scheduled' then 'scheduled' else 'ready' end
"""
CLAIMS = """
select message_id::text, count(*) from message_status_history where status = 'sending' and cause = 'sender' group by 1
"""
REPLACED = """
select count(*), count(distinct metadata ->> 'replaces') from kommo_messages where metadata ->> 'replaces' is not null
"""


@dataclass
class World:
    """Twenty customers, a provider that knows what it was given, and what was accepted so far."""

    customers: list[Customer]
    conversations: list[str]
    messages: list[str] = field(default_factory=list)
    given: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)
    deadlocks: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, counter: Counter[str], message_id: str) -> None:
        with self.lock:
            counter[message_id] += 1


class Worker:
    """One of the eight, with a connection and dice of its own."""

    def __init__(self, own: Database, world: World, seed: int) -> None:
        self.own, self.world, self.dice = own, world, random.Random(seed)

    def work(self) -> None:
        common = [self.accept, self.send, self.send, self.send, self.report, self.write]
        rare = [self.sweep, self.settle, self.change, self.interfere, self.resume, self.join]
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            self.patiently(self.dice.choice(rare if self.dice.random() < 0.2 else common))

    def patiently(self, work: Callable[[], None]) -> None:
        """Repeat what lost a race of locks twice; nothing else may go wrong."""
        try:
            work()
        except (Conflict, NotFound):
            return  # somebody else has decided, or its conversation has become another's
        except StorageUnavailable as error:
            assert "40P01" in str(error)
            with self.world.lock:
                self.world.deadlocks += 1

    def message(self) -> str:
        return self.dice.choice(self.world.messages)

    def accept(self) -> None:
        what: dict[str, Any] = {
            "conversation_id": self.dice.choice(self.world.conversations),
            "if_window_closed": self.dice.choice(["reject", "template", "hold"]),
            "fallback": TEMPLATE,
            "lane": self.dice.choice(["reply", "reply", "bulk"]),
            "sender": self.dice.choice([None, None, A, B]),
            "expires_in": timedelta(seconds=self.dice.choice([1, 60])),
        }
        if self.dice.random() < 0.2:
            what["send_at"] = datetime.now(UTC) + SECOND
        if self.dice.random() < 0.5:
            what |= {"key": f"{self.dice.randrange(50)}", "request_hash": "same"}
        parts = [text(str(number)) for number in range(self.dice.choice([1, 1, 2]))]
        self.world.messages += accept_outbound(self.own, request(*parts, **what), MARGIN).message_ids

    def send(self) -> None:
        lane = self.dice.choice(["reply", "bulk"])
        found = claim_outbound(self.own, self.message(), lane, PACES, LEASE, MARGIN)
        if found.message_id is None:
            return
        message_id = found.message_id
        self.world.count(self.world.claims, message_id)
        if self.dice.random() < 0.6:
            self.world.count(self.world.given, message_id)
            fate = self.dice.random()
            if fate < 0.7:
                receipt = Receipt(f"out-{message_id}", self.dice.choice(["sending", "sent"]))
                finish_sent(self.own, message_id, receipt)
            elif fate < 0.85:
                finish_unsent(self.own, message_id, Uncertain("lost"), SECOND)
        elif self.dice.random() < 0.9:
            finish_unsent(self.own, message_id, self.dice.choice(ERRORS), SECOND / 10)

    def report(self) -> None:
        with self.world.lock:
            given = list(self.world.given)
        if not given:
            return
        message_id = self.dice.choice(given)
        status: Any = self.dice.choice(["sending", "sent", "delivered", "read", "failed", "failed"])
        flags: Any = {self.dice.choice(["window_shut", "retryable", "opted_out"]): True} if status == "failed" else {}
        own_id = message_id if self.dice.random() < 0.5 else None
        item = StatusUpdate("twilio", A, f"out-{message_id}", status, None, own_id, **flags)
        record_inbound(self.own, [item])

    def write(self) -> None:
        customer = self.dice.choice(self.world.customers)
        at = datetime.now(UTC)
        recorded = writes(self.own, customer, self.dice.choice([A, B]), at - self.dice.choice([0, 0, 30]) * HOUR)
        self.world.messages += [turn["message_id"] for turn in recorded.turns or ()]

    def sweep(self) -> None:
        sweep_sends(self.own, 20)
        sweep_windows(self.own, HOUR, 20)
        forget(self.own, 20)
        rows(self.own, "update sends set due_at = now() where phase = 'uncertain' and due_at > now()")

    def settle(self) -> None:
        for each in claim_unsettled(self.own, "twilio", 10):
            if each.claimed_at > datetime.now(UTC) - CERTAIN_AFTER:
                continue
            if self.world.given[each.message_id]:
                settle_listed(self.own, each.message_id, Receipt(f"out-{each.message_id}"))
            else:
                settle_message(self.own, each.message_id, self.dice.choice(["untaken", "failed"]), "listed")

    def change(self) -> None:
        change: Any = self.dice.choice(["escalate", "close", "opt_out", "opt_in", "opt_in", "note"])
        change_conversation(self.own, self.dice.choice(self.world.conversations), change, "desk")

    def interfere(self) -> None:
        message_id = self.message()
        match self.dice.randrange(4):
            case 0:
                cancel_message(self.own, message_id, "desk")
            case 1:
                self.world.messages.append(retry_message(self.own, message_id, "desk", HOUR, MARGIN).message_id)
            case 2:
                leave_outbound(self.own, message_id, SECOND)
            case _:
                mark_queued(self.own, [self.message(), message_id])

    def resume(self) -> None:
        for address in (A, B):
            resume_address(self.own, "twilio", address, "desk")

    def join(self) -> None:
        customer = self.dice.choice(self.world.customers)
        if customer.phone and self.dice.random() < 0.2:
            both = Customer(phone=customer.phone, user_id=f"BR.{customer.phone}")
            record_inbound(self.own, [IdentityChange("twilio", A, both)])


@pytest.mark.slow
def test_every_promise_holds_after_everything_at_once(database: Database, at_once: AtOnce) -> None:
    now = datetime.now(UTC)
    customers = [somebody() for _ in range(17)]
    customers += [Customer(user_id=f"BR.{customer.phone}") for customer in customers[:3]]
    conversations = [str(writes(database, each, A, now).conversation_id) for each in customers]
    world = World(customers, conversations)
    world.messages += accept_outbound(database, request(conversation_id=conversations[0]), MARGIN).message_ids

    at_once([lambda own, seed=seed: Worker(own, world, seed).work() for seed in range(8)])  # type: ignore[misc]

    assert rows(database, WRONG) == []
    assert {each: number for each, number in world.given.items() if number > 1} == {}, "given to the provider twice"
    in_line = "select message_id::text from sends where phase in ('ready', 'scheduled', 'held')"
    assert world.given.keys() & {row[0] for row in rows(database, in_line)} == set()
    never = "select id::text from kommo_messages where delivery_status in ('expired', 'cancelled')"
    assert world.given.keys() & {row[0] for row in rows(database, never)} == set()
    assert dict(rows(database, CLAIMS)) == dict(world.claims)
    assert rows(database, "select count(*) from parked_items") == [(0,)]
    replaced = (
        "select count(*), count(distinct metadata ->> 'replaces') from kommo_messages where metadata ? 'replaces'"
    )
    ((number, of),) = rows(database, replaced)
    assert number == of, "one at most goes in the place of another"
    counts = """
        select c.id from kommo_conversations c
         where c.message_count <> (select count(*) from kommo_messages m where m.conversation_id = c.id)
    """
    assert rows(database, counts) == []
    assert world.deadlocks <= 5, "each of them lost twice"
    assert len(world.given) > 50
