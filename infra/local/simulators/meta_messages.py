"""What the Graph API takes as a message, and what it says to the rest: 100 for a parameter, 131009 for its value.

Limits from https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.simulators.meta_interactive import check_interactive, check_template
from infra.local.simulators.meta_parameters import PARAMETER, VALUE, Invalid, a_link, a_text, an_object, one_of

USER_ID = re.compile(r"[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128}")
PHONE = re.compile(r"\+?[0-9]{5,20}")
CAPTIONED = ("image", "video", "document")
KINDS = {"button": "buttons"}
"""Words for interactive messages where Meta's own are taken."""


def check(message: Any) -> None:
    """Raise Invalid unless it is in order: a message, a read mark, or a read mark with typing."""
    if not isinstance(message, dict) or message.get("messaging_product") != "whatsapp":
        raise Invalid(PARAMETER, "The parameter messaging_product is required.")
    if "status" in message:
        _check_mark(message)
        return
    to, recipient = message.get("to"), message.get("recipient")
    if not (to or recipient):
        raise Invalid(PARAMETER, "The parameter to is required.")
    if to and not (isinstance(to, str) and PHONE.fullmatch(to)):
        raise Invalid(PARAMETER, "Param to must be a phone number.")
    if not to and not (isinstance(recipient, str) and USER_ID.fullmatch(recipient)):
        raise Invalid(PARAMETER, "Param recipient must be a user id.")
    one_of(message.get("recipient_type", "individual"), "recipient_type", ("individual",))
    kind = message.get("type", "text")
    one_of(kind, "type", tuple(CHECKS))
    if not isinstance(message.get(kind), list if kind == "contacts" else dict):
        raise Invalid(PARAMETER, f"The parameter {kind} is required.")
    if "context" in message:
        a_text(an_object(message, "context"), "message_id", 1000)
    if "biz_opaque_callback_data" in message:
        a_text(message, "biz_opaque_callback_data", 512, least=0)
    CHECKS[kind](message[kind], kind)


def kind_of(message: Mapping[str, Any]) -> str:
    """What kind of message it is, in words of all providers."""
    kind = str(message.get("type", "text"))
    if kind == "interactive":
        kind = str(message["interactive"]["type"])
    return KINDS.get(kind, kind)


def text_of(message: Mapping[str, Any]) -> str:
    """What a person reads of it."""
    kind = str(message.get("type", "text"))
    content = message[kind]
    match kind:
        case "text":
            return str(content["body"])
        case "interactive":
            return str((content.get("body") or {}).get("text", ""))
        case "reaction":
            return str(content["emoji"])
        case "template":
            return str(content["name"])
        case "contacts":
            return ", ".join(str(contact["name"]["formatted_name"]) for contact in content)
    return str(content.get("caption") or content.get("filename") or content.get("name") or "")


def _check_mark(message: Mapping[str, Any]) -> None:
    one_of(message["status"], "status", ("read",))
    a_text(message, "message_id", 1000)
    if "typing_indicator" in message:
        one_of(an_object(message, "typing_indicator").get("type"), "typing_indicator['type']", ("text",))


def _check_text(text: Mapping[str, Any], kind: str) -> None:
    a_text(text, "body", 4096)
    if not isinstance(text.get("preview_url", False), bool):
        raise Invalid(PARAMETER, "Param text['preview_url'] must be a boolean.")


def _check_file(file: Mapping[str, Any], kind: str) -> None:
    if bool(file.get("id")) == bool(file.get("link")):
        raise Invalid(PARAMETER, f"Param {kind} must have exactly one of id and link.")
    if file.get("link"):
        a_link(file, "link")
    if "caption" in file:
        if kind not in CAPTIONED:
            raise Invalid(PARAMETER, f'Unexpected key "caption" on param {kind}.')
        a_text(file, "caption", 1024, least=0)
    if "filename" in file and kind != "document":
        raise Invalid(PARAMETER, f'Unexpected key "filename" on param {kind}.')


def _check_location(location: Mapping[str, Any], kind: str) -> None:
    for name, most in (("latitude", 90), ("longitude", 180)):
        try:
            degrees = float(location[name])
        except (KeyError, TypeError, ValueError):
            raise Invalid(PARAMETER, f"Param location['{name}'] is required.") from None
        if not -most <= degrees <= most:
            raise Invalid(VALUE, f"Param location['{name}'] is out of range.")
    for name in {"name", "address"} & set(location):
        a_text(location, name, 1000)


def _check_contacts(contacts: list[Any], kind: str) -> None:
    if not contacts:
        raise Invalid(PARAMETER, "Param contacts must not be empty.")
    for contact in contacts:
        name = an_object(contact, "name")
        a_text(name, "formatted_name", 1000)
        if not any(value for part, value in name.items() if part != "formatted_name"):
            raise Invalid(VALUE, "Contact name needs at least one part beside formatted_name.")
        for phone in contact.get("phones", []):
            a_text(phone, "phone", 100)


def _check_reaction(reaction: Mapping[str, Any], kind: str) -> None:
    a_text(reaction, "message_id", 1000)
    a_text(reaction, "emoji", 20, least=0)


CHECKS: Mapping[str, Callable[[Any, str], None]] = {
    "text": _check_text,
    **dict.fromkeys(("image", "video", "audio", "document", "sticker"), _check_file),
    "location": _check_location,
    "contacts": _check_contacts,
    "reaction": _check_reaction,
    "interactive": check_interactive,
    "template": check_template,
}
