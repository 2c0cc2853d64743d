"""Pages of messages, the newest first: each goes on where the one before ended, whatever was added since.

What is on its way or did not arrive is found by indexes as small as the set of such messages. Everything else is read
by age, a bounded number of rows for each page: a page may be short, and even empty, though another follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, LiteralString

from ventana.schema.connection import Database

ROW: LiteralString = """
    m.id::text as id, m.conversation_id::text as conversation_id, m.provider, m.business_address, m.role,
    m.delivery_status as status, m.content, m.content_type, m.error_code, m.error_text, m.created_at
"""
BEFORE: LiteralString = " m.created_at <= %(at)s and (m.created_at, m.id) < (%(at)s, %(id)s::uuid) "
FITS: LiteralString = """
    (%(status)s::text is null or m.delivery_status = %(status)s)
    and (%(provider)s::text is null or m.provider = %(provider)s)
    and (%(conversation_id)s::uuid is null or m.conversation_id = %(conversation_id)s)
"""
ORDERED: LiteralString = " order by m.created_at desc, m.id desc limit "
KEPT: LiteralString = (
    "select" + ROW + ", true as fits, false as last from sends s join kommo_messages m on m.id = s.message_id"
    " where s.phase = any(%(phases)s) and" + BEFORE + "and" + FITS + ORDERED + "%(rows)s"
)
OWN: LiteralString = """
with own as materialized (select k.id from kommo_messages k where k.conversation_id = %(conversation_id)s)
select
"""
OF_CONVERSATION: LiteralString = (
    OWN + ROW + ", true as fits, false as last from own join kommo_messages m on m.id = own.id"
    " where" + BEFORE + "and" + FITS + ORDERED + "%(rows)s"
)
LATEST: LiteralString = """
with latest as materialized (
    select m.id, row_number() over (order by m.created_at desc, m.id desc) = %(scan)s as last
      from kommo_messages m where
"""
BY_AGE: LiteralString = (
    LATEST + BEFORE + ORDERED + "%(scan)s) select" + ROW + "," + FITS + "as fits, l.last"
    " from latest l join kommo_messages m on m.id = l.id where (" + FITS + ") or l.last" + ORDERED + "%(rows)s"
)
PHASES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("accepted", "queued", "sending"), ("ready", "scheduled", "sending")),
    "held": ("held",),
    "uncertain": ("uncertain",),
    **dict.fromkeys(("failed", "expired", "cancelled"), ("over",)),
}
"""Where sends has the messages of a status."""
SCANNED_ROWS = 5_000
"""How many messages one page looks at at most where no index tells which are of the status that is wanted."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after the message that was written `at` this time and has this `id`."""

    at: datetime
    id: str


NEWEST = Place(datetime.max.replace(tzinfo=UTC), "ffffffff-ffff-ffff-ffff-ffffffffffff")


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message as lists show it; `content` is its text, or what is to be read in place of one."""

    id: str
    conversation_id: str
    provider: str
    business_address: str | None
    role: str
    status: str | None
    content: str
    content_type: str | None
    error_code: str | None
    error_text: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class _Row(ListedMessage):
    fits: bool
    last: bool


def list_messages(
    database: Database,
    status: str | None = None,
    provider: str | None = None,
    conversation_id: str | None = None,
    limit: int = 50,
    after: Place = NEWEST,
    scan: int = SCANNED_ROWS,
) -> tuple[list[ListedMessage], Place | None]:
    """Messages after a place, the newest first, and where to go on; None at the end."""
    query, phases = _source(status, conversation_id)
    parameters: dict[str, Any] = {
        "status": status,
        "provider": provider,
        "conversation_id": conversation_id,
        "phases": list(phases),
        "at": after.at,
        "id": after.id,
        "scan": scan if status or provider else limit + 1,
        "rows": limit + 1,
    }
    rows = database.all(_Row, query, parameters)
    shown = [row for row in rows if row.fits][:limit]
    follows = None
    if len(rows) > limit and shown:
        follows = Place(shown[-1].created_at, shown[-1].id)
    elif rows and rows[-1].last:
        follows = Place(rows[-1].created_at, rows[-1].id)
    return [_listed(row) for row in shown], follows


def _source(status: str | None, conversation_id: str | None) -> tuple[LiteralString, tuple[str, ...]]:
    if conversation_id is not None:
        return OF_CONVERSATION, ()
    if status is not None and status in PHASES:
        return KEPT, PHASES[status]
    return BY_AGE, ()


def _listed(row: _Row) -> ListedMessage:
    return ListedMessage(**{field.name: getattr(row, field.name) for field in fields(ListedMessage)})
