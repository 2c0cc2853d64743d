"""Who a customer is at Kommo: talks tell which contact writes in a chat, contacts tell the phone and the name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ventana.messages import Customer, IdentityChange
from ventana.providers.kommo.form import Node
from ventana.providers.kommo.message import KOMMO, address_of, lead_of
from ventana.providers.parking import Notice, Poison
from ventana.providers.reading import an_object, moment, text

PHONE = "PHONE"
_FILLING = re.compile(r"[\s().\-\u2010-\u2015\[\]]")
_INTERNATIONAL = re.compile(r"(?:\+|00)([1-9][0-9]{7,14})")


def talk_of(account: Node, raw: Node) -> Iterator[IdentityChange]:
    """Read an item of `talk`: the talk that answers in this chat go to, and whose contact it is.

    A closed talk takes no answers, and news of its end may come after the next talk has begun: it names none.
    """
    chat, talk = text(raw.get("chat_id")), text(raw.get("talk_id"))
    if not chat:
        raise Poison("talk without known chat")
    closed = text(raw.get("is_in_work")).lower() in ("0", "false")
    yield IdentityChange(
        provider=KOMMO,
        business_address=address_of(account),
        customer=Customer(
            chat_id=chat,
            contact_id=text(raw.get("contact_id")) or None,
            lead_id=lead_of(raw) or None,
            talk_id=None if closed else talk or None,
        ),
        at=moment(raw.get("updated_at")) or moment(raw.get("created_at")),
        raw=raw,
    )


def contact_of(account: Node, raw: Node) -> Iterator[IdentityChange]:
    """Read an item of `contacts`: companies and contacts without name and phone tell nothing of a customer."""
    contact, name, number = text(raw.get("id")), text(raw.get("name")).strip(), _phone(raw)
    if not contact:
        raise Poison("contact without id")
    if not (name or number) or text(raw.get("type")) == "company":
        raise Notice("contacts")
    yield IdentityChange(
        provider=KOMMO,
        business_address=address_of(account),
        customer=Customer(contact_id=contact, phone=number, name=name or None),
        at=moment(raw.get("updated_at")) or moment(raw.get("last_modified")) or moment(raw.get("created_at")),
        raw=raw,
    )


def typed_phone(typed: str) -> str | None:
    """A number that somebody typed, in E.164; None unless it says itself which country it is of."""
    found = _INTERNATIONAL.fullmatch(_FILLING.sub("", typed))
    return f"+{found[1]}" if found else None


def _phone(raw: Node) -> str | None:
    """The first of a contact's numbers that can be dialled from anywhere."""
    fields = [an_object(field) for field in an_object(raw.get("custom_fields")).values()]
    values = [
        text(value.get("value")) if isinstance(value, dict) else text(value)
        for field in fields
        if text(field.get("code")) == PHONE
        for value in an_object(field.get("values")).values()
    ]
    return next(filter(None, map(typed_phone, values)), None)
