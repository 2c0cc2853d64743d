"""What WhatsApp takes through the Cloud API, and how fast.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ventana.content import COLUMN, Content
from ventana.errors import UnsupportedByProvider
from ventana.providers.base import Pace
from ventana.providers.limits import Limits, values
from ventana.providers.meta.body import OURS

# A number may send 80 a second, and to one customer about one in six seconds. Meta lets bursts pass, but takes what
# went early off what follows, and how long a burst may be is not certain: so a short one.
PACE = Pace(messages_per_second=80, pair_seconds=6, pair_burst=3)

FILES = ("image", "video", "audio", "document", "sticker")
CAPTIONED = ("image", "video", "document")
INTERACTIVE = ("buttons", "list", "cta_url")
PARAMETERS = (
    "template.components[].parameters[].text",
    "template.components[].cards[].components[].parameters[].text",
)
REFUSED_IN_PARAMETERS = re.compile(r"[\n\r\t]| {5}")


def parts(content: Content) -> list[Content]:
    """Always the message itself: whatever Meta takes, it takes as one."""
    return [content]


def _file(content: Mapping[str, Any]) -> None:
    kind = content["type"]
    if not content.get("link") and not content.get("id"):
        raise UnsupportedByProvider(f"{kind}.link", "give a link or the id of an upload")
    if content.get("link") and content.get("id"):
        raise UnsupportedByProvider(f"{kind}.id", "give either a link or the id of an upload, not both")


def _list(content: Mapping[str, Any]) -> None:
    if len(content["sections"]) > 1:
        for name, title in values(content, "list.sections[].title"):
            if not str(title or "").strip():
                raise UnsupportedByProvider(name, "title every section where there is more than one")


def _template(content: Mapping[str, Any]) -> None:
    for path in PARAMETERS:
        for name, text in values(content, path):
            if isinstance(text, str) and REFUSED_IN_PARAMETERS.search(text):
                raise UnsupportedByProvider(name, "leave out line breaks, tabs and more than four spaces in a row")


LIMITS = Limits(
    provider="Meta",
    kinds=frozenset(COLUMN),
    unsupported={
        "audio.caption": "send the text as a message of its own",
        "sticker.caption": "send the text as a message of its own",
        **{f"{kind}.filename": "leave it out: only documents have a name" for kind in FILES if kind != "document"},
        "template.content_sid": "give the template's name and language",
        "template.variables": "give the values as components",
    },
    needed=frozenset(
        {
            *("text.body", "location.latitude", "location.longitude", "contacts.contacts", "contacts.contacts[].name"),
            *(f"{kind}.body" for kind in INTERACTIVE),
            *("buttons.buttons", "buttons.buttons[].id", "buttons.buttons[].title"),
            *("list.button", "list.sections", "list.sections[].rows"),
            *("list.sections[].rows[].id", "list.sections[].rows[].title"),
            *("cta_url.display_text", "cta_url.url"),
            *("template.name", "template.language"),
        }
    ),
    longest={
        "text.body": 4096,
        **{f"{kind}.caption": 1024 for kind in CAPTIONED},
        **{f"{kind}.body": 1024 for kind in INTERACTIVE},
        **{f"{kind}.{part}": 60 for kind in INTERACTIVE for part in ("header", "footer")},
        "buttons.buttons[].id": 256,
        "buttons.buttons[].title": 20,
        "list.button": 20,
        "list.sections[].title": 24,
        "list.sections[].rows[].id": 200,
        "list.sections[].rows[].title": 24,
        "list.sections[].rows[].description": 72,
        "cta_url.display_text": 20,
    },
    most={"buttons.buttons": 3, "list.sections[].rows": 10},
    greatest={"location.latitude": 90, "location.longitude": 180},
    distinct=frozenset({"buttons.buttons[].id", "buttons.buttons[].title", "list.sections[].rows[].id"}),
    https=frozenset(f"{kind}.link" for kind in FILES),
    rules={**dict.fromkeys(FILES, _file), "list": _list, "template": _template},
    protected=OURS,
)
check = LIMITS.check
