"""Approved templates: kept as their providers told them last, found for whoever wants to send one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString

from ventana.providers.templating import OfferedTemplate
from ventana.schema.connection import Database
from ventana.schema.inbound import dumped

COLUMNS: LiteralString = "id, provider, name, language, category, body, header, footer, buttons, parameters, send"
OF_ADDRESS: LiteralString = (
    "select " + COLUMNS + " from message_templates"  # noqa: S608 - nothing in it is from elsewhere
    " where provider = %(provider)s and address in ('', %(address)s)"
    " order by name, language, id limit %(limit)s"
)
OF_PROVIDER: LiteralString = (
    "select " + COLUMNS + " from (select distinct on (id) " + COLUMNS + " from message_templates"  # noqa: S608 - likewise
    " where provider = %(provider)s order by id, address limit %(limit)s) found order by name, language, id"
)
REFRESHED = "select refreshed_at from template_refreshes where provider = %s"
REPLACE = "select replace_templates_v1(%s, %s::jsonb, coalesce(%s::timestamptz, clock_timestamp()))"
MOST = 1000


@dataclass(frozen=True, slots=True)
class KeptTemplate:
    """An approved template, in the words of ventana.providers.templating."""

    id: str
    provider: str
    name: str
    language: str
    category: str | None
    body: str
    header: str | None
    footer: str | None
    buttons: list[dict[str, Any]]
    parameters: list[dict[str, Any]]
    send: dict[str, Any]


def replace_templates(
    database: Database, provider: str, templates: Iterable[OfferedTemplate], now: datetime | None = None
) -> int:
    """Keep these as all that the provider offers; returns how many they are."""
    told = dumped([asdict(template) for template in templates])
    return database.value(REPLACE, (provider, told, now)) or 0


def find_templates(database: Database, provider: str, address: str | None) -> Sequence[KeptTemplate]:
    """Templates that may go from an address of ours, or from any, by name; a thousand at most."""
    if address is None:
        return database.all(KeptTemplate, OF_PROVIDER, {"provider": provider, "limit": MOST})
    return database.all(KeptTemplate, OF_ADDRESS, {"provider": provider, "address": address, "limit": MOST})


def templates_refreshed_at(database: Database, provider: str) -> datetime | None:
    """When the provider last told all its templates; None: never."""
    found: datetime | None = database.value(REFRESHED, (provider,))
    return found
