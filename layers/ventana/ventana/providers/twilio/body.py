"""What a content is in the parameters of Twilio's messages, and which parameters a caller may add.

Arguments have the names of Twilio's SDK, options those of its REST API, which is the one that everybody can look up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ventana.content import Content
from ventana.errors import BadContent
from ventana.providers.reading import Object

OPTIONS: Mapping[str, str] = {
    "AddressRetention": "address_retention",
    "Attempt": "attempt",
    "ContentRetention": "content_retention",
    "ForceDelivery": "force_delivery",
    "MessageIntent": "message_intent",
    "MessagingServiceSid": "messaging_service_sid",
    "ProvideFeedback": "provide_feedback",
    "RiskCheck": "risk_check",
    "ShortenUrls": "shorten_urls",
    "SmartEncoded": "smart_encoded",
    "TrafficType": "traffic_type",
    "ValidityPeriod": "validity_period",
}
"""A caller's options and their arguments. No SendAt: when it is sent, the window may be shut."""
OURS = frozenset(
    {"To", "From", "StatusCallback", "Body", "MediaUrl", "PersistentAction", "ContentSid", "ContentVariables"}
)
"""What options may not change: who, what and whose message it is. Another body would go with every part of a text."""

CAPTIONED = ("image", "video")
FILES = (*CAPTIONED, "audio", "document")

Builder: TypeAlias = Callable[[Mapping[str, Any]], Object]

_NO_LABEL = re.compile(r"[\s|]+")


def body_of(content: Content) -> Object:
    """The arguments that say it. Raises BadContent for a kind, or a file without link, that there is no message for."""
    build = BUILDERS.get(content["type"])
    if build is None:
        raise BadContent("this provider cannot send this type")
    return build(content)


def options_of(options: Mapping[str, Any]) -> Object:
    """A caller's options as arguments; none of what is ours to say."""
    return {OPTIONS[name]: value for name, value in options.items() if name in OPTIONS and value is not None}


def _text(content: Mapping[str, Any]) -> Object:
    return {"body": content["body"]}


def _file(content: Mapping[str, Any]) -> Object:
    if not content.get("link"):
        raise BadContent("this provider takes files by link only")
    caption = (content.get("caption") or "") if content["type"] in CAPTIONED else ""
    return {"media_url": [content["link"]], **({"body": caption} if caption.strip() else {})}


def _location(content: Mapping[str, Any]) -> Object:
    """A place needs a text as well: where it is, in words or in degrees."""
    point = ",".join(_degrees(content[name]) for name in ("latitude", "longitude"))
    words = [content[name] for name in ("name", "address") if (content.get(name) or "").strip()]
    label = _NO_LABEL.sub(" ", words[0]).strip() if words else ""
    return {
        "body": ", ".join(words) or point,
        "persistent_action": [f"geo:{point}|{label}" if label else f"geo:{point}"],
    }


def _degrees(value: float) -> str:
    """Without an exponent, and to a centimetre."""
    return f"{round(value, 7) + 0.0:.7f}".rstrip("0").rstrip(".")


def _template(content: Mapping[str, Any]) -> Object:
    variables = content.get("variables")
    return {
        "content_sid": content["content_sid"],
        **({"content_variables": json.dumps(variables)} if variables else {}),
    }


BUILDERS: Mapping[str, Builder] = {
    "text": _text,
    **dict.fromkeys(FILES, _file),
    "location": _location,
    "template": _template,
}
