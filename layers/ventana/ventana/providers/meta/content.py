"""What a Meta message says, by its `type`: one small reader for each, and "unsupported" for all that come later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

from ventana.messages import ContentType, Media, Role
from ventana.providers.reading import Object, an_object, decoded_json, objects, phone, picked, place, text

MEDIA_DETAILS = ("id", "mime_type", "sha256", "filename", "voice", "animated")
PLACE_DETAILS = ("latitude", "longitude", "name", "address", "url")


@dataclass(frozen=True, slots=True)
class Content:
    """The part of an InboundMessage that depends on the message's type."""

    content_type: ContentType
    content: str = ""
    details: Object = field(default_factory=dict)
    media: tuple[Media, ...] = ()
    role: Role = "user"
    opens_window: bool = True


Reader: TypeAlias = Callable[[Object], Content | None]
"""Reads a message of its type; None where the object that the type promises is not there."""


def content_of(message: Object) -> Content:
    """Read a message of any type; what nobody knows is "unsupported", which still proves that the customer wrote."""
    kind = text(message.get("type")) or next((name for name in READERS if name in message), "")
    read = READERS.get(kind)
    return (read(message) if read else None) or _unsupported(kind, message)


def details_of(message: Object) -> Object:
    """What any message may carry beside its content: what it answers, where it came from, the group."""
    context = an_object(message.get("context"))
    found = {
        "reply_to": text(context.get("id")),
        "forwarded": context.get("forwarded") is True or context.get("frequently_forwarded") is True,
        "frequently_forwarded": context.get("frequently_forwarded") is True,
        "product": an_object(context.get("referred_product")),
        "referral": an_object(message.get("referral")),
        "group_id": text(message.get("group_id")),
    }
    return {name: value for name, value in found.items() if value}


def _text(message: Object) -> Content | None:
    body = message.get("text")
    if isinstance(body, dict):
        return Content("text", text(body.get("body")))
    return Content("text") if message.get("referral") else None  # an ad's greeting may come without a word


def _media(content_type: ContentType, kind: str, message: Object) -> Content | None:
    media = message.get(kind)
    if not isinstance(media, dict):
        return None
    if content_type == "audio" and media.get("voice") is True:
        content_type = "voice"
    details = {"media": picked(media, MEDIA_DETAILS)}
    return Content(content_type, text(media.get("caption")), details, _files(media))


def _files(media: Object) -> tuple[Media, ...]:
    """The file behind a message: its id can be asked for an address, which itself lives for five minutes only."""
    names = ("url", "id", "mime_type", "sha256", "filename")
    file = Media(**{name: text(media.get(name)) or None for name in names})
    return (file,) if file.url or file.id else ()


def _location(message: Object) -> Content | None:
    location = message.get("location")
    if not isinstance(location, dict):
        return None
    return Content("location", place(location), {"location": picked(location, PLACE_DETAILS)})


def _contacts(message: Object) -> Content | None:
    contacts = objects(message.get("contacts"))
    if not contacts:
        return None
    names = [_contact_name(an_object(contact)) for contact in contacts]
    return Content("contact", ", ".join(name for name in names if name), {"contacts": contacts})


def _contact_name(contact: Object) -> str:
    name = an_object(contact.get("name"))
    numbers = [text(an_object(number).get("phone")) for number in objects(contact.get("phones"))]
    return text(name.get("formatted_name")) or text(name.get("first_name")) or next(iter(numbers), "")


def _button(message: Object) -> Content | None:
    button = message.get("button")
    if not isinstance(button, dict):
        return None
    title = text(button.get("text"))
    return Content(
        "interactive", title, {"reply": {"type": "button", "id": text(button.get("payload")), "title": title}}
    )


def _interactive(message: Object) -> Content | None:
    interactive = an_object(message.get("interactive"))
    kind = text(interactive.get("type")) or next((name for name in interactive if name.endswith("_reply")), "")
    reply = interactive.get(kind)
    if not isinstance(reply, dict):
        return None
    content = text(reply.get("title")) or text(reply.get("body")) or text(reply.get("response"))
    found = {name: value for name, value in reply.items() if name not in ("body", "response_json")}
    if "response_json" in reply:
        found["data"] = _flow_data(reply["response_json"])
    return Content("interactive", content, {"reply": {**found, "type": kind}})


def _flow_data(answer: Any) -> Any:
    """A flow's answer is JSON inside a string, and need not be an object; one that is not JSON stays as it is."""
    try:
        return decoded_json(answer) if isinstance(answer, str) else answer
    except ValueError:
        return answer


def _reaction(message: Object) -> Content | None:
    reaction = message.get("reaction")
    if not isinstance(reaction, dict):
        return None
    # A removal comes with an empty emoji or with none.
    details = {"reaction_to": text(reaction.get("message_id"))}
    return Content("reaction", text(reaction.get("emoji")), details, opens_window=False)


def _order(message: Object) -> Content | None:
    order = message.get("order")
    if not isinstance(order, dict):
        return None
    details = {"catalog_id": text(order.get("catalog_id")), "items": objects(order.get("product_items"))}
    return Content("order", text(order.get("text")), {"order": details})


def _system(message: Object) -> Content:
    """A note of WhatsApp's own about the customer: a new number, a new id, a new device."""
    system = an_object(message.get("system"))
    identity = {
        "change": text(system.get("type")),
        "phone": phone(system.get("wa_id")) or phone(system.get("new_wa_id")),
        "user_id": text(system.get("user_id")),
        "previous_user_id": text(system.get("previous_user_id")),
    }
    details = {"identity": {name: value for name, value in identity.items() if value}}
    return Content("system", text(system.get("body")), details, role="system", opens_window=False)


def _edit(message: Object) -> Content:
    """The new text of an earlier message: it has an id of its own and does not count as writing."""
    edit = an_object(message.get("edit"))
    inner = content_of(an_object(edit.get("message")))
    details = {**inner.details, "edits": text(edit.get("original_message_id"))}
    return replace(inner, details=details, role="user", opens_window=False)


def _revoke(message: Object) -> Content:
    details = {"revokes": text(an_object(message.get("revoke")).get("original_message_id"))}
    return Content("unsupported", "", details, opens_window=False)


def _unsupported(kind: str, message: Object) -> Content:
    """Polls, view-once media and all that WhatsApp keeps from us: lost for ever, yet the customer did write."""
    inner = text(an_object(message.get("unsupported")).get("type"))
    details = {"type": inner or kind, "errors": objects(message.get("errors"))}
    return Content("unsupported", "", {name: value for name, value in details.items() if value})


READERS: Mapping[str, Reader] = {
    "text": _text,
    "image": partial(_media, "image", "image"),
    "video": partial(_media, "video", "video"),
    "audio": partial(_media, "audio", "audio"),
    "voice": partial(_media, "voice", "voice"),
    "document": partial(_media, "file", "document"),
    "sticker": partial(_media, "sticker", "sticker"),
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "reaction": _reaction,
    "order": _order,
    "system": _system,
    "edit": _edit,
    "revoke": _revoke,
}
