"""An answer is accepted inside the window, claimed by one sender, and finished once, whatever happens in between."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from ventana.errors import NotFound, Rejected, Throttled, Uncertain, WindowClosed, WindowShut
from ventana.messages import Customer, InboundMessage, Receipt, StatusUpdate
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.outbound import (
    Claim,
    accept_outbound,
    claim_outbound,
    finish_sent,
    finish_unsent,
    mark_queued,
)
from ventana.settings import Settings

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)
HELLO = InboundMessage(
    provider="twilio",
    business_address="+14155238886",
    provider_message_id="SM-in",
    customer=Customer(phone="+5511987654321", name="Ana"),
    content_type="text",
    content="hola",
    sent_at=NOW,
)
LATER = replace(HELLO, provider_message_id="SM-in-2", sent_at=None)


def rows(database: Database, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    return database.call(lambda connection: connection.execute(query, parameters).fetchall())


def status_of(database: Database, message_id: str) -> str:
    return str(rows(database, "select delivery_status from kommo_messages where id = %s", message_id)[0][0])


@pytest.fixture
def conversation(database: Database) -> str:
    return str(record_inbound(database, [HELLO])[0].conversation_id)


@pytest.fixture
def accepted(database: Database, conversation: str) -> str:
    return accept(database, conversation_id=conversation)


def accept(database: Database, **where: Any) -> str:
    return accept_outbound(database, str(uuid4()), "an answer", where.pop("margin", MINUTE), **where).id


def claim(database: Database, message_id: str, now: datetime | None = None) -> Claim:
    return claim_outbound(database, message_id, MINUTE, MINUTE, now)


def test_an_answer_is_a_row_of_the_conversation(database: Database, conversation: str, accepted: str) -> None:
    assert rows(
        database,
        "select conversation_id::text, provider, business_address, role, content, delivery_status from kommo_messages"
        " where id = %s",
        accepted,
    ) == [(conversation, "twilio", "+14155238886", "assistant", "an answer", "accepted")]
    assert rows(database, "select message_count, bot_message_count from kommo_conversations") == [(2, 1)]


def test_an_answer_never_extends_the_window(database: Database, conversation: str) -> None:
    before = rows(database, "select last_user_message_at from kommo_conversations")
    accept(database, conversation_id=conversation)
    assert rows(database, "select last_user_message_at from kommo_conversations") == before


@pytest.mark.parametrize("to", ["+5511987654321", "US.1349"])
def test_a_customer_is_found_by_phone_or_user_id(database: Database, to: str) -> None:
    record_inbound(database, [replace(HELLO, customer=Customer(phone="+5511987654321", user_id="US.1349"))])
    assert accept(database, provider="twilio", to=to)


def test_a_repeated_call_with_the_same_id_changes_nothing(database: Database, conversation: str) -> None:
    message_id = str(uuid4())
    for _ in range(2):
        accept_outbound(database, message_id, "an answer", MINUTE, conversation_id=conversation)
    assert rows(database, "select count(*) from kommo_messages where role = 'assistant'") == [(1,)]


@pytest.mark.parametrize(
    ("ago", "margin", "is_open"),
    [
        (timedelta(0), MINUTE, True),
        (timedelta(hours=23, minutes=58), MINUTE, True),
        (timedelta(hours=23, minutes=59, seconds=30), MINUTE, False),
        (timedelta(hours=23, minutes=59, seconds=30), timedelta(0), True),
        (timedelta(hours=24, seconds=1), timedelta(0), False),
        (timedelta(days=9), MINUTE, False),
    ],
)
def test_the_window_is_decided_with_the_row_in_hand(
    database: Database, conversation: str, ago: timedelta, margin: timedelta, is_open: bool
) -> None:
    last = datetime.now(UTC) - ago
    rows(database, "update kommo_conversations set last_user_message_at = %s returning 1", last)
    if is_open:
        assert accept(database, conversation_id=conversation, margin=margin)
        return
    with pytest.raises(WindowClosed) as caught:
        accept(database, conversation_id=conversation, margin=margin)
    assert caught.value.closed_at == last + timedelta(hours=24)
    assert rows(database, "select count(*) from kommo_messages where role = 'assistant'") == [(0,)]


def test_who_never_wrote_has_no_window(database: Database) -> None:
    with pytest.raises(WindowClosed, match="never written"):
        accept(database, provider="twilio", to="+5500")


def test_an_unknown_conversation_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound):
        accept(database, conversation_id=str(uuid4()))


def test_a_channel_without_a_window_is_always_open(database: Database, conversation: str) -> None:
    rows(database, "update kommo_conversations set channel = 'telegram', last_user_message_at = null returning 1")
    message_id = accept(database, conversation_id=conversation)
    assert claim(database, message_id).outcome == "claimed"


def test_one_sender_gets_a_message(database_url: str, database: Database, accepted: str) -> None:
    found: list[str] = []

    def take() -> None:
        own = Database(Settings(database_url=database_url))
        found.append(claim(own, accepted).outcome)
        own.close()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["claimed"] + ["leased"] * 7


def test_a_claim_brings_all_that_a_provider_needs(database: Database, accepted: str) -> None:
    message = claim(database, accepted).message(accepted, "https://example.com/status")
    assert (message.provider, message.business_address, message.customer.phone, message.content) == (
        "twilio",
        "+14155238886",
        "+5511987654321",
        {"type": "text", "body": "an answer"},
    )


def test_the_window_is_checked_again_at_dispatch(database: Database, accepted: str) -> None:
    assert claim(database, accepted, NOW + timedelta(hours=24)).outcome == "window_closed"
    assert rows(database, "select delivery_status, error_code from kommo_messages where id = %s", accepted) == [
        ("failed", "window_closed")
    ]


def test_a_sender_that_died_leaves_the_message_uncertain(database: Database, accepted: str) -> None:
    claim(database, accepted, NOW)
    assert claim(database, accepted, NOW + timedelta(seconds=59)).outcome == "leased"
    assert claim(database, accepted, NOW + timedelta(seconds=61)).outcome == "uncertain"
    assert claim(database, accepted, NOW + timedelta(seconds=62)).outcome == "done"
    assert status_of(database, accepted) == "uncertain"


def test_taken_by_the_provider_is_not_yet_sent(database: Database, accepted: str) -> None:
    claim(database, accepted)
    assert finish_sent(database, accepted, Receipt("SM-out")) == "sending"
    assert claim(database, accepted).outcome == "done"
    record_inbound(database, [StatusUpdate("twilio", "+14155238886", "SM-out", "sent", NOW)])
    assert status_of(database, accepted) == "sent"


def test_a_status_that_overtakes_the_providers_answer_is_kept(database: Database, accepted: str) -> None:
    claim(database, accepted)
    record_inbound(database, [StatusUpdate("twilio", "+14155238886", "SM-out", "delivered", NOW)])
    assert finish_sent(database, accepted, Receipt("SM-out")) == "delivered"


def test_a_status_with_our_id_settles_what_was_uncertain(database: Database, accepted: str) -> None:
    claim(database, accepted)
    assert finish_unsent(database, accepted, Uncertain("the answer was lost")) == "uncertain"
    record_inbound(database, [StatusUpdate("twilio", "+14155238886", "SM-out", "sent", NOW, message_id=accepted)])
    assert rows(
        database,
        "select delivery_status, provider_message_id, error_code, error_text from kommo_messages where id = %s",
        accepted,
    ) == [("sent", "SM-out", None, None)]


def test_retries_end(database: Database, accepted: str) -> None:
    for _ in range(2):
        claim(database, accepted)
        assert finish_unsent(database, accepted, Throttled("slower", "20429"), max_attempts=3) == "queued"
    claim(database, accepted)
    assert finish_unsent(database, accepted, Throttled("slower", "20429"), max_attempts=3) == "failed"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Rejected("no such number", "63003"), "failed", "63003"),
        (Uncertain("the answer was lost"), "uncertain", "uncertain"),
    ],
)
def test_what_was_not_taken_says_why(
    database: Database, accepted: str, error: Rejected | Uncertain, status: str, code: str
) -> None:
    claim(database, accepted)
    assert finish_unsent(database, accepted, error) == status
    assert rows(database, "select error_code, error_text from kommo_messages where id = %s", accepted) == [
        (code, str(error))
    ]


def test_the_providers_word_shuts_the_window(database: Database, conversation: str, accepted: str) -> None:
    claim(database, accepted)
    assert finish_unsent(database, accepted, WindowShut("shut", "63016")) == "failed"
    with pytest.raises(WindowClosed):
        accept(database, conversation_id=conversation)
    record_inbound(database, [LATER])
    assert accept(database, conversation_id=conversation)


def test_the_providers_word_about_an_old_message_leaves_a_new_window_open(
    database: Database, conversation: str, accepted: str
) -> None:
    claim(database, accepted)
    record_inbound(database, [LATER])
    finish_unsent(database, accepted, WindowShut("shut", "63016"))
    assert accept(database, conversation_id=conversation)


@pytest.mark.parametrize("echo_first", [True, False])
def test_an_echo_of_our_own_send_is_no_second_message(database: Database, echo_first: bool) -> None:
    """Kommo tells us of what we sent through it, before or after it answers the send."""
    chat = Customer(chat_id="chat-1", talk_id="7")
    incoming = InboundMessage("kommo", "100", "in-1", chat, "text", "hola", channel="telegram")
    echo = InboundMessage("kommo", "100", "out-1", chat, "text", "an answer", role="assistant", sent_at=NOW)
    conversation = record_inbound(database, [incoming])[0].conversation_id
    message_id = accept(database, conversation_id=conversation)
    claim(database, message_id)
    if echo_first:
        assert record_inbound(database, [echo])[0].outcome == "echo"
    assert finish_sent(database, message_id, Receipt("out-1", "sent")) == "sent"
    if not echo_first:
        assert record_inbound(database, [echo])[0].outcome == "duplicate"
    assert rows(database, "select id::text from kommo_messages where role = 'assistant'") == [(message_id,)]


def test_an_echo_that_was_stored_apart_is_taken_back(database: Database) -> None:
    chat = Customer(chat_id="chat-1", talk_id="7")
    incoming = InboundMessage("kommo", "100", "in-1", chat, "text", "hola", channel="telegram")
    echo = InboundMessage("kommo", "100", "out-1", chat, "text", "an answer, trimmed", role="assistant")
    conversation = record_inbound(database, [incoming])[0].conversation_id
    message_id = accept(database, conversation_id=conversation)
    claim(database, message_id)
    assert record_inbound(database, [echo])[0].outcome == "recorded"
    assert finish_sent(database, message_id, Receipt("out-1", "sent")) == "sent"
    assert rows(database, "select id::text from kommo_messages where role = 'assistant'") == [(message_id,)]
    assert rows(database, "select message_count, bot_message_count from kommo_conversations") == [(2, 1)]


def test_queued_is_noted_unless_a_sender_was_faster(database: Database, accepted: str) -> None:
    assert mark_queued(database, accepted) == "queued"
    claim(database, accepted)
    assert mark_queued(database, accepted) == "sending"


def test_every_change_is_in_the_history(database: Database, accepted: str) -> None:
    mark_queued(database, accepted)
    claim(database, accepted)
    finish_unsent(database, accepted, Throttled("slower", "20429"))
    claim(database, accepted)
    finish_sent(database, accepted, Receipt("SM-out"))
    record_inbound(database, [StatusUpdate("twilio", "+14155238886", "SM-out", "read", NOW)])
    assert rows(database, "select status, cause, error_code from message_status_history order by id") == [
        ("accepted", "api", None),
        ("queued", "api", None),
        ("sending", "sender", None),
        ("queued", "retry", "20429"),
        ("sending", "sender", None),
        ("delivered", "provider", None),
        ("read", "provider", None),
    ]
