"""The backfill goes on beside everybody who writes, in pieces, and wherever it was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import uuid4

import psycopg
import pytest

from tests.migrations.old_conversations import NOW, A, fill, hours, write
from ventana.messages import Customer, InboundMessage
from ventana.schema.backfill import Progress
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.migrate import FOLDER
from ventana.schema.migrate.__main__ import main
from ventana.settings import Settings


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
        try:
            while not fill(runner, rows=7).finished:
                pass
        finally:
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
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "5 conversations, 5 changed",
        "words of 0 customers, of 5 conversations",
    ]


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
