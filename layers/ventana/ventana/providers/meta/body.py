"""The message object of the Graph API, for every kind of content, and the caller's own words over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from ventana.content import Contact
from ventana.errors import BadContent, Rejected
from ventana.messages import Customer, OutboundMessage
from ventana.providers.reading import Object
from ventana.providers.refusal import NO_ADDRESS

OURS = frozenset({"messaging_product", "recipient_type", "to", "recipient", "type", "biz_opaque_callback_data"})
"""What the caller's options may not change: whom it goes to, as what, and by which id its statuses find it."""

Builder: TypeAlias = Callable[[Mapping[str, Any]], Any]


def body_of(message: OutboundMessage) -> Object:
    """Make the message. Raises Rejected for a customer without an address, BadContent for a reaction to nothing."""
    kind = message.content["type"]
    name = "interactive" if kind in INTERACTIVE else kind
    built: Object = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **_recipient(message.customer),
        "type": name,
        name: _reaction(message) if kind == "reaction" else BUILDERS[kind](message.content),
        "biz_opaque_callback_data": message.id,
    }
    if message.reply_to and kind != "reaction":
        built["context"] = {"message_id": message.reply_to}
    return _merged(built, {name: value for name, value in message.options.items() if name not in OURS})


def _recipient(customer: Customer) -> Object:
    """The phone where it is known, otherwise the user id, which some templates cannot be sent to."""
    if customer.phone:
        return {"to": customer.phone.removeprefix("+")}
    if customer.user_id:
        return {"recipient": customer.user_id}
    raise Rejected(NO_ADDRESS)


def _merged(ours: Object, theirs: Mapping[str, Any]) -> Object:
    """Objects are merged at every depth; of anything else the caller's stands."""
    merged = dict(ours)
    for name, value in theirs.items():
        known = merged.get(name)
        merged[name] = _merged(known, value) if isinstance(known, dict) and isinstance(value, Mapping) else value
    return merged


def _given(content: Mapping[str, Any], *names: str) -> Object:
    """The entries that are there and say something: an empty caption or title is refused."""
    return {name: content[name] for name in names if content.get(name) not in (None, "")}


def _text(content: Mapping[str, Any]) -> Object:
    return {"body": content["body"], "preview_url": content.get("preview_url", False)}


def _file(content: Mapping[str, Any]) -> Object:
    return _given(content, "link", "id", "caption", "filename")


def _location(content: Mapping[str, Any]) -> Object:
    return _given(content, "latitude", "longitude", "name", "address")


def _contacts(content: Mapping[str, Any]) -> list[Object]:
    return [_contact(contact) for contact in content["contacts"]]


def _contact(contact: Contact) -> Object:
    # A name needs a second part beside `formatted_name`, and nobody can tell which word of it is which.
    built: Object = {"name": {"formatted_name": contact["name"], "first_name": contact["name"]}}
    if contact.get("phones"):
        built["phones"] = [_given(phone, "phone", "type") for phone in contact["phones"]]
    if contact.get("emails"):
        built["emails"] = [{"email": email} for email in contact["emails"]]
    if contact.get("organization"):
        built["org"] = {"company": contact["organization"]}
    return built


def _buttons(content: Mapping[str, Any]) -> Object:
    buttons = [{"type": "reply", "reply": _given(button, "id", "title")} for button in content["buttons"]]
    return _interactive("button", content, {"buttons": buttons})


def _list(content: Mapping[str, Any]) -> Object:
    sections = [
        {**_given(section, "title"), "rows": [_given(row, "id", "title", "description") for row in section["rows"]]}
        for section in content["sections"]
    ]
    return _interactive("list", content, {"button": content["button"], "sections": sections})


def _cta_url(content: Mapping[str, Any]) -> Object:
    return _interactive("cta_url", content, {"name": "cta_url", "parameters": _given(content, "display_text", "url")})


def _interactive(kind: str, content: Mapping[str, Any], action: Object) -> Object:
    built: Object = {"type": kind, "body": {"text": content["body"]}, "action": action}
    if content.get("header"):
        built["header"] = {"type": "text", "text": content["header"]}
    if content.get("footer"):
        built["footer"] = {"text": content["footer"]}
    return built


def _reaction(message: OutboundMessage) -> Object:
    if not message.reply_to:
        raise BadContent("a reaction needs the message that it is to")
    return {"message_id": message.reply_to, "emoji": cast("Mapping[str, Any]", message.content)["emoji"]}


def _template(content: Mapping[str, Any]) -> Object:
    return {"name": content["name"], "language": {"code": content["language"]}, **_given(content, "components")}


INTERACTIVE: Mapping[str, Builder] = {"buttons": _buttons, "list": _list, "cta_url": _cta_url}
BUILDERS: Mapping[str, Builder] = {
    "text": _text,
    **dict.fromkeys(("image", "video", "audio", "document", "sticker"), _file),
    "location": _location,
    "contacts": _contacts,
    **INTERACTIVE,
    "template": _template,
}
