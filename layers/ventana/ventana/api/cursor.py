"""Cursors: where a page of a list ended, as an opaque word for callers."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

from pydantic import AfterValidator

from ventana.schema.message_pages import Place


def cursor_to(place: Place) -> str:
    """The word that leads on from this place."""
    return base64.urlsafe_b64encode(f"{place.at.isoformat()} {place.id}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> Place:
    """Where a word leads. Raises ValueError for one that is none of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, _, message_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(" ")
        return Place(datetime.fromisoformat(at).astimezone(UTC), str(UUID(message_id)))
    except (binascii.Error, ValueError, OverflowError):
        raise ValueError("must be a next_cursor that this list gave") from None


def _ours(cursor: str) -> str:
    place_of(cursor)
    return cursor


Cursor: TypeAlias = Annotated[str, AfterValidator(_ours)]
