"""A revert loses no rows: what the former schema cannot hold is kept aside, and the next `up` brings it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.migrations.test_history import BASELINE, VERSIONS, up
from ventana.messages import Customer, InboundMessage, Media, Parked, Receipt, StatusUpdate
from ventana.providers.base import Pace
from ventana.schema.connection import Database
from ventana.schema.dispatch import claim_outbound, finish_sent, paces_json
from ventana.schema.inbound import record_inbound
from ventana.schema.lifecycle import change_conversation
from ventana.schema.migrate import run
from ventana.schema.outbound import OutboundRequest, Part, accept_outbound
from ventana.settings import Settings

MINUTE = timedelta(minutes=1)
CHANGES_BY_ITSELF = {"updated_at"}  # by a trigger that was there before us


def fill(dsn: str) -> None:
    """Customers of three providers, what they wrote, and what became of the answers."""
    database = Database(Settings(database_url=dsn))
    customers = {
        "kommo": ("771", Customer(chat_id="chat-1", contact_id="9", talk_id="3", name="Ana")),
        "meta": ("106540352242922", Customer(phone="+5511987654321", user_id="BR.1349", name="Bia")),
        "twilio": ("+14155238886", Customer(phone="+34600000001")),
    }
    for provider, (address, customer) in customers.items():
        items = [
            InboundMessage(provider, address, f"{provider}-{kind}", customer, kind, "hola", details={"a": 1})
            for kind in ("text", "sticker", "interactive")
        ]
        items.append(InboundMessage(provider, address, "file", customer, "audio", media=(Media(url="https://x/y"),)))
        recorded = record_inbound(database, [*items, Parked(provider, "odd", b"{}")])
        conversation = recorded[0].conversation_id or ""
        change_conversation(database, conversation, "escalate", "ana", {"reason": "angry"})
        for number in range(3):
            request = OutboundRequest([Part(str(uuid4()), {"type": "text", "body": f"{number}"})], "ana", conversation)
            accepted = accept_outbound(database, request, MINUTE)
        claim = claim_outbound(
            database, accepted.message_ids[0], "reply", paces_json({provider: Pace(80)}), MINUTE, MINUTE
        )
        finish_sent(database, claim.message_id or "", Receipt(f"sent-{provider}"))
        record_inbound(database, [StatusUpdate(provider, address, f"sent-{provider}", "delivered")])
        record_inbound(database, [StatusUpdate(provider, address, f"unknown-{provider}", "read")])
    database.close()


def everything(dsn: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table of ours, and of what is counted the counts: that is counted anew."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and (relkind = 'r' and not starts_with(relname, 'conversation_count')"
            "      or relname = 'active_conversations_by_provider')"
        ).fetchall()
        return {
            str(table): sorted(
                (
                    {name: value for name, value in row.items() if name not in CHANGES_BY_ITSELF}
                    for (row,) in connection.execute(SQL("select to_jsonb(t) from {} t").format(Identifier(str(table))))
                ),
                key=str,
            )
            for (table,) in tables
        }


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_what_a_version_brought_comes_back_with_it(empty_database: str, version: str) -> None:
    up(empty_database)
    fill(empty_database)
    before = everything(empty_database)
    said: list[str] = []
    run("revert", empty_database, to=version, archive=True, say=said.append)
    up(empty_database)
    after = everything(empty_database)
    assert {table: after[table] for table in before} == before
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("select from pg_namespace where nspname = 'ventana_archive'").fetchall() == []


def test_what_happens_between_stays_beside_what_comes_back(empty_database: str) -> None:
    up(empty_database)
    fill(empty_database)
    run("revert", empty_database, to=BASELINE, archive=True, say=lambda line: None)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("select kommo_chat_id from kommo_conversations").fetchall() == [("chat-1",)]
        connection.execute("insert into kommo_conversations (kommo_chat_id, created_at) values ('chat-2', now())")
        connection.execute(
            "insert into kommo_messages (conversation_id, role, content)"
            " select id, 'user', 'between' from kommo_conversations"
        )
    up(empty_database)
    with psycopg.connect(empty_database) as connection:
        found = connection.execute(
            "select provider, count(*) from kommo_conversations group by 1 order by 1"
        ).fetchall()
        assert found == [("kommo", 2), ("meta", 1), ("twilio", 1)]
        assert connection.execute("select count(*) from kommo_messages where content = 'between'").fetchone() == (2,)
        wrote = connection.execute("select last_user_message_at from kommo_conversations where provider = 'twilio'")
        (at,) = wrote.fetchone() or (None,)
        assert at is not None
        assert at < datetime.now(UTC)
