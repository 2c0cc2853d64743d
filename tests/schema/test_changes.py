"""What has changed since a moment: whatever changed it, and next to nothing where nothing did."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.schema.conftest import rows
from tests.schema.sending import MARGIN, MINUTE, SECOND, address_for, claim, request, somebody, text, writes
from ventana.messages import Customer
from ventana.schema.changes import MOST_CONVERSATIONS, SLACK, Changed, changes_since, moment
from ventana.schema.connection import Database
from ventana.schema.events import claim_events, finish_events
from ventana.schema.lifecycle import change_conversation
from ventana.schema.media import FileKey, Stored, claim_media, finish_stored
from ventana.schema.outbound import accept_outbound
from ventana.schema.reads import see_conversation

LATER = SLACK + 2 * SECOND
"""So long after a change nobody is told of it again."""


class World:
    """A customer who writes now, and what an observer is told of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.customer = Customer(phone=somebody().phone)
        self.address = address_for(self.customer)
        self.id = self.write()[0]
        self.publish()
        self.age()

    def write(self, **more: Any) -> tuple[str, str]:
        at = moment(self.database)
        found = writes(self.database, self.customer, self.address, at, **more)
        assert found.conversation_id
        assert found.message_id
        return found.conversation_id, found.message_id

    def age(self, by: timedelta = LATER + 2 * MINUTE) -> None:
        """As if all that happened so far had happened earlier."""
        owner = self.database.owner  # type: ignore[attr-defined]
        for statement in (
            "update events set occurred_at = occurred_at - %(by)s, published_at = published_at - %(by)s",
            "update conversation_reads set seen_at = seen_at - %(by)s",
            "update conversation_history set at = at - %(by)s",
            "update kommo_messages set created_at = created_at - %(by)s, received_at = received_at - %(by)s",
            "set session_replication_role = replica; update kommo_conversations set updated_at = updated_at - {by},"
            " last_message_at = last_message_at - {by}, last_user_message_at = last_user_message_at - {by};"
            " reset session_replication_role",
        ):
            told = statement.replace("{by}", f"interval '{by.total_seconds()} seconds'")
            owner.call(lambda connection, told=told: connection.execute(told, {"by": by} if "%(by)s" in told else None))

    def publish(self) -> None:
        finish_events(self.database, [event.id for event in claim_events(self.database, 1000, MINUTE)])

    def changes(self, conversation: str | None = None) -> Changed:
        return changes_since(self.database, moment(self.database), conversation or self.id)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_nothing(world: World) -> None:
    found = world.changes()
    assert (found.conversations, found.messages, found.history, found.gone, found.reload) == ([], [], [], [], False)
    world.publish()
    world.age()
    assert world.changes().conversations == []


@pytest.mark.parametrize("published", [False, True])
def test_a_customer_writes(world: World, published: bool) -> None:
    """Told before it is published, and after."""
    _, message = world.write(content="¿Hola?")
    if published:
        world.publish()
    found = world.changes()
    assert (found.conversations, found.messages, found.history) == ([world.id], [message], [])
    assert world.changes(conversation="6f1cbc1e-0000-4000-8000-000000000000").messages == []
    world.age()
    assert world.changes().conversations == []


def test_what_was_published_late_is_told_then(world: World) -> None:
    """A status bears the time of its provider, which may be long ago."""
    _, message = world.write()
    world.age()
    assert world.changes().messages == []
    world.publish()
    assert world.changes().messages == [message]


def test_an_echo_is_told_though_no_event_tells_of_it(world: World) -> None:
    _, message = world.write(role="assistant", opens_window=False, content="from the phone")
    assert (world.changes().conversations, world.changes().messages) == ([world.id], [message])


@pytest.mark.parametrize("more", [{}, {"send_at": timedelta(hours=2)}])
def test_an_answer_that_somebody_else_gave(world: World, more: dict[str, timedelta]) -> None:
    """Also one that is to go later, of which there is no event yet."""
    now = moment(world.database)
    wanted = request(text(), conversation_id=world.id, **{name: now + value for name, value in more.items()})
    (answered,) = accept_outbound(world.database, wanted, MARGIN, now).message_ids
    assert (world.changes().conversations, world.changes().messages) == ([world.id], [answered])


