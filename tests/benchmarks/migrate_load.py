"""The former system at work beside a migration: writers and readers at a steady pace, who time every statement."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from typing import LiteralString, TypeAlias
from uuid import UUID, uuid4

import psycopg

MESSAGE = "insert into kommo_messages (id, conversation_id, role, content) values (%s, %s, %s, %s)"
CONVERSATION = "insert into kommo_conversations (id, kommo_chat_id, phone, contact_name) values (%s, %s, %s, 'New')"
STATUS = "update kommo_conversations set status = %s where id = %s"
ASSIGN = "update kommo_conversations set assigned_to = %s where id = %s"
READS: tuple[LiteralString, ...] = (
    "select id, status, message_count, last_message_at from kommo_conversations where id = %s",
    "select role, content, created_at from kommo_messages where conversation_id = %s order by created_at desc limit 10",
    "select id, last_message, last_message_role from kommo_active_conversations where id = %s",
)
STATUSES = ("active", "resolved", "closed", "escalated")
REPORT = "select status, count(*), sum(message_count) from kommo_conversations group by status"
WORKERS = 2  # of each kind
PAUSE_SECONDS = 0.02
LINGER_SECONDS = (0.1, 1.0)
END_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: what it did, when it began (seconds since the epoch), how long it took, and why it failed."""

    kind: str
    began: float
    seconds: float
    error: str | None = None


@dataclass
class Told:
    """What writers were told is committed: it must be there, whatever happened meanwhile."""

    messages: dict[UUID, tuple[UUID, str]] = field(default_factory=dict)
    conversations: set[UUID] = field(default_factory=set)
    statuses: dict[UUID, str] = field(default_factory=dict)
    assigned: dict[UUID, str] = field(default_factory=dict)


class Session:
    """One worker's connection."""

    def __init__(self, dsn: str, statements: list[Statement], told: Told, pick: Callable[[], UUID]) -> None:
        self.told, self.pick = told, pick
        self._statements = statements
        self.connection = psycopg.connect(dsn, autocommit=True, application_name="load")

    def do(self, kind: str, query: LiteralString, *parameters: object) -> None:
        """Execute and time it. Raises psycopg.Error, which is noted."""
        began, clock, error = time.time(), time.perf_counter(), None
        try:
            self.connection.execute(query, parameters)
        except psycopg.Error as failed:
            error = f"{type(failed).__name__}: {failed.diag.message_primary or failed}"
            raise
        finally:
            self._statements.append(Statement(kind, began, time.perf_counter() - clock, error))


Work: TypeAlias = Callable[[Session], None]


def insert(session: Session) -> None:
    """A customer's message; now and then a new customer's."""
    conversation = session.pick()
    if random.random() < 0.05:
        conversation = uuid4()
        session.do(
            "insert conversation", CONVERSATION, conversation, str(conversation), f"+{conversation.int % 10**12}"
        )
        session.told.conversations.add(conversation)
    message, role = uuid4(), random.choice(("user", "assistant"))
    session.do("insert message", MESSAGE, message, conversation, role, f"hola {message}")
    session.told.messages[message] = (conversation, f"hola {message}")


def update(session: Session) -> None:
    """A conversation's status."""
    conversation, status = session.pick(), random.choice(STATUSES)
    session.do("update conversation", STATUS, status, conversation)
    session.told.statuses[conversation] = status


def answer(session: Session) -> None:
    """Somebody takes a conversation and answers in it, in one transaction."""
    conversation, message, somebody = session.pick(), uuid4(), f"agent {random.randrange(50)}"
    session.do("begin", "begin")
    session.do("update conversation", ASSIGN, somebody, conversation)
    session.do("insert message", MESSAGE, message, conversation, "assistant", f"claro {message}")
    session.do("commit", "commit")
    session.told.assigned[conversation] = somebody
    session.told.messages[message] = (conversation, f"claro {message}")


def read(session: Session) -> None:
    """A conversation, its last messages, or the view of it."""
    session.do("read", random.choice(READS), session.pick())


def linger(session: Session) -> None:
    """Somebody who keeps transactions open: locks of a migration have to wait, and must not let all others wait."""
    conversation, message = uuid4(), uuid4()
    session.do("begin", "begin")
    session.do("insert conversation", CONVERSATION, conversation, str(conversation), "")
    session.do("insert message", MESSAGE, message, conversation, "user", f"hola {message}")
    session.do("report", REPORT)
    time.sleep(random.uniform(*LINGER_SECONDS))
    session.do("commit", "commit")
    session.told.conversations.add(conversation)
    session.told.messages[message] = (conversation, f"hola {message}")
    time.sleep(random.uniform(*LINGER_SECONDS))


class Load:
    """Works on the database while the block runs."""

    def __init__(self, dsn: str, conversations: int) -> None:
        self.statements: list[Statement] = []
        self.told = Told()
        self._dsn, self._conversations = dsn, conversations
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(work, number), daemon=True)
            for work in (insert, update, answer, read, linger)
            for number in range(1 if work is linger else WORKERS)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(END_SECONDS)
            if thread.is_alive():
                raise TimeoutError(f"a statement of the load is stuck for more than {END_SECONDS:.0f} s")

    def _run(self, work: Work, number: int) -> None:
        def pick() -> UUID:
            """A conversation that nobody else of this kind of work touches, so that its last change is the last."""
            place = random.randrange(self._conversations // WORKERS) * WORKERS + number + 1
            return UUID(bytes=md5(f"conversation {place}".encode(), usedforsecurity=False).digest())

        session = Session(self._dsn, self.statements, self.told, pick)
        while not self._over.is_set():
            try:
                work(session)
            except psycopg.Error:
                session.connection.close()
                session = Session(self._dsn, self.statements, self.told, pick)
            time.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))
        session.connection.close()
