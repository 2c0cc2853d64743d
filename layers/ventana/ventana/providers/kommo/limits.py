"""What Kommo takes for its talks, and how fast.

https://developers.kommo.com/reference/limitations
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ventana.content import COLUMN, Content
from ventana.errors import UnsupportedByProvider
from ventana.providers.base import Pace
from ventana.providers.kommo.send import OURS
from ventana.providers.limits import Limits

# An account may be asked seven times in a second, whoever goes on in spite of a 429 is blocked, and our questions for
# phones and lost answers count as well: sends leave them one. Kommo names no limit towards one customer.
PACE = Pace(messages_per_second=6)

TEXT_ONLY = "write it as a text: Kommo's talks take nothing else"
INSTEAD = {
    **dict.fromkeys(("image", "video", "audio", "document", "sticker"), "send a link to the file in a text"),
    "location": "send a link to the map in a text",
    "template": "answer with a text while the window is open: Kommo's talks take text only",
}


def parts(content: Content) -> list[Content]:
    """Always the message itself."""
    return [content]


def _text(content: Mapping[str, Any]) -> None:
    if content.get("preview_url"):
        raise UnsupportedByProvider("text.preview_url", "leave it out: Kommo lets nobody choose")


LIMITS = Limits(
    provider="Kommo",
    kinds=frozenset({"text"}),
    unsupported={
        **{kind: INSTEAD.get(kind, TEXT_ONLY) for kind in COLUMN if kind != "text"},
        "reply_to": "leave it out: Kommo's messages cannot refer to others",
    },
    needed=frozenset({"text.body"}),
    longest={"text.body": 4096},  # Kommo names no limit; WhatsApp behind it has this one
    rules={"text": _text},
    protected=OURS,
)
check = LIMITS.check
