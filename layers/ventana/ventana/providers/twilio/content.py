"""What a Twilio message says, by its MessageType or, where there is none, by the parameters that came with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ventana.messages import ContentType, Media
from ventana.providers.reading import Object, decoded_json, number, place, text

PLACES = frozenset(map(str, range(100)))

TYPES: Mapping[str, ContentType] = {
    "text": "text",
    "image": "image",
    "video": "video",
    "audio": "audio",
    "voice": "voice",
    "document": "file",
    "file": "file",
    "sticker": "sticker",
    "location": "location",
    "contact": "contact",
    "contacts": "contact",
    "button": "interactive",
    "list": "interactive",
    "interactive": "interactive",
    "order": "order",
    "reaction": "reaction",
}
MEDIA_TYPES: Mapping[str, ContentType] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "text/vcard": "contact",
    "text/x-vcard": "contact",
}
PLACE = {"latitude": "Latitude", "longitude": "Longitude", "name": "Label", "address": "Address"}
REFERRAL = {
    "body": "ReferralBody",
    "headline": "ReferralHeadline",
    "source_id": "ReferralSourceId",
    "source_type": "ReferralSourceType",
    "source_url": "ReferralSourceUrl",
    "media_id": "ReferralMediaId",
    "media_type": "ReferralMediaContentType",
    "media_url": "ReferralMediaUrl",
    "ctwa_clid": "ReferralCtwaClid",
}
BUTTON = {"id": "ButtonPayload", "title": "ButtonText", "type": "ButtonType"}
LIST = {"id": "ListId", "title": "ListTitle", "description": "ListDescription"}


@dataclass(frozen=True, slots=True)
class Content:
    """The part of an InboundMessage that depends on what the customer did."""

    content_type: ContentType
    content: str
    details: Object = field(default_factory=dict)
    media: tuple[Media, ...] = ()
    opens_window: bool = True


def content_of(parameters: Object) -> Content:
    """Read a message. New parameters and types appear without notice; an unknown type keeps its text."""
    media, location, reply = _media(parameters), _named(parameters, PLACE), _reply(parameters)
    content_type = _content_type(parameters, media, location, reply)
    details: Object = {
        "media": media if len(media) > 1 else next(iter(media), None),
        "location": {name: _coordinate(name, value) for name, value in location.items()},
        "reply": reply,
        "referral": _named(parameters, REFERRAL),
        "reply_to": text(parameters.get("OriginalRepliedMessageSid")),
        "forwarded": _true(parameters, "Forwarded") or _true(parameters, "FrequentlyForwarded"),
        "frequently_forwarded": _true(parameters, "FrequentlyForwarded"),
        "type": text(parameters.get("MessageType")) if content_type == "unsupported" else "",
    }
    if content_type == "reaction":
        details["reaction_to"] = details.pop("reply_to")
    return Content(
        content_type,
        _words(parameters, content_type, location, reply),
        {name: value for name, value in details.items() if value},
        media=tuple(Media(url=entry["url"], mime_type=entry.get("mime_type") or None) for entry in media),
        opens_window=content_type != "reaction",
    )


def _content_type(parameters: Object, media: list[Object], location: Object, reply: Object) -> ContentType:
    given = text(parameters.get("MessageType")).lower()
    if given in TYPES and given != "text":
        return TYPES[given]
    if reply:
        return "interactive"
    if "latitude" in location and "longitude" in location:
        return "location"
    if media:
        mime_type = text(media[0].get("mime_type")).partition(";")[0].strip().lower()
        return MEDIA_TYPES.get(mime_type) or MEDIA_TYPES.get(mime_type.partition("/")[0]) or "file"
    return "text" if given in ("", "text") else "unsupported"


def _words(parameters: Object, content_type: ContentType, location: Object, reply: Object) -> str:
    body = text(parameters.get("Body"))
    if content_type == "interactive":
        return text(reply.get("title")) or body
    return body or (place(location) if content_type == "location" else "")


def _media(parameters: Object) -> list[Object]:
    found = []
    named = (name.removeprefix("MediaUrl") for name in parameters if name.startswith("MediaUrl"))
    for index in sorted(int(each) for each in named if each in PLACES):
        url = text(parameters[f"MediaUrl{index}"])
        if not url:
            continue
        media_id, mime_type = url.rpartition("/")[2], text(parameters.get(f"MediaContentType{index}"))
        found.append({"id": media_id, "url": url, **({"mime_type": mime_type} if mime_type else {})})
    return found


def _reply(parameters: Object) -> Object:
    """What was tapped: a button, a row of a list, or a flow that was filled in."""
    reply = _named(parameters, BUTTON) or _named(parameters, LIST)
    for name in ("InteractiveData", "FlowData"):
        if text(parameters.get(name)):
            reply = {**reply, "data": _parsed(text(parameters[name]))}
            break
    return reply


def _parsed(answer: str) -> Any:
    try:
        return decoded_json(answer)
    except ValueError:
        return answer


def _named(parameters: Object, names: Mapping[str, str]) -> Object:
    return {ours: text(parameters[theirs]) for ours, theirs in names.items() if text(parameters.get(theirs))}


def _coordinate(name: str, value: str) -> float | str:
    degrees = number(value) if name in ("latitude", "longitude") else None
    return value if degrees is None else degrees


def _true(parameters: Object, name: str) -> bool:
    return text(parameters.get(name)).lower() == "true"
