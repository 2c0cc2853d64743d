"""Windows of old conversations are computed from their messages, and nobody is told of what is no news."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.migrations.old_conversations import HOUR, NOW, A, B, fill, hours, old_conversation, write
from tests.migrations.test_history import BASELINE, up
from ventana.messages import Customer, InboundMessage
from ventana.schema.backfill import backfill
from ventana.schema.backfill_words import backfill_words
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.migrate import MigrationError, run
from ventana.schema.windows import sweep_windows
from ventana.settings import Settings

STATE = """
select last_user_message_at, business_address, needs_template, window_warned_for, window_closed_for
  from kommo_conversations where id = %s
"""


CASES: dict[str, tuple[dict[str, Any], list[tuple[float | None, dict[str, Any]]], tuple[Any, ...]]] = {
    # the conversation, its messages (hours ago, and what is special); last message, address, template, warned, closed
    "nobody wrote": ({}, [], (None, None, False, None, None)),
    "only we wrote": ({}, [(1, {"role": "assistant"}), (2, {"role": "system"})], (None, None, False, None, None)),
    "open": ({}, [(2, {}), (50, {})], (2, None, False, None, None)),
    "closed of late: the sweep tells": ({}, [(30, {})], (30, None, True, None, None)),
    "closed long ago: nobody is told": ({}, [(72, {}), (90, {})], (72, None, True, 72, 72)),
    "a channel without windows": ({"channel": "telegram"}, [(72, {})], (72, None, False, 72, 72)),
    "a clock that was ahead": ({}, [(-5, {})], (0, None, False, None, None)),
    "a message without a time": ({}, [(None, {})], (None, None, False, None, None)),
    "a reaction opens nothing": ({}, [(1, {"opens_window": False}), (72, {})], (72, None, True, 72, 72)),
    "an address that messages know": ({}, [(2, {"business_address": A}), (3, {})], (2, A, False, None, None)),
    "the address of the latest": (
        {},
        [(40, {"business_address": B}), (30, {"business_address": A})],
        (30, A, True, None, None),
    ),
    "no address is none": ({}, [(2, {"business_address": ""})], (2, None, False, None, None)),
    "our own messages tell no address": (
        {},
        [(1, {"role": "assistant", "business_address": A}), (2, {})],
        (2, None, False, None, None),
    ),
    "an address that was known stays, with its window": (
        {"business_address": B},
        [(2, {"business_address": A}), (30, {"business_address": B}), (31, {})],
        (30, B, True, None, None),
    ),
    "newer than its messages": ({"last_user_message_at": hours(1)}, [(30, {})], (1, None, False, None, None)),
    "older than its messages": (
        {"last_user_message_at": hours(99), "window_closed_for": hours(99), "window_warned_for": hours(99)},
        [(3, {})],
        (3, None, False, 99, 99),
    ),
    "known, and never announced": ({"last_user_message_at": hours(99)}, [(99, {})], (99, None, True, 99, 99)),
    "warned already": (
        {"last_user_message_at": hours(23.5), "window_warned_for": hours(23.5)},
        [(23.5, {})],
        (23.5, None, False, 23.5, None),
    ),
    "shut by the provider's word": (
        {"last_user_message_at": hours(2), "window_closed_for": hours(2)},
        [(2, {})],
        (2, None, True, None, 2),
    ),
    "needs no template any more": (
        {"last_user_message_at": hours(2), "needs_template": True},
        [(2, {})],
        (2, None, False, None, None),
    ),
}


UNCHANGED = ("nobody wrote", "only we wrote", "a message without a time", "warned already", "newer than its messages")


def test_what_messages_tell_of_windows(old: psycopg.Connection, runner: psycopg.Connection) -> None:
    ids = {}
    for name, (changes, messages, _) in CASES.items():
        ids[name] = old_conversation(old, **changes)
        for ago, special in messages:
            write(old, ids[name], hours(ago), **special)
    progress = fill(runner)
    found = {name: runner.execute(STATE, [each]).fetchone() for name, each in ids.items()}
    assert found == {
        name: (hours(last), address, template, hours(warned), hours(closed))
        for name, (_, _, (last, address, template, warned, closed)) in CASES.items()
    }
    assert (progress.looked_at, progress.total, progress.finished) == (len(CASES), len(CASES), True)
    assert progress.changed == sum(not name.startswith(UNCHANGED) for name in CASES)
    before = runner.execute("select to_jsonb(c) from kommo_conversations c order by id").fetchall()
    assert fill(runner).changed == 0
    assert runner.execute("select to_jsonb(c) from kommo_conversations c order by id").fetchall() == before
    assert runner.execute("select count(*) from events").fetchone() == (0,)


def test_windows_at_other_addresses_that_are_open_still(old: psycopg.Connection, runner: psycopg.Connection) -> None:
    ana, bia = old_conversation(old), old_conversation(old, channel="telegram")
    for conversation in (ana, bia):
        for ago, address in ((20, A), (22, A), (3, B), (30, "+1")):
            write(old, conversation, hours(ago), business_address=address)
    query = "select conversation_id, business_address, last_user_message_at, window_closed_for from former_windows"
    for _ in range(2):
        fill(runner)
        assert runner.execute(query).fetchall() == [(ana, A, hours(20), None)]
        assert (runner.execute(STATE, [ana]).fetchone() or ())[:2] == (hours(3), B)
    write(old, ana, hours(10), business_address=A)
    write(old, ana, hours(1), business_address="+1")
    assert fill(runner).changed == 1
    assert sorted(runner.execute(query).fetchall()) == sorted([(ana, A, hours(10), None), (ana, "+1", hours(1), None)])


def test_the_sweep_has_nothing_to_say_of_what_closed_long_ago(
    old: psycopg.Connection, runner: psycopg.Connection, database_url: str
) -> None:
    for ago in (1, 23.5, 30, 47, 49, 72, 720):
        write(old, old_conversation(old), hours(ago))
    fill(runner)
    database = Database(Settings(database_url=database_url))
    swept = sweep_windows(database, HOUR, 100, NOW)
    database.close()
    assert (swept.closing, swept.closed) == (1, 2)


def test_a_database_of_the_kommo_only_system(empty_database: str) -> None:
    up(empty_database, BASELINE)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for ago in (1, 30, 72):
            write(connection, old_conversation(connection), hours(ago))
        with pytest.raises(MigrationError, match="is pending: run `up` before `backfill`"):
            run("backfill", empty_database, say=lambda line: None)
        up(empty_database)
        query = "select within_24h from active_conversations_by_provider where provider = 'kommo'"
        assert connection.execute(query).fetchone() == (0,)
        said: list[str] = []
        assert run("backfill", empty_database, say=said.append).pending == []
        assert said == [
            "0 of 3 conversations, 0 changed",
            "3 conversations, 3 changed",
            "words of 0 customers, of 3 conversations",
        ]
        assert connection.execute(query).fetchone() == (1,)
    run("verify", empty_database, say=lambda line: None)


def test_what_is_recorded_today_needs_no_backfill(runner: psycopg.Connection, database_url: str) -> None:
    """Arrival is a moment after the begin of the transaction, at which the trigger caps what it keeps."""
    database = Database(Settings(database_url=database_url))
    for number in range(20):
        customer = Customer(phone=f"+55119876500{number:02}")
        record_inbound(database, [InboundMessage("twilio", A, str(uuid4()), customer, "text", "hola")])
    database.close()
    assert backfill(runner, lambda line: None).changed == 0


def test_words_of_old_customers(runner: psycopg.Connection) -> None:
    """A page at a time, from where the last run stopped; what has been changed since is newer."""
    runner.execute("alter table kommo_conversations disable trigger user")
    made = {old_conversation(runner, contact_name=f"Ana {number}", phone=f"+1555000{number}") for number in range(7)}
    old_conversation(runner)
    runner.execute("alter table kommo_conversations enable trigger user")
    (renamed,) = runner.execute("select id from kommo_conversations where contact_name = 'Ana 3'").fetchone() or ()
    runner.execute("update kommo_conversations set contact_name = 'Berta' where id = %s", [renamed])
    said: list[str] = []
    pages = iter([False, False, True])
    assert not backfill_words(runner, said.append, lambda: next(pages), rows=2)
    query = "select count(*) from customer_words where conversation_id <> %s"
    (stopped,) = runner.execute(query, [renamed]).fetchone() or (0,)
    assert 2 <= stopped <= 4
    assert backfill_words(runner, said.append, rows=2)
    found: dict[Any, str] = dict(runner.execute("select conversation_id, words::text from customer_words").fetchall())
    assert found.keys() == made
    assert "berta" in found[renamed]
    assert all("ana" in words for each, words in found.items() if each != renamed)
    kept = runner.execute("select looked_at, changed, finished_at is not null from ventana_meta.backfills"
                          " where name = 'customer_words'").fetchone()  # fmt: skip
    assert kept == (8, 6, True)
    assert backfill_words(runner, said.append)
    assert said == [
        f"words of {stopped} customers, of 4 conversations; stopped, and the next run goes on there",
        f"words of {6 - stopped} customers, of 4 conversations",
        "words of 0 customers, of 8 conversations",
    ]
