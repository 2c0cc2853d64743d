"""What providers tell us is stored once, whole, and by itself."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.schema.conftest import AtOnce, read_so_far, rows
from tests.schema.recording import HELLO, NOW, SENT, outcomes, status
from ventana.messages import Customer, Item, Media, Parked
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound


def test_a_message_becomes_a_row_a_conversation_and_an_event(database: Database) -> None:
    recorded = record_inbound(database, [HELLO])[0]
    assert rows(
        database,
        "select id::text, provider, business_address, provider_message_id, role, content, content_type,"
        " delivery_status, created_at, conversation_id::text from kommo_messages",
    ) == [
        (
            recorded.message_id,
            "twilio",
            "+14155238886",
            "SM1",
            "user",
            "hola",
            "text",
            "received",
            NOW,
            recorded.conversation_id,
        )
    ]
    assert rows(
        database,
        "select provider, phone, contact_name, kommo_chat_id, channel, status, message_count, user_message_count,"
        " last_message_at, last_user_message_at, business_address from kommo_conversations",
    ) == [("twilio", "+5511987654321", "Ana", None, "whatsapp", "active", 1, 1, NOW, NOW, "+14155238886")]
    assert rows(database, "select name, detail ->> 'message_id', detail ->> 'content' from events") == [
        ("MessageReceived", recorded.message_id, "hola")
    ]


def test_the_same_message_again_is_a_duplicate_without_an_event(database: Database) -> None:
    first = record_inbound(database, [HELLO])[0]
    again = record_inbound(database, [HELLO, replace(HELLO, content="other words")])
    assert [(row.outcome, row.message_id) for row in again] == [("duplicate", first.message_id)] * 2
    assert rows(database, "select count(*) from events") == [(1,)]


def test_the_same_id_at_another_address_of_ours_is_another_message(database: Database) -> None:
    assert outcomes(database, [HELLO, replace(HELLO, business_address="+15550001111")]) == ["recorded", "recorded"]
    assert rows(database, "select count(*) from kommo_conversations") == [(1,)]


def test_twenty_copies_at_the_same_instant_give_one_row_and_one_event(database: Database, at_once: AtOnce) -> None:
    found = at_once([lambda own: outcomes(own, [HELLO])] * 20)
    assert sorted(found) == [["duplicate"]] * 19 + [["recorded"]]
    for table in ("kommo_messages", "kommo_conversations", "events"):
        assert rows(database, f"select count(*) from {table}") == [(1,)], table


def test_batches_that_cross_neither_deadlock_nor_double(at_once: AtOnce) -> None:
    """Two POSTs with the same forty messages in opposite order, twelve times at once."""
    batch: list[Item] = [
        replace(HELLO, provider_message_id=f"SM{n}", customer=Customer(phone=f"+55119{n % 7}")) for n in range(40)
    ]
    works: list[Callable[[Database], list[str]]] = [
        lambda own: outcomes(own, batch),
        lambda own: outcomes(own, batch[::-1]),
    ]
    found = [each for mine in at_once(works * 6) for each in mine]
    assert found.count("recorded") == 40
    assert found.count("duplicate") == 11 * 40


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        ("", ""),
        ("a\0b", "ab"),
        ("cut \ud83d", "cut \ufffd"),
        ("\udc4b alone", "\ufffd alone"),
        ("Olá 👋🏽 👩‍👩‍👧‍👦", "Olá 👋🏽 👩‍👩‍👧‍👦"),
        ("x" * 4096, "x" * 4096),
        ("á" * 100_000, "á" * 100_000),
        ("line\nbreak\ttab\r\u2028\u202e", "line\nbreak\ttab\r\u2028\u202e"),
        ("\\u0000 as six letters", "\\u0000 as six letters"),
    ],
)
def test_every_text_is_stored_or_cleaned(database: Database, content: str, stored: str) -> None:
    hostile = replace(
        HELLO, content=content, details={"k\0": [content, float("inf")]}, raw={"body": content, "n": 1e308}
    )
    assert outcomes(database, [hostile]) == ["recorded"]
    assert rows(database, "select content from kommo_messages") == [(stored,)]


def test_an_item_that_the_database_refuses_is_parked_and_leaves_its_neighbours_alone(database: Database) -> None:
    poison = replace(HELLO, provider_message_id="SM666", content_type="nonsense")  # type: ignore[arg-type]
    too_long = replace(HELLO, provider_message_id=random.Random(1).randbytes(20_000).hex())
    unknown = replace(HELLO, provider="telex")
    found = outcomes(database, [poison, HELLO, too_long, unknown, Parked("meta", "no idea", b"\x00\xff{")])
    assert found == ["parked", "recorded", "parked", "parked", "parked"]
    assert rows(database, "select provider, reason, body from parked_items where body is not null") == [
        ("meta", "no idea", b"\x00\xff{")
    ]
    assert rows(database, "select item ->> 'content' from parked_items where kind = 'refused'") == [("hola",)] * 3


def test_a_parked_item_that_comes_again_is_counted(database: Database) -> None:
    parked = Parked("meta", "notice: account_update", b"{}", kind="notice")
    assert [outcomes(database, [parked]), outcomes(database, [parked])] == [["noticed"], ["noticed"]]
    assert rows(database, "select kind, times from parked_items") == [("notice", 2)]


def test_media_wait_for_their_copy_and_never_for_the_message(database: Database) -> None:
    files = (Media(url="https://a/1", mime_type="image/jpeg"), Media(id="2", filename="b.pdf"))
    outcomes(database, [replace(HELLO, content_type="image", media=files), replace(HELLO, media=files)])
    assert rows(database, "select place, source, state from message_media order by place") == [
        (0, {"url": "https://a/1", "mime_type": "image/jpeg"}, "pending"),
        (1, {"id": "2", "filename": "b.pdf"}, "pending"),
    ]


def test_a_new_message_reopens_a_resolved_conversation(database: Database) -> None:
    outcomes(database, [HELLO])
    rows(database, "update kommo_conversations set status = 'resolved' returning 1")
    outcomes(database, [replace(HELLO, provider_message_id="SM9")])
    assert rows(database, "select status from kommo_conversations") == [("active",)]


@pytest.mark.parametrize(
    ("label", "changes", "expected"),
    [
        ("by the provider's clock", {"sent_at": NOW - timedelta(minutes=5)}, NOW - timedelta(minutes=5)),
        ("replayed hours later", {"sent_at": NOW - timedelta(hours=30)}, NOW - timedelta(hours=30)),
        ("a reaction", {"opens_window": False, "content_type": "reaction"}, None),
        ("an echo", {"role": "assistant"}, None),
        ("a note of the system", {"role": "system", "opens_window": False}, None),
    ],
)
def test_what_opens_a_window(
    database: Database, label: str, changes: dict[str, Any], expected: datetime | None
) -> None:
    outcomes(database, [replace(HELLO, **changes)])
    assert rows(database, "select last_user_message_at from kommo_conversations") == [(expected,)], label


def test_answers_leave_from_the_address_that_was_written_to_last(database: Database) -> None:
    """By the time of writing: a message that comes late does not change it back."""
    outcomes(database, [HELLO, replace(HELLO, business_address="+1B", sent_at=NOW + timedelta(seconds=1))])
    outcomes(database, [replace(HELLO, business_address="+1C", sent_at=NOW - timedelta(hours=2))])
    assert rows(database, "select business_address from kommo_conversations") == [("+1B",)]


def test_a_late_message_does_not_pretend_that_the_window_is_open(database: Database) -> None:
    outcomes(database, [HELLO])
    rows(database, "update kommo_conversations set needs_template = true returning 1")
    outcomes(database, [replace(HELLO, provider_message_id="SM0", sent_at=NOW - timedelta(hours=5))])
    assert rows(database, "select needs_template from kommo_conversations") == [(True,)]


@pytest.mark.parametrize("last", ["null", "now() - interval '3 days'"])
def test_a_message_takes_the_mark_away(database: Database, last: str) -> None:
    rows(
        database,
        "insert into kommo_conversations (provider, phone, needs_template, last_user_message_at)"
        f" values ('twilio', '+5511987654321', true, {last}) returning 1",
    )
    assert outcomes(database, [HELLO]) == ["recorded"]
    assert rows(database, "select needs_template, last_user_message_at from kommo_conversations") == [(False, NOW)]


def test_a_clock_ahead_of_ours_does_not_lengthen_a_window(database: Database) -> None:
    outcomes(database, [replace(HELLO, sent_at=NOW + timedelta(hours=3))])
    assert rows(database, "select last_user_message_at <= now() from kommo_conversations") == [(True,)]


def test_a_late_message_does_not_shorten_a_window(database: Database) -> None:
    outcomes(database, [HELLO])
    outcomes(database, [replace(HELLO, provider_message_id="SM0", sent_at=NOW - timedelta(hours=5))])
    assert rows(database, "select last_user_message_at from kommo_conversations") == [(NOW,)]


def test_without_a_providers_clock_arrival_counts(database: Database) -> None:
    arrival = NOW - timedelta(minutes=3)
    record_inbound(database, [replace(HELLO, sent_at=None)], arrival)
    assert rows(database, "select created_at, received_at from kommo_messages") == [(arrival, arrival)]


def test_messages_of_one_post_keep_their_order(database: Database) -> None:
    batch = [replace(HELLO, provider_message_id=f"SM{n}", content=str(n)) for n in range(12)]
    outcomes(database, list(batch))
    assert rows(database, "select content from kommo_messages order by created_at, received_at") == [
        (str(n),) for n in range(12)
    ]


@pytest.mark.parametrize("size", [1, 10, 200])
def test_recording_is_one_round_trip(database: Database, tmp_path: Path, size: int) -> None:
    """Counted on the wire: one Sync, or one simple Query, is one round trip and one commit."""
    database.value("select 1")
    trace = tmp_path / "trace"

    def record_traced(connection: psycopg.Connection) -> None:
        with trace.open("w") as file:
            connection.pgconn.trace(file.fileno())
            outcomes(database, [replace(HELLO, provider_message_id=f"SM{n}") for n in range(size)])
            connection.pgconn.untrace()

    database.call(record_traced)
    assert len(re.findall(r"\tF\t\d+\t(?:Sync|Query)\b", trace.read_text())) == 1


def test_what_is_read_does_not_grow_with_the_tables(database: Database) -> None:
    """Plans are made while the tables are empty and kept: they must be good for full ones as well."""
    rows_read: list[int] = []
    for hundred in range(6):
        for number in range(hundred * 100, hundred * 100 + 100):
            ana = Customer(phone=f"+55119{number:08}", user_id=f"BR.{number}")
            message = replace(HELLO, provider_message_id=f"SM{number}", customer=ana)
            outcomes(database, [message, replace(SENT, provider_message_id=f"SMo{number}", customer=ana)])
            outcomes(database, [status("read", f"SMo{number}"), status("sent", f"SM?{number}")])
        rows_read.append(read_so_far(database, "kommo_conversations", "kommo_messages", "parked_statuses"))
    steps = [after - before for before, after in pairwise(rows_read)]
    assert max(steps) < 1.2 * min(steps), steps
