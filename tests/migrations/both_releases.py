"""A former release and today's, at work on the same rows: each accepts, claims, sends and records as it always did."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from ventana.errors import SendError, StorageUnavailable, Uncertain, Unreachable
from ventana.messages import Customer, InboundMessage, Item, Receipt, StatusUpdate
from ventana.providers.base import Pace
from ventana.schema.connection import Database
from ventana.schema.dispatch import claim_outbound, finish_sent, finish_unsent, paces_json
from ventana.schema.inbound import as_json, record_inbound
from ventana.schema.outbound import OutboundRequest, Part, accept_outbound
from ventana.schema.windows import sweep_sends, sweep_windows
from ventana.settings import Settings

LEASE, MARGIN, HOUR = timedelta(seconds=5), timedelta(minutes=1), timedelta(hours=1)
PACES = paces_json({"twilio": Pace(1_000_000)})
ADDRESS = "+14155238886"


@dataclass
class World:
    """The queue between them, and a provider who remembers what it took, and from which line."""

    statements: dict[str, str]
    settings: Settings
    queue: list[str] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=lambda: Counter[str]())
    lines: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    arrived: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    received: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, message_id: str) -> None:
        with self.lock:
            self.queue.append(message_id)

    def take(self, choice: random.Random) -> str | None:
        with self.lock:
            return self.queue.pop(choice.randrange(len(self.queue))) if self.queue else None

    def send(self, message_id: str, choice: random.Random) -> tuple[str, SendError | None] | None:
        """What the provider answers: a name, or why not; None where the sender does not live to hear it."""
        fate = choice.random()
        if fate < 0.10:
            return "", Unreachable("busy")
        if fate < 0.13:
            return "", SendError("refused")
        if fate < 0.16:
            return None  # died before it sent
        with self.lock:
            self.taken[message_id] += 1
            self.arrived[self.accepted[message_id]].append(message_id)
        if fate < 0.20:
            return None  # died after it sent
        if fate < 0.26:
            return "", Uncertain("time-out")
        return f"out-{message_id}", None


class Release:
    """What both releases do, each in its own statements."""

    name = ""

    def __init__(self, world: World, database: Database) -> None:
        self.world, self.database = world, database

    def accept(self, conversation: str) -> str:
        """Accept an answer; its entry in the queue is put there, or lost."""
        raise NotImplementedError

    def work(self, message_id: str, choice: random.Random) -> None:
        """Take a turn: claim, send, finish."""
        raise NotImplementedError

    def record(self, *items: Item) -> list[str]:
        """Record what a webhook carried; returns the outcomes."""
        raise NotImplementedError

    def sweep(self, now: datetime) -> list[str]:
        """Sweep sends; returns whose turn it is."""
        raise NotImplementedError

    def sweep_windows(self, now: datetime) -> int:
        """Announce what has closed."""
        raise NotImplementedError


class Former(Release):
    """As the modules of the former release call the database."""

    name = "former"

    def _call(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        sql = self.world.statements[statement].encode()
        return self.database.call(lambda connection: connection.execute(sql, parameters).fetchall())

    def accept(self, conversation: str) -> str:
        message_id = str(uuid4())
        ((outcome, *_),) = self._call("outbound.ACCEPT", message_id, conversation, None, None, "hola", MARGIN, None)
        assert outcome == "accepted"
        return message_id

    def work(self, message_id: str, choice: random.Random) -> None:
        ((outcome, *_),) = self._call("outbound.CLAIM", message_id, LEASE, MARGIN, None)
        if outcome == "leased":
            self.world.put(message_id)
        if outcome != "claimed":
            return
        answer = self.world.send(message_id, choice)
        if answer is None:
            return
        name, error = answer
        if error is None:
            self._call("outbound.FINISH_SENT", message_id, name, "sent")
            return
        how = "uncertain" if isinstance(error, Uncertain) else "retry" if error.retryable else "failed"
        ((status,),) = self._call("outbound.FINISH_UNSENT", message_id, how, error.code, str(error), False, 6)
        if status == "queued":
            self.world.put(message_id)

    def record(self, *items: Item) -> list[str]:
        known = [{name: value for name, value in as_json(item).items() if name not in NEW} for item in items]
        return [str(row[1]) for row in self._call("inbound.RECORD_INBOUND", json.dumps(known), None)]

    def sweep(self, now: datetime) -> list[str]:
        found = self._call("windows.RESCUE", HOUR, HOUR, 1000, now)
        return [str(message_id) for message_id, _, outcome in found if outcome == "stranded"]

    def sweep_windows(self, now: datetime) -> int:
        ((_, closed),) = self._call("windows.SWEEP", HOUR, 10, now)
        return int(closed)


NEW = {"opted_out", "retryable"}
"""What the former release does not tell of a status."""


class Today(Release):
    """As the modules of today do."""

    name = "today"

    def accept(self, conversation: str) -> str:
        parts = [Part(str(uuid4()), {"type": "text", "body": "hola"})]
        return accept_outbound(self.database, OutboundRequest(parts, "desk", conversation), MARGIN).message_ids[0]

    def work(self, message_id: str, choice: random.Random) -> None:
        claim = claim_outbound(self.database, message_id, "reply", PACES, LEASE, MARGIN)
        if claim.outcome == "wait" or claim.message_id not in (None, message_id):
            self.world.put(message_id)
        if claim.message_id is None:
            return
        answer = self.world.send(claim.message_id, choice)
        if answer is None:
            return
        name, error = answer
        if error is None:
            finish_sent(self.database, claim.message_id, Receipt(name, "sent"))
        elif finish_unsent(self.database, claim.message_id, error, timedelta(0)).status == "queued":
            self.world.put(claim.message_id)

    def record(self, *items: Item) -> list[str]:
        return [each.outcome for each in record_inbound(self.database, items)]

    def sweep(self, now: datetime) -> list[str]:
        return [each.message_id for each in sweep_sends(self.database, 1000, now) if each.outcome == "turn"]

    def sweep_windows(self, now: datetime) -> int:
        return sweep_windows(self.database, HOUR, 10, now).closed


RELEASES = (Former, Today)


@contextmanager
def opened(world: World, kind: type[Release]) -> Iterator[Release]:
    """A release with a connection of its own, however long a busy machine takes to make one."""
    database = Database(world.settings)
    try:
        for rest in reversed(range(10)):
            try:
                database.value("select 1")
                break
            except StorageUnavailable:
                if rest == 0:
                    raise
        yield kind(world, database)
    finally:
        database.close()


def accepts(world: World, kind: type[Release], who: str, conversations: list[str], seed: int, number: int) -> None:
    """Accept so many answers; now and then one never gets into the queue."""
    choice = random.Random(seed)
    with opened(world, kind) as release:
        for _ in range(number):
            conversation = choice.choice(conversations)
            message_id = release.accept(conversation)
            with world.lock:
                world.accepted[message_id] = conversation
                world.lines[(who, conversation)].append(message_id)
            if choice.random() < 0.9:
                world.put(message_id)


def sends(world: World, kind: type[Release], seed: int, over: threading.Event) -> None:
    """Take turns until it is over; now and then report what became of a message, as the provider would."""
    choice = random.Random(seed)
    with opened(world, kind) as release:
        while not over.is_set():
            message_id = world.take(choice)
            if message_id is None:
                time.sleep(0.005)
                continue
            release.work(message_id, choice)
            if world.taken.get(message_id) and choice.random() < 0.5:
                release.record(
                    StatusUpdate("twilio", ADDRESS, f"out-{message_id}", "delivered", None, message_id=message_id)
                )


def writes(world: World, kind: type[Release], seed: int, names: list[str]) -> None:
    """Deliver webhooks, each of which others deliver as well."""
    choice = random.Random(seed)
    with opened(world, kind) as release:
        for name in choice.sample(names, len(names)):
            customer = Customer(phone=f"+55119{int(name) % 40:08}")
            told = release.record(InboundMessage("twilio", ADDRESS, f"in-{name}", customer, "text", "hola"))
            with world.lock:
                world.received += told.count("recorded")


def later() -> datetime:
    """When every lease and every pause is over, and every window still open."""
    return datetime.now(UTC) + 2 * HOUR
