"""While half of the containers run the release before, both work: on its statements, and on the same rows."""

from __future__ import annotations

import ast
import random
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.migrations.both_releases import (
    HOUR,
    RELEASES,
    Former,
    Release,
    Today,
    World,
    accepts,
    later,
    opened,
    sends,
    writes,
)
from tests.migrations.releases import HERE, Story
from tests.migrations.test_history import VERSIONS, up
from ventana.schema.migrate import FOLDER
from ventana.settings import Settings

KEPT = sorted(HERE.glob("release_*"))
SCHEMA = FOLDER.parents[2] / "layers" / "ventana" / "ventana" / "schema"
EVERYTHING = re.compile(r"\b(?:select|returning)\s+(?:distinct\s+)?(?:\w+\.)?\*|,\s*\w+\.\*", re.IGNORECASE)


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_each_statement_of_a_release_is_called(folder: Path) -> None:
    story = Story(folder)
    assert {call["statement"] for call in story.calls} == set(story.statements)
    names = [call["name"] for call in story.calls]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_a_release_gets_from_each_later_schema_what_it_got(empty_database: str, folder: Path) -> None:
    """On one connection, which lives on while the schema changes, as those of containers do."""
    own = Story(folder).schema
    given: dict[str, dict[str, Any]] = {}
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for version in VERSIONS[VERSIONS.index(own) :]:
            up(empty_database, version)
            with connection.transaction(force_rollback=True):
                given[version] = Story(folder).run(connection)
    for version, found in given.items():
        differs = {name for name in found if found[name] != given[own][name]}
        assert differs == set(), f"{version}: {[(given[own][name], found[name]) for name in differs]}"


@pytest.fixture
def world(database_url: str) -> World:
    return World(Story(HERE / "release_former").statements, Settings(database_url=database_url))


@pytest.fixture
def watcher(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def customers(world: World, number: int) -> list[str]:
    """The conversations of customers who have just written, half of them to each release."""
    for half, kind in enumerate(RELEASES):
        writes(world, kind, half, [str(place) for place in range(number) if place % 2 == half])
    with opened(world, Today) as release:
        sql = "select id::text from kommo_conversations order by phone"
        return [row[0] for row in release.database.call(lambda connection: connection.execute(sql.encode()).fetchall())]


def settle(world: World, watcher: psycopg.Connection, kinds: tuple[type[Release], ...], choice: random.Random) -> None:
    """Sweep, and take turns, until nobody has anything to do."""
    for _ in range(60):
        for kind in kinds:
            with opened(world, kind) as release:
                for message_id in release.sweep(later()):
                    world.put(message_id)
                turns, world.queue = sorted(set(world.queue)), []
                for message_id in choice.sample(turns, len(turns)):
                    release.work(message_id, choice)
        moving = watcher.execute(
            "select count(*) from kommo_messages where delivery_status in ('accepted', 'queued', 'sending')"
        ).fetchone()
        if moving == (0,) and not world.queue:
            return
    left = watcher.execute("""
        select m.id::text, m.delivery_status, m.lease_until, s.phase, s.due_at, s.not_before, s.lease_until
          from kommo_messages m left join sends s on s.message_id = m.id
         where m.delivery_status in ('accepted', 'queued', 'sending')
    """)
    raise AssertionError(f"these never come to an end: {left.fetchall()}, {world.queue}")


@pytest.mark.parametrize("kinds", [(Former,), RELEASES, (Today,)], ids=["the former alone", "both", "today's alone"])
def test_nothing_is_sent_twice_lost_or_out_of_its_order(
    world: World, watcher: psycopg.Connection, kinds: tuple[type[Release], ...]
) -> None:
    """Accepted by both, and sent by both or either; providers fail, answers are lost, senders die."""
    choice = random.Random(random.getrandbits(32))
    conversations = customers(world, 12)
    accepted = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        acceptors = [
            pool.submit(accepts, world, RELEASES[who % 2], f"{who}", conversations, choice.getrandbits(32), 30)
            for who in range(4)
        ]
        senders = [
            pool.submit(sends, world, kinds[who % len(kinds)], choice.getrandbits(32), accepted) for who in range(4)
        ]
        try:
            for each in acceptors:
                each.result()
        finally:
            accepted.set()  # senders wait for it, and the pool for them
        for each in senders:
            each.result()
    settle(world, watcher, kinds, choice)
    query = "select id::text, delivery_status from kommo_messages where role = 'assistant'"
    statuses = {str(message_id): str(status) for message_id, status in watcher.execute(query)}
    assert statuses.keys() == world.accepted.keys()
    assert {message_id for message_id, times in world.taken.items() if times > 1} == set()
    for message_id, status in statuses.items():
        allowed = {"sent", "delivered", "uncertain"} if world.taken[message_id] else {"failed", "uncertain"}
        assert status in allowed, (world.taken[message_id], status)
    for (who, conversation), line in world.lines.items():
        arrived = [each for each in world.arrived[conversation] if each in line]
        assert arrived == sorted(arrived, key=line.index), f"accepted by {who} in another order"
    if Today in kinds:  # and what the former has left of those that it sent is cleared away
        with opened(world, Today) as release:
            assert release.sweep(later() + HOUR) == []
        left = watcher.execute("select phase, count(*) from sends where phase not in ('over', 'uncertain') group by 1")
        assert left.fetchall() == []


def test_webhooks_that_both_get_are_recorded_once(world: World, watcher: psycopg.Connection) -> None:
    names = [str(number) for number in range(120)]
    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(writes, world, RELEASES[who % 2], who, names) for who in range(4)]:
            each.result()
    assert world.received == len(names)
    assert watcher.execute("select count(*), count(distinct phone) from kommo_conversations").fetchone() == (40, 40)
    assert watcher.execute("select count(*) from events where name = 'MessageReceived'").fetchone() == (len(names),)
    assert watcher.execute("select count(*) from parked_items").fetchone() == (0,)


def test_windows_that_both_sweep_are_announced_once(world: World, watcher: psycopg.Connection) -> None:
    customers(world, 40)
    tomorrow = datetime.now(UTC) + 25 * HOUR

    def sweep(kind: type[Release]) -> int:
        with opened(world, kind) as release:
            return sum(release.sweep_windows(tomorrow) for _ in range(10))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(sweep, RELEASES * 2)) == 40
    assert watcher.execute(
        "select count(*), count(distinct detail ->> 'conversation_id') from events where name = 'WindowClosed'"
    ).fetchone() == (40, 40)


def texts(module: Path) -> Iterator[str]:
    """Every string of a module that is no documentation."""
    tree = ast.parse(module.read_text())
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


@pytest.mark.parametrize("module", sorted(SCHEMA.glob("*.py")), ids=lambda module: module.stem)
def test_columns_are_always_named(module: Path) -> None:
    """A release that selects everything breaks on the columns of the next."""
    assert [text for text in texts(module) if EVERYTHING.search(text)] == []


def test_functions_that_releases_call_are_versioned(watcher: psycopg.Connection) -> None:
    """So that a changed one can stand beside the one that the release before calls."""
    unversioned = watcher.execute("""
        select proname from pg_proc
         where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype and proname !~ '_v[0-9]+$'
    """)
    assert unversioned.fetchall() == []
