"""Conversations and messages as they were written before there was anything that keeps windows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from ventana.schema.backfill import Progress, backfill

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
A, B = "+14155238886", "+15550001111"


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


def fill(connection: psycopg.Connection, say: Callable[[str], None] = lambda line: None, **options: Any) -> Progress:
    return backfill(connection, say, **{"now": NOW, **options})
