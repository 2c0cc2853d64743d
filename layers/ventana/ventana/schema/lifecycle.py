"""What people do with a conversation: escalate, assign, resolve, close, reopen, tag, note, opt out; and who did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ventana.errors import NotFound
from ventana.schema.connection import Database
from ventana.schema.inbound import dumped

CHANGE = "select change_conversation_v1(%s, %s, %s, %s::jsonb, coalesce(%s::timestamptz, clock_timestamp()))"
HISTORY = """
select at, change, changed_by, detail from conversation_history where conversation_id = %s order by id desc limit %s
"""
Change = Literal["escalate", "assign", "resolve", "close", "reopen", "tag", "note", "opt_out", "opt_in"]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that was done with a conversation, by whom, and when."""

    at: datetime
    change: str
    changed_by: str
    detail: dict[str, Any]


def change_conversation(
    database: Database,
    conversation_id: str,
    change: Change,
    by: str,
    detail: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> bool:
    """Change a conversation, with its history and event in one commit; False where it was so already.

    `detail`: escalate takes reason and assignee, assign an assignee (None: nobody), tag add and remove, note a body.
    Raises NotFound.
    """
    outcome = database.value(CHANGE, (conversation_id, change, by, dumped(dict(detail or {})), now))
    if outcome == "not_found":
        raise NotFound("there is no conversation with this id")
    return bool(outcome == "changed")


def conversation_history(database: Database, conversation_id: str, limit: int = 100) -> list[HistoryEntry]:
    """What was done with a conversation, the latest first."""
    return database.all(HistoryEntry, HISTORY, (conversation_id, limit))
