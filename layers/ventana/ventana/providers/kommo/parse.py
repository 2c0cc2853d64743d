"""From Kommo's CRM hook to our words: every message of the form; hooks about talks, contacts and leads as notices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from typing import Any

from ventana.messages import ContentType, Customer, InboundMessage, Item, Parked, Role
from ventana.providers.base import RawRequest
from ventana.providers.kommo.form import Node, flat, tree
from ventana.providers.parking import Notice, Poison, each, parked
from ventana.providers.reading import an_object, moment, picked, text, word

KOMMO = "kommo"
FORM = "application/x-www-form-urlencoded"
MESSAGES = {"message", "outgoing_message"}
ACTIONS = {"add", "update"}
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
LEAD_ELEMENT = "2"
OURS = {"internal", "bot"}


def parse(request: RawRequest) -> list[Item]:
    """Read a hook. Kommo may probe the address with a GET, which holds nothing."""
    if request.method == "GET":
        return []
    if request.body.lstrip()[:1] in (b"{", b"["):
        return [parked(KOMMO, Poison("body is no form"), request.body, FORM)]
    try:
        form = dict(tree(request))
    except ValueError:
        return [parked(KOMMO, Poison("body has too many fields"), request.body, FORM)]
    account = an_object(form.pop("account", None))
    others = {name: node for name, node in form.items() if not isinstance(node, dict)}
    items = [item for name, node in form.items() if name not in others for item in _entity(name, node, account)]
    return items + ([_parked(account, [], Notice("other"), others)] if others else [])


def _entity(name: str, node: Node, account: Node) -> Iterator[Item]:
    """`message[add][0]`, or the same unwrapped: `add[0]`."""
    if name in ACTIONS:
        yield from _action("message", name, node, account, [name])
        return
    for action, items in node.items():
        yield from _action(name, action, items, account, [name, action])


def _action(entity: str, action: str, items: Any, account: Node, path: list[str]) -> Iterator[Item]:
    if not (entity in MESSAGES and action in ACTIONS and isinstance(items, dict)):
        yield _parked(account, path, Notice(f"{word(entity)} {word(action)}"), items)
        return
    read = partial(_message, entity == "outgoing_message", account)
    if isinstance(items.get("id"), str):  # the only one, its index left out
        yield from each([items], read, partial(_parked, account, path))
        return
    for index, item in items.items():
        yield from each([item], read, partial(_parked, account, [*path, index]))


def _parked(account: Node, path: list[str], why: Exception, raw: Any) -> Parked:
    """Set aside what stands at this path of the form, alone and with the account."""
    hook = reduce(lambda inner, key: {key: inner}, reversed(path), raw)
    return parked(KOMMO, why, flat({**hook, "account": account} if account else hook), FORM)


def _message(outgoing: bool, account: Node, raw: Node) -> Iterator[Item]:
    role = _role(outgoing, raw)
    message_id, customer = text(raw.get("id")), _customer(raw, role)
    if not message_id or customer is None:
        missing = "id" if not message_id else "known chat"
        raise Poison(f"message without {missing}")
    attachment = an_object(raw.get("attachment"))
    content_type = _content_type(raw, attachment)
    yield InboundMessage(
        provider=KOMMO,
        business_address=text(account.get("id")) or text(account.get("subdomain")),
        provider_message_id=message_id,
        customer=customer,
        content_type=content_type,
        content=text(raw.get("text")),
        role=role,
        sent_at=moment(raw.get("created_at")),
        media_url=text(attachment.get("link")) or None,
        channel=_channel(text(raw.get("origin")).lower()),
        opens_window=role == "user",
        details=_details(raw, attachment, content_type),
        raw=raw,
    )


def _customer(raw: Node, role: Role) -> Customer | None:
    """The chat is the key: talks change when they are reopened, contacts when they are merged."""
    talk, contact = text(raw.get("talk_id")), text(raw.get("contact_id"))
    chat = text(raw.get("chat_id")) or (f"talk:{talk}" if talk else f"contact:{contact}" if contact else "")
    if not chat:
        return None
    lead = ""
    if text(raw.get("entity_type")) in ("lead", "leads"):
        lead = text(raw.get("entity_id"))
    if not lead and text(raw.get("element_type")) == LEAD_ELEMENT:
        lead = text(raw.get("element_id"))
    # Of an echo the author is one of us.
    name = text(an_object(raw.get("author")).get("name")) if role == "user" else ""
    return Customer(
        chat_id=chat, name=name or None, contact_id=contact or None, lead_id=lead or None, talk_id=talk or None
    )


def _role(outgoing: bool, raw: Node) -> Role:
    """Who wrote: only what comes in from outside is the customer's; echoes of our own answers come in as well."""
    kind, author = text(raw.get("type")), text(an_object(raw.get("author")).get("type"))
    if outgoing or kind == "outgoing" or author in OURS:
        return "assistant"
    if kind == "incoming" or (not kind and author in ("", "external")):
        return "user"
    return "system"


def _content_type(raw: Node, attachment: Node) -> ContentType:
    given, attached = text(raw.get("message_type")), text(attachment.get("type"))
    kind = attached or ("file" if attachment else "text") if given in ("", "text") else given
    return TYPES.get(kind) or ("file" if attachment else "unsupported")


def _details(raw: Node, attachment: Node, content_type: ContentType) -> Node:
    media = {ours: text(attachment[theirs]) for ours, theirs in MEDIA.items() if text(attachment.get(theirs))}
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


MEDIA = {"filename": "file_name", "type": "type", "size": "file_size"}
CHANNELS = {"telegram": "telegram", "instagram": "instagram", "facebook": "facebook", "messenger": "facebook"}
