"""What the schema tests share: a Database of ours over a fresh, migrated Postgres, and short ways to say things."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ventana.schema.connection import Database
from ventana.settings import Settings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(Settings(database_url=database_url))
    yield opened
    opened.close()
