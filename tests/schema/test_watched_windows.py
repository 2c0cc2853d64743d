"""What the sweep watches: every open window has its row, whoever wrote it; a mark of the sweep stays in its page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.schema.conftest import rows
from ventana.messages import Customer, InboundMessage
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.windows import Swept, sweep_windows

NOW = datetime.now(UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HELLO = InboundMessage("meta", "1065", "wamid.1", Customer(phone="+5511987654321"), "text", "hola", sent_at=NOW)
UNWATCHED = """
select count(*) from kommo_conversations c
 where c.last_user_message_at is not null
   and (c.last_user_message_at is distinct from c.window_closed_for
        or c.last_user_message_at is distinct from c.window_warned_for)
   and not exists (select from watched_windows w where w.conversation_id = c.id)
"""


def write(database: Database, name: str, ago: timedelta, customer: str = "+5511987654321") -> None:
    """A customer's message that was written so long ago and comes now."""
    record_inbound(
        database,
        [replace(HELLO, provider_message_id=name, customer=Customer(phone=customer), sent_at=NOW - ago)],
    )


def watched(database: Database) -> list[tuple[timedelta, bool]]:
    found = rows(database, "select opened_at, announced from watched_windows order by opened_at")
    return [(NOW - opened_at, announced) for opened_at, announced in found]


def updated(database: Database) -> tuple[int, int]:
    """How many conversations were updated so far, and how many of them without an index entry."""
    database.value("select pg_stat_force_next_flush()")  # of the session that is looked at
    query = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'kommo_conversations'"
    found: tuple[int, int] = rows(database, query)[0]
    return found


def test_a_window_is_watched_from_its_first_message_until_its_end_was_seen(database: Database) -> None:
    write(database, "first", 2 * HOUR)
    assert watched(database) == [(2 * HOUR, False)]
    write(database, "second", HOUR)
    assert watched(database) == [(2 * HOUR, False)], "a message in an open window writes nothing here"
    assert sweep_windows(database, HOUR, 9, NOW + 21 * HOUR + MINUTE) == Swept(0, 0)
    assert watched(database) == [(HOUR, False)], "the customer wrote again"
    assert sweep_windows(database, HOUR, 9, NOW + 22 * HOUR) == Swept(1, 0)
    assert watched(database) == [(HOUR, True)]
    assert sweep_windows(database, HOUR, 9, NOW + 23 * HOUR) == Swept(0, 1)
    assert watched(database) == []


def test_a_late_message_behind_the_warning_is_warned_of_as_soon_as_another(database: Database) -> None:
    write(database, "first", timedelta(0))
    assert sweep_windows(database, HOUR, 9, NOW + 23 * HOUR) == Swept(1, 0)
    write(database, "late", -10 * MINUTE)
    rows(database, "update kommo_conversations set last_user_message_at = %s", NOW + 10 * MINUTE)
    assert sweep_windows(database, HOUR, 9, NOW + 23 * HOUR + 9 * MINUTE) == Swept(0, 0)
    assert sweep_windows(database, HOUR, 9, NOW + 23 * HOUR + 10 * MINUTE) == Swept(1, 0)
    assert sweep_windows(database, HOUR, 9, NOW + 24 * HOUR) == Swept(0, 0)
    assert sweep_windows(database, HOUR, 9, NOW + 24 * HOUR + 10 * MINUTE) == Swept(0, 1)


@pytest.mark.parametrize(
    ("by_hand", "found"),
    [
        ("last_user_message_at = last_user_message_at - interval '25 hours'", Swept(0, 1)),
        ("last_user_message_at = last_user_message_at - interval '23 hours 30 minutes'", Swept(1, 0)),
        ("window_closed_for = last_user_message_at", Swept(0, 0)),
        ("window_closed_for = last_user_message_at, window_warned_for = last_user_message_at", Swept(0, 0)),
        ("last_user_message_at = null", Swept(0, 0)),
    ],
)
def test_what_somebody_writes_into_a_conversation_is_seen(database: Database, by_hand: str, found: Swept) -> None:
    write(database, "first", timedelta(0))
    rows(database, f"update kommo_conversations set {by_hand}")
    assert sweep_windows(database, HOUR, 9, NOW + MINUTE) == found
    assert rows(database, UNWATCHED) == [(0,)]
    # And the next window is announced as any other, once the sweep has looked at what was done.
    sweep_windows(database, HOUR, 9, NOW + 24 * HOUR)
    rows(database, "update kommo_conversations set last_user_message_at = %s", NOW + 30 * HOUR)
    assert rows(database, UNWATCHED) == [(0,)]
    assert sweep_windows(database, HOUR, 9, NOW + 53 * HOUR) == Swept(1, 0)
    assert sweep_windows(database, HOUR, 9, NOW + 54 * HOUR) == Swept(0, 1)


