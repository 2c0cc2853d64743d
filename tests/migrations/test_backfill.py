"""Windows of old conversations are computed from their messages, beside everybody who writes, once, and in pieces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.migrations.test_history import BASELINE, up
from ventana.messages import Customer, InboundMessage
from ventana.schema.backfill import Progress, backfill
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.migrate import FOLDER, MigrationError, run
from ventana.schema.migrate.__main__ import main
from ventana.schema.windows import sweep_windows
from ventana.settings import Settings

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
A, B = "+14155238886", "+15550001111"
STATE = """
select last_user_message_at, business_address, needs_template, window_warned_for, window_closed_for
  from kommo_conversations where id = %s
"""


def hours(number: float | None) -> datetime | None:
    """So many hours before now."""
    return None if number is None else NOW - number * HOUR


def write(connection: psycopg.Connection, conversation: UUID, at: datetime | None, **changes: Any) -> None:
    """A message as it was written before there was anything that keeps windows."""
    row = {"conversation_id": conversation, "role": "user", "content": "hola", "created_at": at, **changes}
    columns, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    connection.execute(f"insert into kommo_messages ({columns}) values ({values})".encode(), row)


def old_conversation(connection: psycopg.Connection, **changes: Any) -> UUID:
    row = {"id": uuid4(), "kommo_chat_id": str(uuid4()), **changes}
    columns, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    connection.execute(f"insert into kommo_conversations ({columns}) values ({values})".encode(), row)
    return UUID(str(row["id"]))


@pytest.fixture
def old(connection: psycopg.Connection) -> psycopg.Connection:
    """A connection for which no trigger fires: what it writes is as if it had been there before."""
    connection.execute("set session_replication_role = replica")
    return connection


@pytest.fixture
def runner(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def fill(connection: psycopg.Connection, say: Callable[[str], None] = lambda line: None, **options: Any) -> Progress:
    return backfill(connection, say, **{"now": NOW, **options})


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
        assert said == ["0 of 3 conversations, 0 changed", "3 conversations, 3 changed"]
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


def many(connection: psycopg.Connection, number: int) -> None:
    """So many conversations, each with three messages of three days ago."""
    connection.execute(
        "insert into kommo_conversations (kommo_chat_id) select 'chat ' || n from generate_series(1, %s) n", [number]
    )
    connection.execute(
        "insert into kommo_messages (conversation_id, role, content, created_at)"
        " select c.id, 'user', 'hola', %s - n * interval '1 hour'"
        " from kommo_conversations c, generate_series(72, 74) n",
        [NOW],
    )


def left(connection: psycopg.Connection) -> int:
    (number,) = connection.execute(
        "select count(*) from kommo_conversations where last_user_message_at is null"
    ).fetchone() or (0,)
    return int(number)


def test_it_goes_on_where_it_stopped(old: psycopg.Connection, runner: psycopg.Connection) -> None:
    many(old, 25)
    said: list[str] = []
    looks = count()
    progress = fill(runner, said.append, over=lambda: next(looks) >= 2, rows=10)
    assert (progress.looked_at, progress.changed, progress.finished) == (20, 20, False)
    assert said[0] == "0 of 25 conversations, 0 changed"
    assert said[-1].startswith("20 of 25 conversations, 20 changed; ")
    assert said[-1].endswith(" s left; stopped, and the next run goes on there")
    assert left(runner) == 5
    progress = fill(runner, said.append, rows=10)
    assert (progress.looked_at, progress.changed, progress.finished) == (25, 25, True)
    assert said[-2:] == ["20 of 25 conversations, 20 changed", "25 conversations, 25 changed"]
    progress = fill(runner, said.append, rows=10)
    assert (progress.looked_at, progress.changed, progress.finished) == (25, 0, True), "a run after that begins anew"


def test_who_writes_is_not_waited_for_and_not_forgotten(
    old: psycopg.Connection, runner: psycopg.Connection, database_url: str
) -> None:
    many(old, 25)
    (busy,) = old.execute("select id from kommo_conversations order by id offset 7 limit 1").fetchone() or (None,)
    runner.execute("set statement_timeout = '5s'")
    with psycopg.connect(database_url) as writer:
        writer.execute("select from kommo_conversations where id = %s for no key update", [busy])
        looks = count()
        progress = fill(runner, over=lambda: next(looks) >= 3, rows=10)
        assert (progress.looked_at, progress.changed, progress.busy) == (25, 24, [busy])
        write(writer, busy, hours(1))
    progress = fill(runner, rows=10)
    assert (progress.changed, progress.busy, progress.finished) == (24, [], True), "its own message has said all"
    found = runner.execute("select last_user_message_at, needs_template from kommo_conversations where id = %s", [busy])
    assert found.fetchone() == (hours(1), False)


def test_who_is_busy_for_long_is_left_to_the_next_run(
    old: psycopg.Connection, runner: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ventana.schema.backfill.BUSY_SECONDS", 0.001)
    many(old, 3)
    said: list[str] = []
    with psycopg.connect(database_url) as writer:
        writer.execute("select from kommo_conversations order by id limit 1 for update")
        assert not fill(runner, said.append).finished
    assert said[-1] == "3 conversations, 2 changed; 1 were busy all the time, and are left to the next run"
    assert fill(runner).changed == 3
    assert left(runner) == 0


def test_a_conversation_that_went_meanwhile_is_no_longer_busy(
    old: psycopg.Connection, runner: psycopg.Connection, database_url: str
) -> None:
    many(old, 3)
    with psycopg.connect(database_url) as writer:
        writer.execute("delete from kommo_conversations where kommo_chat_id = 'chat 1'")
        looks = count()
        assert len(fill(runner, over=lambda: next(looks) >= 1).busy) == 1
    assert fill(runner).finished


def test_beside_customers_who_write(old: psycopg.Connection, runner: psycopg.Connection, database_url: str) -> None:
    """Old customers write again, new ones come, and each window is that of the latest message."""
    many(old, 300)
    old.execute("update kommo_conversations set provider = 'kommo', kommo_contact_id = kommo_chat_id")
    over = threading.Event()

    def webhooks(part: int) -> int:
        database, sent = Database(Settings(database_url=database_url)), 0
        try:
            for number in count():
                if over.is_set() and number >= 60:
                    return sent
                chats = [f"chat {1 + (part * 97 + number * 13 + step) % 400}" for step in range(2)]
                items = [
                    InboundMessage("kommo", A, str(uuid4()), Customer(chat_id=chat), "text", "hola", sent_at=NOW)
                    for chat in chats
                ]
                sent += [each.outcome for each in record_inbound(database, items)].count("recorded")
        finally:
            database.close()
        return sent

    with ThreadPoolExecutor(4) as pool:
        written = [pool.submit(webhooks, part) for part in range(4)]
        while not fill(runner, rows=7).finished:
            pass
        over.set()
        sent = sum(each.result() for each in written)
    fill(runner)
    wrong = runner.execute("""
        select c.kommo_chat_id from kommo_conversations c
         where c.last_user_message_at is distinct from
               (select max(m.created_at) from kommo_messages m where m.conversation_id = c.id)
            or c.needs_template <> (c.last_user_message_at < now() - interval '24 hours')
            or (c.window_closed_for is not null) <> (c.last_user_message_at < now() - interval '48 hours')
               and c.window_closed_for is not distinct from c.last_user_message_at
    """).fetchall()
    assert wrong == []
    assert runner.execute("select count(*) from events where name = 'MessageReceived'").fetchone() == (sent,)
    assert runner.execute("select count(*) from events where name <> 'MessageReceived'").fetchone() == (0,)


def test_two_at_once_do_it_once(old: psycopg.Connection, database_url: str) -> None:
    many(old, 300)

    def one(_: int) -> Progress:
        with psycopg.connect(database_url, autocommit=True) as connection:
            return fill(connection, rows=10)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(one, range(3)))
    assert any(each.finished for each in found)
    assert left(old) == 0


def test_the_command_line_has_a_time_and_says_whether_it_is_done(
    old: psycopg.Connection, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    many(old, 5)
    assert main(["backfill", "--dsn", database_url, "--seconds", "0"]) == 1
    assert "0 of 5 conversations, 0 changed; stopped, and the next run goes on there" in capsys.readouterr().out
    assert main(["backfill", "--dsn", database_url]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "5 conversations, 5 changed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_between_two_pages(old: psycopg.Connection, database_url: str, number: signal.Signals) -> None:
    many(old, 20_000)
    command = [sys.executable, "-m", "ventana.schema.migrate", "backfill", "--dsn", database_url]
    layer = FOLDER.parents[2] / "layers" / "ventana"
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(layer)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0 of 20000 conversations, 0 changed\n"
        process.send_signal(number)
        said, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (1, "")
    assert said.endswith("; stopped, and the next run goes on there\n")
    done, finished = old.execute("select looked_at, finished_at from ventana_meta.backfills").fetchone() or (0, None)
    assert 0 <= done < 20_000
    assert finished is None
    assert left(old) == 20_000 - done
