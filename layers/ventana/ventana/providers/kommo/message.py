"""One message of Kommo's CRM hook: what a customer wrote on any channel, or an echo of what our side answered."""

from __future__ import annotations

from collections.abc import Iterator

from ventana.messages import ContentType, Customer, InboundMessage, Media, Role
from ventana.providers.kommo.form import Node
from ventana.providers.parking import Poison
from ventana.providers.reading import an_object, moment, picked, text

KOMMO = "kommo"
TYPES: dict[str, ContentType] = {
    "text": "text",
    "picture": "image",
    "image": "image",
    "video": "video",
    "file": "file",
    "document": "file",
    "voice": "voice",
    "audio": "audio",
    "sticker": "sticker",
    "location": "location",
    "contact": "contact",
}
LEADS = {"lead", "leads"}
LEAD_ELEMENT = "2"
OURS = {"internal", "bot"}
FILE = {"filename": "file_name", "type": "type", "size": "file_size"}
CHANNELS = {"telegram": "telegram", "instagram": "instagram", "facebook": "facebook", "messenger": "facebook"}


def message_of(account: Node, raw: Node) -> Iterator[InboundMessage]:
    """Read an item of `message`: echoes come in there as well."""
    yield _message(account, raw, role_of(raw))


def echo_of(account: Node, raw: Node) -> Iterator[InboundMessage]:
    """Read an item of `outgoing_message`."""
    yield _message(account, raw, "assistant")


def address_of(account: Node) -> str:
    """Our address at Kommo: the account."""
    return text(account.get("id")) or text(account.get("subdomain"))


def lead_of(raw: Node) -> str:
    """The lead that an item belongs to, under either of its two namings."""
    lead = text(raw.get("entity_id")) if text(raw.get("entity_type")) in LEADS else ""
    return lead or (text(raw.get("element_id")) if text(raw.get("element_type")) == LEAD_ELEMENT else "")


def role_of(raw: Node) -> Role:
    """Who wrote: only what comes in from outside is the customer's; echoes of our own answers come in as well."""
    kind, author = text(raw.get("type")), text(an_object(raw.get("author")).get("type"))
    if kind == "outgoing" or author in OURS:
        return "assistant"
    if kind == "incoming" or (not kind and author in ("", "external")):
        return "user"
    return "system"


def _message(account: Node, raw: Node, role: Role) -> InboundMessage:
    message_id, customer = text(raw.get("id")), _customer(raw, role)
    if not message_id or customer is None:
        raise Poison(f"message without {'known chat' if message_id else 'id'}")
    attachment = an_object(raw.get("attachment"))
    content_type = _content_type(raw, attachment)
    link = text(attachment.get("link")) or None
    return InboundMessage(
        provider=KOMMO,
        business_address=address_of(account),
        provider_message_id=message_id,
        customer=customer,
        content_type=content_type,
        content=text(raw.get("text")),
        role=role,
        sent_at=moment(raw.get("created_at")),
        media_url=link,
        channel=_channel(text(raw.get("origin")).lower()),
        opens_window=role == "user",
        media=(Media(url=link, filename=text(attachment.get("file_name")) or None),) if link else (),
        details=_details(raw, attachment, content_type),
        raw=raw,
    )


def _customer(raw: Node, role: Role) -> Customer | None:
    """The chat is the key: talks change when they are reopened, contacts when they are merged."""
    talk, contact = text(raw.get("talk_id")), text(raw.get("contact_id"))
    chat = text(raw.get("chat_id")) or (f"talk:{talk}" if talk else f"contact:{contact}" if contact else "")
    if not chat:
        return None
    # Of an echo the author is one of us.
    name = text(an_object(raw.get("author")).get("name")) if role == "user" else ""
    return Customer(
        chat_id=chat, name=name or None, contact_id=contact or None, lead_id=lead_of(raw) or None, talk_id=talk or None
    )


def _content_type(raw: Node, attachment: Node) -> ContentType:
    given, attached = text(raw.get("message_type")), text(attachment.get("type"))
    kind = attached or ("file" if attachment else "text") if given in ("", "text") else given
    return TYPES.get(kind) or ("file" if attachment else "unsupported")


def _details(raw: Node, attachment: Node, content_type: ContentType) -> Node:
    media = {ours: text(attachment[theirs]) for ours, theirs in FILE.items() if text(attachment.get(theirs))}
    found: Node = picked(raw, ("source_id", "origin"))
    if media:
        found["media"] = media
    if content_type == "unsupported":
        found["type"] = text(raw.get("message_type"))
    return found


def _channel(origin: str) -> str:
    if not origin or origin == "waba" or "whatsapp" in origin:
        return "whatsapp"
    return next((channel for start, channel in CHANNELS.items() if origin.startswith(start)), "other")