def test_a_conversation_that_somebody_makes_is_watched_and_one_that_goes_is_not(database: Database) -> None:
    rows(
        database,
        "insert into kommo_conversations (provider, phone, last_user_message_at) values ('meta', '+551', %s), "
        "('meta', '+552', null)",
        NOW - 25 * HOUR,
    )
    assert watched(database) == [(25 * HOUR, False)]
    rows(database, "delete from kommo_conversations")
    assert watched(database) == []
    assert sweep_windows(database, HOUR, 9, NOW) == Swept(0, 0)


def test_what_was_loaded_without_triggers_is_watched_when_it_is_said(
    database: Database, connection: psycopg.Connection
) -> None:
    connection.execute("set session_replication_role = replica")
    rows_of = "insert into kommo_conversations (phone, provider, last_user_message_at, window_warned_for) values "
    connection.execute(rows_of + "('+551', 'meta', %(at)s, null), ('+552', 'meta', %(at)s, %(at)s)", {"at": NOW})
    connection.execute("set session_replication_role = origin")
    assert watched(database) == []
    connection.execute("select watch_open_windows_v1(), watch_open_windows_v1()")
    assert watched(database) == [(timedelta(0), False), (timedelta(0), True)]
    assert sweep_windows(database, HOUR, 9, NOW + 23 * HOUR) == Swept(1, 0)
    assert sweep_windows(database, HOUR, 9, NOW + 24 * HOUR) == Swept(0, 2)


def test_customers_who_wrote_again_do_not_hide_who_is_due(database: Database) -> None:
    for number in range(5):
        write(database, f"first {number}", 25 * HOUR - number * MINUTE, f"+55{number}")
        rows(
            database,
            "update kommo_conversations set last_user_message_at = %s where phone = %s",
            NOW,
            f"+55{number}",
        )
    write(database, "due", 24 * HOUR + MINUTE, "+559")
    found = [sweep_windows(database, HOUR, 2, NOW) for _ in range(4)]
    assert found == [Swept(0, 0, True), Swept(0, 0, True), Swept(0, 1, True), Swept(0, 0)]


def test_the_sweep_of_the_former_version_goes_on_behind_customers_who_wrote_again(database: Database) -> None:
    for number in range(5):
        write(database, f"first {number}", 25 * HOUR - number * MINUTE, f"+55{number}")
    rows(database, "update kommo_conversations set last_user_message_at = %s", NOW)
    write(database, "due", 24 * HOUR + MINUTE, "+559")
    former = "select closing, closed from sweep_windows_v2(%s, 2, %s)"
    assert rows(database, former, HOUR, NOW) == [(0, 1)]
    assert rows(database, former, HOUR, NOW) == [(0, 0)]


def test_what_another_holds_is_left_to_the_next_sweep(database: Database, database_url: str) -> None:
    for number in range(3):
        write(database, f"first {number}", 25 * HOUR - number * MINUTE, f"+55{number}")
    with psycopg.connect(database_url) as other:
        other.execute("select from kommo_conversations where phone in ('+550', '+551') for no key update")
        assert sweep_windows(database, HOUR, 2, NOW) == Swept(0, 0), "no end of asking for what is held"
        assert sweep_windows(database, HOUR, 3, NOW) == Swept(0, 1, True)
    assert sweep_windows(database, HOUR, 3, NOW) == Swept(0, 2)


def test_a_mark_of_the_sweep_writes_no_index_entry(database: Database) -> None:
    for number in range(9):
        write(database, f"first {number}", 23 * HOUR + 30 * MINUTE, f"+55{number}")
    before = updated(database)
    assert sweep_windows(database, HOUR, 9, NOW) == Swept(9, 0, True)
    assert sweep_windows(database, HOUR, 9, NOW + HOUR) == Swept(0, 9, True)
    after = updated(database)
    assert (after[0] - before[0], after[1] - before[1]) == (18, 18)
