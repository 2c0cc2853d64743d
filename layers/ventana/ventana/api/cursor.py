"""Cursors: where a page of a list ended, as an opaque word for callers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AfterValidator

from ventana.schema import conversation_lists
from ventana.schema.message_pages import Place

NONE_OF_OURS = "must be a cursor that this list gave"
SILENT = "-"
"""In place of the time of a last message, where there is none."""


def cursor_to(place: Place) -> str:
    """The word that leads on from this place."""
    return _word(place.at.isoformat(), place.id)


def cursor_to_conversation(place: conversation_lists.Place) -> str:
    """The word that leads on from this conversation, be it one without a message."""
    return _word(place.at.isoformat() if place.at else SILENT, place.id)


def cursor_to_moment(at: datetime) -> str:
    """The word that stands for a moment."""
    return _word(at.isoformat())


def place_of(cursor: str) -> Place:
    """Where a word leads. Raises ValueError for one that is none of ours."""
    at, message_id = _parts(cursor, 2)
    return Place(_moment(at), _id(message_id))


def conversation_place_of(cursor: str) -> conversation_lists.Place:
    """Where a word leads in a list of conversations. Raises ValueError for one that is none of ours."""
    at, conversation_id = _parts(cursor, 2)
    return conversation_lists.Place(None if at == SILENT else _moment(at), _id(conversation_id))


def moment_of(cursor: str) -> datetime:
    """The moment that a word stands for. Raises ValueError for one that is none of ours."""
    (at,) = _parts(cursor, 1)
    return _moment(at)


def _word(*parts: str) -> str:
    return base64.urlsafe_b64encode(" ".join(parts).encode()).decode().rstrip("=")


def _parts(cursor: str, count: int) -> list[str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(" ")
    except (binascii.Error, ValueError):
        raise ValueError(NONE_OF_OURS) from None
    if len(parts) != count:
        raise ValueError(NONE_OF_OURS)
    return parts


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(NONE_OF_OURS) from None


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError(NONE_OF_OURS) from None


def _checked(read: Callable[[str], object]) -> Callable[[str], str]:
    def check(cursor: str) -> str:
        read(cursor)
        return cursor

    return check


Cursor: TypeAlias = Annotated[str, AfterValidator(_checked(place_of))]
ConversationCursor: TypeAlias = Annotated[str, AfterValidator(_checked(conversation_place_of))]
Moment: TypeAlias = Annotated[str, AfterValidator(_checked(moment_of))]
