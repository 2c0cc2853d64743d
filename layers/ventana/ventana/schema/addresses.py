"""Our numbers and accounts: how fast they may send, what goes when a window is shut, and whether they are stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from ventana.content import Template
from ventana.schema.connection import Database
from ventana.schema.inbound import dumped

COLUMNS: LiteralString = """
    provider, address, messages_per_second::float as messages_per_second, fallback_template, slowed_until, stopped_at,
    stopped_code, stopped_text, probe_at
"""
LIST: LiteralString = "select" + COLUMNS + "from business_addresses order by provider, address"
ONE: LiteralString = "select" + COLUMNS + "from business_addresses where provider = %s and address = %s"
SAVE: LiteralString = "select" + COLUMNS + "from save_address_v1(%s, %s, %s::numeric, %s::jsonb)"
RESUME = "select resume_address_v1(%s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
STOPPED = "select count(*) from business_addresses where stopped_at is not null"


@dataclass(frozen=True, slots=True)
class BusinessAddress:
    """One of our addresses at a provider; without a rate of its own it sends as fast as the provider allows.

    `stopped_at`: since when the provider refuses our account there, `probe_at` when one message tries again.
    """

    provider: str
    address: str
    messages_per_second: float | None
    fallback_template: dict[str, Any] | None
    slowed_until: datetime | None
    stopped_at: datetime | None
    stopped_code: str | None
    stopped_text: str | None
    probe_at: datetime | None


def list_addresses(database: Database) -> list[BusinessAddress]:
    """Every address that has sent or was set up."""
    return database.all(BusinessAddress, LIST)


def find_address(database: Database, provider: str, address: str) -> BusinessAddress | None:
    """One address."""
    return database.one(BusinessAddress, ONE, (provider, address))


def save_address(
    database: Database,
    provider: str,
    address: str,
    messages_per_second: float | None,
    fallback_template: Template | None,
) -> BusinessAddress:
    """Set an address up, or change it; what is None is as the provider allows, and nothing."""
    template = dumped(fallback_template) if fallback_template else None
    saved = database.one(BusinessAddress, SAVE, (provider, address, messages_per_second, template))
    assert saved is not None  # noqa: S101 - it returns what it saved
    return saved


def resume_address(database: Database, provider: str, address: str, by: str, now: datetime | None = None) -> bool:
    """Let a stopped or slowed address send again at once; says whether it was either."""
    return bool(database.value(RESUME, (provider, address, by, now)))


def count_stopped(database: Database) -> int:
    """How many addresses are stopped."""
    return database.value(STOPPED) or 0