def test_a_status(world: World) -> None:
    now = moment(world.database)
    wanted = request(text(), conversation_id=world.id)
    (answered,) = accept_outbound(world.database, wanted, MARGIN, now).message_ids
    world.age()
    assert world.changes().messages == []
    claim(world.database, answered, moment(world.database))
    assert (world.changes().conversations, world.changes().messages) == ([world.id], [answered])


def test_a_file(world: World) -> None:
    _, message = world.write()
    rows(world.database, "insert into message_media values (%s, 0, '{}') returning 1", message)
    world.age()
    key = FileKey(message, 0)
    claimed = claim_media(world.database, key, MINUTE, moment(world.database) + 20 * MINUTE)
    assert claimed.attempts
    finish_stored(world.database, key, claimed.attempts, Stored("s3://b/k", "image/png", 1), moment(world.database))
    assert world.changes().messages == [message]


def test_what_somebody_did(world: World) -> None:
    change_conversation(world.database, world.id, "note", "eva", {"body": "in blue"})
    found = world.changes()
    assert found.conversations == [world.id]
    assert [(each.change, each.changed_by, each.detail) for each in found.history] == [
        ("noted", "eva", {"body": "in blue"})
    ]
    assert world.changes(conversation="6f1cbc1e-0000-4000-8000-000000000000").history == []
    world.age()
    assert world.changes().history == []


def test_that_somebody_saw_it(world: World) -> None:
    see_conversation(world.database, world.id)
    assert (world.changes().conversations, world.changes().messages) == ([world.id], [])


def test_two_that_become_one(world: World) -> None:
    other = Customer(user_id="BR.1")
    at = moment(world.database)
    gone = str(writes(world.database, other, world.address, at, provider="meta").conversation_id)
    kept = str(writes(world.database, world.customer, world.address, at, provider="meta").conversation_id)
    both = Customer(phone=world.customer.phone, user_id="BR.1")
    assert str(writes(world.database, both, world.address, at, provider="meta").conversation_id) == kept
    found = world.changes(gone)
    assert found.gone == [gone]
    assert found.conversations == [kept]


def test_too_much_is_not_told(world: World) -> None:
    rows(
        world.database,
        "insert into events (name, detail, occurred_at) select 'MessageReceived', jsonb_build_object("
        "'conversation_id', gen_random_uuid()), now() from generate_series(0, %s) returning 1",
        MOST_CONVERSATIONS,
    )
    found = world.changes()
    assert (found.reload, found.conversations) == (True, [])


def test_who_was_away_for_long_reads_anew(world: World) -> None:
    now = moment(world.database)
    assert not changes_since(world.database, now - timedelta(minutes=59)).reload
    assert changes_since(world.database, now - timedelta(minutes=61)).reload
    assert changes_since(world.database, datetime.min.replace(tzinfo=now.tzinfo) + timedelta(days=1)).reload


def test_a_commit_that_comes_late_is_told(world: World, database_url: str) -> None:
    """Its times are older than the cursor that an observer got meanwhile."""
    begun, done = threading.Event(), threading.Event()

    def slow() -> None:
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "insert into events (name, detail, occurred_at) values ('MessageReceived',"
                " jsonb_build_object('conversation_id', %s::text), clock_timestamp())",
                [world.id],
            )
            begun.set()
            done.wait(10)

    writer = threading.Thread(target=slow)
    writer.start()
    assert begun.wait(10)
    cursor = world.changes().at
    done.set()
    writer.join()
    assert changes_since(world.database, cursor).conversations == [world.id]


def test_an_observer_misses_nothing(world: World) -> None:
    """Cursor by cursor, while customers write."""
    told: set[str] = set()
    sent: list[str] = []
    cursor = moment(world.database)
    for _ in range(20):
        sent.append(world.write()[1])
        found = changes_since(world.database, cursor, world.id)
        told |= set(found.messages)
        cursor = found.at
    assert told >= set(sent)
