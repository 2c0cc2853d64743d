"""Statuses in any order, mixed with their messages and recorded by two at once, end as they do one after the other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.schema.conftest import rows
from ventana.messages import Customer, InboundMessage, Item, ReportedStatus, StatusUpdate
from ventana.schema.connection import Database
from ventana.schema.inbound import RECORD_INBOUND, as_json, dumped, record_inbound
from ventana.settings import Settings

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ADDRESS = "+14155238886"
BATCH = 50
CUSTOMERS = 40
COURSES: tuple[tuple[ReportedStatus, ...], ...] = (
    ("sending", "sent", "delivered", "read"),
    ("sending", "sent", "delivered", "delivered"),
    ("sending", "sent", "failed", "failed"),
    ("sending", "sending", "sent", "sent"),
)
MESSAGES = """
select provider_message_id, delivery_status, error_code, error_text, created_at from kommo_messages
 where provider = %s order by 1
"""
CONVERSATIONS = """
select phone, message_count, bot_message_count, last_message_at, last_bot_response_at from kommo_conversations
 where provider = %s order by 1
"""


@pytest.mark.parametrize("statuses", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_statuses_shuffled_with_their_messages_end_in_the_same_state(
    database: Database, database_url: str, statuses: int
) -> None:
    second = Database(Settings(database_url=database_url))
    try:
        ordered = list(items("twilio", statuses))
        record([database], ordered)
        shuffled = list(items("meta", statuses))
        random.Random(statuses).shuffle(shuffled)
        record([database, second], shuffled)
    finally:
        second.close()
    for query in (MESSAGES, CONVERSATIONS):
        assert rows(database, query, "meta") == rows(database, query, "twilio")
    assert {row[1] for row in rows(database, MESSAGES, "meta")} == {"sent", "delivered", "read", "failed"}
    assert rows(database, "select count(*) from parked_statuses") == [(0,)]
    assert rows(database, "select count(*) from kommo_messages where provider = 'meta'") == [(statuses // 4,)]


@pytest.mark.parametrize("first", ["status", "message"])
def test_a_status_and_its_message_that_come_at_the_same_instant_find_each_other(
    database: Database, database_url: str, first: str
) -> None:
    """One of them is recorded and not committed yet, so that the other cannot see it."""
    message, _, sent, *_ = items("meta", 4)
    one, other = ([sent], [message]) if first == "status" else ([message], [sent])
    with psycopg.connect(database_url) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute(RECORD_INBOUND, (dumped([as_json(item) for item in one]), None, True))
        waiting = pool.submit(record_inbound, database, other)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.3)
        connection.commit()
        waiting.result(timeout=10)
    assert [row[1] for row in rows(database, MESSAGES, "meta")] == ["sent"]
    assert rows(database, "select count(*) from parked_statuses") == [(0,)]


def items(provider: str, statuses: int) -> Iterator[Item]:
    """Messages of ours, as a provider tells us of them, each followed by what became of it."""
    for number in range(statuses // 4):
        at = NOW + timedelta(seconds=number)
        customer = Customer(phone=f"+55119{number % CUSTOMERS:08}")
        message_id = f"M{number:06}"
        yield InboundMessage(
            provider, ADDRESS, message_id, customer, "text", f"answer {number}", role="assistant", sent_at=at
        )
        for place, status in enumerate(COURSES[number % len(COURSES)]):
            code, text = ("63016", "cannot be reached") if status == "failed" else (None, None)
            yield StatusUpdate(
                provider,
                ADDRESS,
                message_id,
                status,
                at + timedelta(seconds=place),
                error_code=code,
                error_text=text,
            )


def record(databases: Sequence[Database], everything: Sequence[Item]) -> None:
    """In batches, each database by itself, all at once."""
    batches = [everything[start : start + BATCH] for start in range(0, len(everything), BATCH)]

    def record_every(place: int) -> None:
        for batch in batches[place :: len(databases)]:
            record_inbound(databases[place], batch)

    with ThreadPoolExecutor(len(databases)) as pool:
        list(pool.map(record_every, range(len(databases))))
