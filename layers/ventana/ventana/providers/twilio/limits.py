"""What Twilio takes for WhatsApp, and how fast.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ventana.content import Content, Text
from ventana.errors import UnsupportedByProvider
from ventana.providers.base import Pace
from ventana.providers.limits import Limits
from ventana.providers.twilio.body import BUILDERS, CAPTIONED, FILES, OPTIONS, OURS
from ventana.providers.twilio.split import LONGEST, split

# A sender may send 80 a second. Twilio documents no limit towards one customer, but WhatsApp stands behind it, with its
# own of about one in six seconds and short bursts: what went too fast would fail after it was taken.
PACE = Pace(messages_per_second=80, pair_seconds=6, pair_burst=3)

TEN_PARTS = 10 * LONGEST
"""Of a text: nobody wants to read more of it in messages. Cut where a reader pauses it may be some parts more."""
CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")
CONTENT_TEMPLATE = "make a Content template of it at Twilio, and send type template with its content_sid"


def parts(content: Content) -> list[Content]:
    """A text as the messages that it takes; everything else as it is."""
    if content["type"] != "text":
        return [content]
    return [Text(type="text", body=body) for body in split(content["body"])]


def _text(content: Mapping[str, Any]) -> None:
    if content.get("preview_url"):
        raise UnsupportedByProvider("text.preview_url", "leave it out: Twilio lets nobody choose")


def _template(content: Mapping[str, Any]) -> None:
    if not CONTENT_SID.fullmatch(content["content_sid"]):
        raise UnsupportedByProvider("template.content_sid", "give the template's id at Twilio, HX and 32 digits")
    for name, value in (content.get("variables") or {}).items():
        if not isinstance(value, str) or not value.strip():
            raise UnsupportedByProvider(f"template.variables.{name}", "give a text that is not empty")


LIMITS = Limits(
    provider="Twilio",
    kinds=frozenset(BUILDERS),
    unsupported={
        "sticker": "send the picture as an image",
        "contacts": "send names and numbers as a text",
        "reaction": "answer with a text",
        **dict.fromkeys(("buttons", "list", "cta_url"), CONTENT_TEMPLATE),
        "reply_to": "leave it out: Twilio's messages cannot refer to others",
        **{f"{kind}.id": "give a public link: Twilio takes no other files" for kind in FILES},
        **{f"{kind}.caption": "send the text as a message of its own" for kind in FILES if kind not in CAPTIONED},
        **{f"{kind}.filename": "leave it out: Twilio takes no file names" for kind in FILES},
        "template.name": "give the template's content_sid",
        "template.language": "leave it out: the content_sid stands for one language",
        "template.components": "give the values as variables",
    },
    needed=frozenset(
        {
            *("text.body", "location.latitude", "location.longitude", "template.content_sid"),
            *(f"{kind}.link" for kind in FILES),
        }
    ),
    longest={
        "text.body": TEN_PARTS,
        **{f"{kind}.caption": LONGEST for kind in CAPTIONED},
        # one text holds both
        "location.name": 500,
        "location.address": 1000,
    },
    greatest={"location.latitude": 90, "location.longitude": 180},
    https=frozenset(f"{kind}.link" for kind in FILES),
    rules={"text": _text, "template": _template},
    options=frozenset(OPTIONS),
    protected=OURS,
)
check = LIMITS.check
