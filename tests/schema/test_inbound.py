"""What providers tell us is stored once, whole, and by itself."""

from __future__ import annotations

import random
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ventana.errors import StorageUnavailable
from ventana.messages import Customer, IdentityChange, InboundMessage, Item, Media, Parked, Preference, StatusUpdate
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.settings import Settings

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)
HELLO = InboundMessage(
    provider="twilio",
    business_address="+14155238886",
    provider_message_id="SM1",
    customer=Customer(phone="+5511987654321", name="Ana"),
    content_type="text",
    content="hola",
    sent_at=NOW,
)
SENT = replace(HELLO, provider_message_id="SM2", role="assistant", content="answer")


def outcomes(database: Database, items: list[Item], received_at: datetime | None = None) -> list[str]:
    return [row.outcome for row in record_inbound(database, items, received_at)]


def rows(database: Database, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    return database.call(lambda connection: connection.execute(query, parameters).fetchall())


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


def test_twenty_copies_at_the_same_instant_give_one_row_and_one_event(database_url: str) -> None:
    start = threading.Barrier(20)
    found: list[str] = []

    def deliver() -> None:
        own = Database(Settings(database_url=database_url))
        own.value("select 1")
        start.wait()
        found.extend(outcomes(own, [HELLO]))
        own.close()

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["duplicate"] * 19 + ["recorded"]
    with psycopg.connect(database_url) as connection:
        counts = connection.execute(
            "select (select count(*) from kommo_messages), (select count(*) from kommo_conversations),"
            " (select count(*) from events)"
        ).fetchone()
    assert counts == (1, 1, 1)


def test_batches_that_cross_neither_deadlock_nor_double(database_url: str) -> None:
    """Two POSTs with the same forty messages in opposite order, twelve times at once."""
    batch: list[Item] = [
        replace(HELLO, provider_message_id=f"SM{n}", customer=Customer(phone=f"+55119{n % 7}")) for n in range(40)
    ]
    found: list[str] = []

    def deliver(items: list[Item]) -> None:
        own = Database(Settings(database_url=database_url))
        found.extend(outcomes(own, items))
        own.close()

    threads = [threading.Thread(target=deliver, args=(batch[:: 1 if n % 2 else -1],)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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


def test_one_customer_is_one_conversation_by_phone_and_by_user_id(database: Database) -> None:
    by_phone = HELLO
    by_both = replace(HELLO, provider_message_id="SM2", customer=Customer(phone="+5511987654321", user_id="BR.1349"))
    by_id = replace(HELLO, provider_message_id="SM3", customer=Customer(user_id="BR.1349"))
    assert len({row.conversation_id for row in record_inbound(database, [by_phone, by_both, by_id])}) == 1
    assert rows(database, "select phone, provider_user_id from kommo_conversations") == [("+5511987654321", "BR.1349")]


def test_rows_that_turn_out_to_be_one_customer_are_joined(database: Database) -> None:
    """The phone in one message, the id in the next, both in a third."""
    phone, user_id = Customer(phone="+5511987654321", name="Ana"), Customer(user_id="BR.1349")
    both = Customer(phone="+5511987654321", user_id="BR.1349")
    first = record_inbound(database, [replace(HELLO, customer=phone)])[0]
    second = record_inbound(database, [replace(HELLO, provider_message_id="SM2", customer=user_id)])[0]
    assert first.conversation_id != second.conversation_id
    third = record_inbound(database, [replace(HELLO, provider_message_id="SM3", customer=both)])[0]
    assert third.conversation_id == first.conversation_id
    assert rows(
        database,
        "select phone, provider_user_id, contact_name, message_count, user_message_count from kommo_conversations",
    ) == [("+5511987654321", "BR.1349", "Ana", 3, 3)]
    assert rows(database, "select count(*) from kommo_messages") == [(3,)]
    assert rows(database, "select count(*) from events where name = 'ConversationsMerged'") == [(1,)]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("+5511987654321", "+551187654321", True),  # Brazil's ninth digit
        ("+551187654321", "+5511987654321", True),
        ("+551132654321", "+5511932654321", False),  # a landline has none
        ("+5215512345678", "+525512345678", True),  # Mexico's 1
        ("+525512345678", "+5215512345678", True),
        ("+5491123456789", "+541123456789", True),  # Argentina's 9
        ("+541123456789", "+5491123456789", True),
        ("+34612345678", "+349612345678", False),
    ],
)
def test_one_phone_in_two_forms_is_one_customer(database: Database, first: str, second: str, same: bool) -> None:
    outcomes(database, [replace(HELLO, customer=Customer(phone=first))])
    outcomes(database, [replace(HELLO, provider_message_id="SM2", customer=Customer(phone=second))])
    stored = [row[0] for row in rows(database, "select phone from kommo_conversations order by created_at")]
    assert stored == ([first] if same else [first, second]), "and the form that we send to is never rewritten"


PHONE, ID, NEW_ID = Customer(phone="+5511987654321"), Customer(user_id="BR.old"), Customer(user_id="BR.new")


@pytest.mark.parametrize(
    ("label", "before", "change", "after"),
    [
        ("an id rotates", Customer(user_id="BR.old"), (NEW_ID, ID), (None, "BR.new")),
        ("a number changes", PHONE, (Customer(phone="+5521999999999"), PHONE), ("+5521999999999", None)),
        ("a phone becomes known", ID, (Customer(user_id="BR.old", phone="+5511"), None), ("+5511", "BR.old")),
        ("of nobody we know", PHONE, (NEW_ID, ID), ("+5511987654321", None)),
    ],
)
def test_identity_changes(
    database: Database,
    label: str,
    before: Customer,
    change: tuple[Customer, Customer | None],
    after: tuple[str | None, str | None],
) -> None:
    outcomes(database, [replace(HELLO, customer=before)])
    found = outcomes(database, [IdentityChange("twilio", "+14155238886", *change)])
    assert found == (["unmatched"] if label == "of nobody we know" else ["moved"]), label
    assert rows(database, "select phone, provider_user_id from kommo_conversations") == [after]
    if label != "of nobody we know":
        assert outcomes(database, [replace(HELLO, provider_message_id="SM2", customer=change[0])]) == ["recorded"]
        assert rows(database, "select count(*) from kommo_conversations") == [(1,)]


def test_a_change_that_comes_after_the_first_message_under_the_new_name_joins_them(database: Database) -> None:
    old = record_inbound(database, [replace(HELLO, customer=ID)])[0]
    outcomes(database, [replace(HELLO, provider_message_id="SM2", customer=NEW_ID)])
    assert outcomes(database, [IdentityChange("twilio", "+14155238886", NEW_ID, ID)]) == ["moved"]
    assert rows(database, "select id::text, provider_user_id, message_count from kommo_conversations") == [
        (old.conversation_id, "BR.new", 2)
    ]


def test_a_contacts_phone_reaches_all_its_chats(database: Database) -> None:
    chats = [
        replace(HELLO, provider="kommo", provider_message_id=chat, customer=Customer(chat_id=chat, contact_id="5"))
        for chat in ("a", "b")
    ]
    outcomes(database, list(chats))
    change = IdentityChange("kommo", "100", Customer(contact_id="5", phone="+5511987654321", name="Ana"))
    assert [outcomes(database, [change]), outcomes(database, [change])] == [["moved"], ["unchanged"]]
    assert rows(database, "select phone, contact_name from kommo_conversations") == [("+5511987654321", "Ana")] * 2


def test_a_preference_is_kept_on_the_customer(database: Database) -> None:
    outcomes(database, [HELLO])
    stop = Preference("twilio", "+14155238886", HELLO.customer, opted_out=True, at=NOW)
    found = [outcomes(database, [item])[0] for item in (stop, stop, replace(stop, customer=Customer(phone="+1")))]
    assert found == ["moved", "unchanged", "unmatched"]
    assert rows(database, "select opted_out_at, opted_out_by from kommo_conversations") == [(NOW, "customer")]
    outcomes(database, [replace(stop, opted_out=False)])
    assert rows(database, "select opted_out_at, opted_out_by from kommo_conversations") == [(None, None)]


def test_media_wait_for_their_copy_and_never_for_the_message(database: Database) -> None:
    files = (Media(url="https://a/1", mime_type="image/jpeg"), Media(id="2", filename="b.pdf"))
    outcomes(database, [replace(HELLO, content_type="image", media=files), replace(HELLO, media=files)])
    assert rows(database, "select place, source, state from message_media order by place") == [
        (0, {"url": "https://a/1", "mime_type": "image/jpeg"}, "pending"),
        (1, {"id": "2", "filename": "b.pdf"}, "pending"),
    ]


def test_a_customer_without_a_phone_is_stored_by_the_id(database: Database) -> None:
    outcomes(database, [replace(HELLO, customer=Customer(user_id="US.1349"))])
    assert rows(database, "select phone, provider_user_id from kommo_conversations") == [(None, "US.1349")]


def test_the_same_phone_at_two_providers_is_two_conversations(database: Database) -> None:
    outcomes(database, [HELLO, replace(HELLO, provider="meta", business_address="1065")])
    assert rows(database, "select count(*) from kommo_conversations") == [(2,)]


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


def status(name: Any, provider_message_id: str = "SM2", **more: Any) -> StatusUpdate:
    return StatusUpdate("twilio", "+14155238886", provider_message_id, name, NOW, **more)


@pytest.mark.parametrize(
    ("reported", "final"),
    [
        (["sent", "delivered", "read"], "read"),
        (["read", "delivered", "sent"], "read"),
        (["delivered", "delivered"], "delivered"),
        (["failed", "delivered"], "failed"),
        (["delivered", "failed"], "delivered"),
        (["read", "failed", "sent"], "read"),
        (["sent", "failed", "read"], "failed"),
    ],
)
def test_statuses_rise_and_failed_stays(database: Database, reported: list[str], final: str) -> None:
    outcomes(database, [SENT])
    for name in reported:
        outcomes(database, [status(name)])
    assert rows(database, "select delivery_status from kommo_messages") == [(final,)]


def test_read_without_delivered_fills_both(database: Database) -> None:
    outcomes(database, [SENT, status("read")])
    assert rows(database, "select status from message_status_history order by id") == [("delivered",), ("read",)]


def test_the_error_of_a_failure_is_kept(database: Database) -> None:
    outcomes(database, [SENT, status("failed", error_code="131026", error_text="cannot be reached"), status("sent")])
    assert rows(database, "select error_code, error_text from kommo_messages") == [("131026", "cannot be reached")]


def test_a_status_before_its_message_is_applied_when_the_message_appears(database: Database) -> None:
    assert outcomes(database, [status("read"), status("sent"), status("read")]) == ["orphaned"] * 3
    assert outcomes(database, [SENT]) == ["recorded"]
    assert rows(database, "select delivery_status from kommo_messages") == [("read",)]
    assert rows(database, "select count(*) from parked_statuses") == [(0,)]


def test_a_status_never_touches_a_customers_message(database: Database) -> None:
    assert outcomes(database, [HELLO, status("read", "SM1")]) == ["recorded", "unchanged"]


def test_a_status_of_another_sender_is_parked_for_ever_and_harms_nobody(database: Database) -> None:
    assert outcomes(database, [status("delivered", "SM999", message_id="6f1cbc1e-0000-4000-8000-000000000000")]) == [
        "orphaned"
    ]


def test_the_connection_is_replaced_when_it_died_in_between(database: Database, database_url: str) -> None:
    """As after a container was frozen, or the database failed over."""
    outcomes(database, [HELLO])
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert outcomes(database, [replace(HELLO, provider_message_id="SM7")]) == ["recorded"]
    assert rows(database, "select count(*) from kommo_messages") == [(2,)]


def test_a_primary_that_became_a_replica_is_left(database: Database) -> None:
    """Its sessions may outlive a failover, and would refuse every message for as long as the container lives."""
    database.call(lambda connection: connection.execute("set default_transaction_read_only = on"))
    with pytest.raises(StorageUnavailable, match="25006"):
        record_inbound(database, [HELLO])
    assert outcomes(database, [HELLO]) == ["recorded"]


def test_an_unreachable_database_stores_nothing_and_says_so() -> None:
    with pytest.raises(StorageUnavailable, match="the database refused"):
        record_inbound(Database(Settings(database_url="postgresql://127.0.0.1:1/nothing")), [HELLO])


def test_a_locked_table_ends_in_time(database_url: str) -> None:
    impatient = Database(Settings(database_url=database_url, database_timeout_ms=200))
    with psycopg.connect(database_url) as other:
        other.execute("lock table kommo_messages")
        with pytest.raises(StorageUnavailable):
            record_inbound(impatient, [HELLO])
    assert outcomes(impatient, [HELLO]) == ["recorded"]
    impatient.close()


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


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts connections and never says a word, as a stopped one does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"postgresql://u:p@127.0.0.1:{listening.getsockname()[1]}/d"


def test_a_server_that_is_silent_ends_in_time(silent_server: str) -> None:
    with pytest.raises(StorageUnavailable, match="ConnectionTimeout"):
        record_inbound(Database(Settings(database_url=silent_server, database_timeout_ms=300)), [HELLO])


def test_a_statement_on_a_silent_connection_ends_in_time(database_url: str) -> None:
    """The server's time-outs are off here, as they are on a server that was stopped."""
    impatient = Database(Settings(database_url=database_url, database_timeout_ms=300))
    with pytest.raises(StorageUnavailable):
        impatient.call(
            lambda connection: (
                connection.execute("set statement_timeout = 0"),
                connection.execute("select pg_sleep(60)"),
            )
        )
    assert impatient.value("select 1") == 1
    impatient.close()


READ = """
select sum(seq_tup_read)::bigint + sum(idx_tup_fetch)::bigint
  from pg_stat_user_tables where relname in ('kommo_conversations', 'kommo_messages', 'parked_statuses')
"""


def test_what_is_read_does_not_grow_with_the_tables(database: Database) -> None:
    """Plans are made while the tables are empty and kept: they must be good for full ones as well."""
    rows_read: list[int] = []
    for hundred in range(6):
        for number in range(hundred * 100, hundred * 100 + 100):
            ana = Customer(phone=f"+55119{number:08}", user_id=f"BR.{number}")
            message = replace(HELLO, provider_message_id=f"SM{number}", customer=ana)
            outcomes(database, [message, replace(SENT, provider_message_id=f"SMo{number}", customer=ana)])
            outcomes(database, [status("read", f"SMo{number}"), status("sent", f"SM?{number}")])
        rows(database, "select pg_stat_force_next_flush()")
        rows_read.append(int(rows(database, READ)[0][0]))
    steps = [after - before for before, after in pairwise(rows_read)]
    assert max(steps) < 1.2 * min(steps), steps
