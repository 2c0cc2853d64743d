"""The view by provider reads counts that are kept: they are always what counting would find."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import LiteralString

import psycopg
import pytest

from ventana.schema.connection import Database
from ventana.schema.conversations import add_counts, statistics

COUNTED: LiteralString = """
select p.provider, count(c.id), count(c.id) filter (where c.status = 'active'),
       count(c.id) filter (where c.status = 'escalated'),
       count(c.id) filter (where c.last_user_message_at > now() - interval '24 hours')
  from (values ('kommo', 1), ('twilio', 2), ('meta', 3)) as p (provider, place)
  left join kommo_conversations c on p.provider = c.provider
 group by p.provider, p.place order by p.place
"""
NEW: LiteralString = """
insert into kommo_conversations (provider, kommo_chat_id, phone, status, last_user_message_at)
values (%s, gen_random_uuid()::text, '+1555' || %s, %s, now() - %s * interval '1 hour')
"""
OF_ONE: LiteralString = " where id = (select id from kommo_conversations order by id offset %s limit 1)"
PROVIDERS = ("kommo", "twilio", "meta")
STATUSES = ("active", "resolved", "escalated", "closed")


def shown(database: Database) -> list[tuple[object, ...]]:
    return [(row.provider, row.total, row.active, row.escalated, row.within_24h) for row in statistics(database)]


def lives(connection: psycopg.Connection, seed: int, steps: int) -> None:
    """Conversations come, change their status or their provider, are written to, and go."""
    chosen = Random(seed)
    for step in range(steps):
        place = chosen.randrange(20)
        match chosen.randrange(6):
            case 0 | 1 | 2:
                new = (chosen.choice(PROVIDERS), seed * 10_000 + step, chosen.choice(STATUSES), chosen.randrange(48))
                connection.execute(NEW, new)
            case 3:
                connection.execute(
                    "update kommo_conversations set status = %s" + OF_ONE, (chosen.choice(STATUSES), place)
                )
            case 4:
                connection.execute(
                    "update kommo_conversations set message_count = 1, last_user_message_at = now()" + OF_ONE, (place,)
                )
            case _:
                connection.execute("delete from kommo_conversations" + OF_ONE, (place,))


def test_an_empty_system_has_every_provider(database: Database) -> None:
    assert shown(database) == [(provider, 0, 0, 0, 0) for provider in PROVIDERS]


@pytest.mark.parametrize("seed", range(3))
def test_the_view_shows_what_counting_finds(database: Database, connection: psycopg.Connection, seed: int) -> None:
    for part in range(4):
        lives(connection, seed * 10 + part, 60)
        assert shown(database) == connection.execute(COUNTED).fetchall()
        if part % 2:
            add_counts(database)
            assert shown(database) == connection.execute(COUNTED).fetchall()
    assert add_counts(database) == 0


def test_nothing_is_lost_or_counted_twice_while_others_write_add_and_recount(
    database: Database, connection: psycopg.Connection, database_url: str
) -> None:
    def writes(seed: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            lives(own, seed, 150)

    def adds(_: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            for _ in range(40):
                own.execute("select add_conversation_counts_v1()")

    def recounts(_: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            for _ in range(20):
                own.execute("select recount_conversations_v1()")

    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(work, number) for number, work in enumerate((writes, writes, writes, adds, adds, recounts))]
        for each in done:
            each.result(timeout=60)
    assert shown(database) == connection.execute(COUNTED).fetchall()
    add_counts(database)
    assert shown(database) == connection.execute(COUNTED).fetchall()


def test_what_was_rolled_back_was_never_counted(database: Database, connection: psycopg.Connection) -> None:
    with pytest.raises(ZeroDivisionError), connection.transaction():
        connection.execute(NEW, ("meta", 1, "active", 1))
        raise ZeroDivisionError
    assert shown(database) == connection.execute(COUNTED).fetchall()


def test_rows_loaded_without_triggers_are_counted_when_the_owner_says_so(
    database: Database, connection: psycopg.Connection
) -> None:
    lives(connection, 1, 30)
    connection.execute("set session_replication_role = replica")
    lives(connection, 2, 30)
    connection.execute("set session_replication_role = origin")
    connection.execute("select recount_conversations_v1()")
    assert shown(database) == connection.execute(COUNTED).fetchall()


def test_an_emptied_table_counts_nothing(database: Database, connection: psycopg.Connection) -> None:
    lives(connection, 3, 30)
    add_counts(database)
    lives(connection, 4, 30)
    connection.execute("truncate kommo_conversations cascade")
    assert shown(database) == [(provider, 0, 0, 0, 0) for provider in PROVIDERS]
