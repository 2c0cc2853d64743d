"""The Chats API's hook, for accounts that own a chat channel: what agents and bots write to the customer there.

JSON, one message or one action (typing, a reaction) for each hook, sent once and never again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from ventana.messages import ContentType, Customer, InboundMessage, Item, Media, Parked
from ventana.providers.kommo.identity import typed_phone
from ventana.providers.kommo.message import KOMMO, TYPES
from ventana.providers.parking import Notice, Poison, each, parked
from ventana.providers.reading import Object, an_object, decoded_json, moment, picked, text, user_id

Reader: TypeAlias = Callable[[Object, Object], Iterator[Item]]
"""Reads a part of the hook that comes first."""

SHARED = ("account_id", "time")
FILE = {
    "filename": "file_name",
    "type": "type",
    "size": "file_size",
    "duration": "media_duration",
    "thumbnail": "thumbnail",
    "group_id": "media_group_id",
}
KEPT = {
    "buttons": "markup",
    "template": "template",
    "location": "location",
    "contact": "contact",
    "forwards": "forwards",
    "sticker_id": "sticker_id",
    "tag": "tag",
}


def parse(body: bytes) -> list[Item]:
    """Read a hook of version 2."""
    try:
        hook = decoded_json(body)
    except ValueError:
        return [parked(KOMMO, Poison("body is not JSON"), body)]
    items = list(_items(hook)) if isinstance(hook, dict) else []
    return items or [parked(KOMMO, Poison("hook holds nothing"), body)]


def _items(hook: Object) -> Iterator[Item]:
    for name, raw in hook.items():
        if name == "message" and raw is not None:
            yield from each([raw], partial(_message_of, hook), partial(_alone, hook, [name]))
        elif name == "action" and isinstance(raw, dict):
            for action, inner in raw.items():
                read = ACTIONS.get(action, _nothing_of)
                yield from each([inner], partial(read, hook), partial(_alone, hook, [name, action]))
        elif name not in SHARED and isinstance(raw, dict | list):  # more than a word about the hook itself
            yield _alone(hook, [name], Notice("other"), raw)


def _alone(hook: Object, path: list[str], why: Exception, raw: Any) -> Parked:
    for name in reversed(path):
        raw = {name: raw}
    return parked(KOMMO, why, json.dumps({**picked(hook, SHARED), **raw}).encode())


def _message_of(hook: Object, raw: Object) -> Iterator[InboundMessage]:
    """Read a message; text, a file and buttons may all come in one."""
    message = an_object(raw.get("message"))
    message_id, customer = text(message.get("id")), _customer(raw)
    if not message_id or customer is None:
        raise Poison(f"message without {'known chat' if message_id else 'id'}")
    link = text(message.get("media")) or None
    content_type = _content_type(message, link)
    yield InboundMessage(
        provider=KOMMO,
        business_address=text(hook.get("account_id")),
        provider_message_id=message_id,
        customer=customer,
        content_type=content_type,
        content=text(message.get("text")) or text(an_object(message.get("template")).get("content")),
        role="assistant",
        sent_at=moment(raw.get("msec_timestamp")) or moment(raw.get("timestamp")) or moment(hook.get("time")),
        media_url=link,
        opens_window=False,
        media=(Media(url=link, filename=text(message.get("file_name")) or None),) if link else (),
        details=_details(raw, message, content_type),
        raw=raw,
    )


def _reaction_of(hook: Object, raw: Object) -> Iterator[InboundMessage]:
    """Read a reaction. It has no id of its own, and the same one may be given, taken back and given again."""
    target = text(an_object(raw.get("message")).get("id")) or text(raw.get("msgid"))
    customer = _customer(raw)
    if not target or customer is None:
        raise Poison(f"reaction without {'known chat' if target else 'message'}")
    kind, emoji, who = text(raw.get("type")), text(raw.get("emoji")), text(an_object(raw.get("user")).get("id"))
    yield InboundMessage(
        provider=KOMMO,
        business_address=text(hook.get("account_id")),
        provider_message_id=":".join((target, kind, who, emoji, text(hook.get("time")))),
        customer=customer,
        content_type="reaction",
        content="" if kind == "unreact" else emoji,
        role="assistant",
        sent_at=moment(hook.get("time")),
        opens_window=False,
        details={"reaction_to": target, **_people(raw)},
        raw=raw,
    )


def _typing_of(hook: Object, raw: Object) -> Iterator[Item]:
    raise Notice("typing")


def _nothing_of(hook: Object, raw: Object) -> Iterator[Item]:
    raise Notice("other")


def _customer(raw: Object) -> Customer | None:
    """The receiver, by our own id of the chat; a chat that an agent began has only Kommo's."""
    receiver, chat = an_object(raw.get("receiver")), an_object(raw.get("conversation"))
    chat_id = text(chat.get("client_id")) or text(chat.get("id"))
    receiver_id = text(receiver.get("client_id")) or text(receiver.get("id"))
    if not (chat_id or receiver_id):
        return None
    return Customer(
        chat_id=chat_id or f"user:{receiver_id}",
        phone=typed_phone(text(receiver.get("phone"))) or typed_phone(text(receiver.get("client_id"))),
        user_id=user_id(receiver.get("client_id")),
        name=text(receiver.get("name")) or None,
    )


def _content_type(message: Object, link: str | None) -> ContentType:
    kind = text(message.get("type"))
    if kind in ("", "text") and not link:
        return "template" if message.get("template") else "text"
    return TYPES.get("file" if kind in ("", "text") else kind) or ("file" if link else "unsupported")


def _details(raw: Object, message: Object, content_type: ContentType) -> Object:
    answered = an_object(an_object(message.get("reply_to")).get("message"))
    file = FILE if text(message.get("media")) else {}
    found = {
        "media": {ours: message[theirs] for ours, theirs in file.items() if message.get(theirs)},
        **{ours: message.get(theirs) for ours, theirs in KEPT.items()},
        "type": text(message.get("type")) if content_type == "unsupported" else "",
        "reply_to": text(answered.get("id")) or text(answered.get("msgid")),
        "source_id": text(an_object(raw.get("source")).get("external_id")),
        **_people(raw),
    }
    return {name: value for name, value in found.items() if value}


def _people(raw: Object) -> Object:
    """Kommo's ids of the chat and of those in it, for the calls that need them."""
    found = {
        "conversation_id": text(an_object(raw.get("conversation")).get("id")),
        "sender_id": text(an_object(raw.get("sender")).get("id")) or text(an_object(raw.get("user")).get("id")),
        "receiver_id": text(an_object(raw.get("receiver")).get("id")),
    }
    return {name: value for name, value in found.items() if value}


ACTIONS: Mapping[str, Reader] = {"typing": _typing_of, "reaction": _reaction_of}
