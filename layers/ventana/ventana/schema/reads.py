"""What of a conversation has been seen; shared by all who look after it."""

from __future__ import annotations

from datetime import datetime

from ventana.errors import NotFound
from ventana.schema.connection import Database

SEE = "select see_conversation_v1(%s, coalesce(%s::timestamptz, clock_timestamp()))"


def see_conversation(database: Database, conversation_id: str, now: datetime | None = None) -> bool:
    """All that the customer has written so far is seen; False where it was so already. Raises NotFound."""
    outcome = database.value(SEE, (conversation_id, now))
    if outcome == "not_found":
        raise NotFound("there is no conversation with this id")
    return bool(outcome == "changed")
