"""From Meta's webhook to our words: every entry, change, message and status, each on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ventana.messages import Customer, InboundMessage, Item, Parked, ReportedStatus, StatusUpdate
from ventana.providers.base import RawRequest
from ventana.providers.meta.codes import CODES
from ventana.providers.meta.content import Content, content_of, details_of
from ventana.providers.reading import (
    Object,
    an_object,
    decoded_json,
    each,
    moment,
    objects,
    phone,
    picked,
    text,
    user_id,
    uuid,
    word,
)
from ventana.providers.refusal import meaning, shuts_window

META = "meta"
STATUS: dict[str, ReportedStatus] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",  # a voice note was listened to
    "failed": "failed",
}
IGNORED_STATUSES = {"deleted", "warning"}  # of the first years of the API, without a meaning for delivery


@dataclass(frozen=True, slots=True)
class _Value:
    """What the messages and statuses of one change share."""

    business_address: str
    contacts: list[Object]
    errors: list[Any]


def parse(request: RawRequest) -> list[Item]:
    """Read a POST: up to a thousand updates for different numbers may share one."""
    try:
        payload = decoded_json(request.body)
    except ValueError:
        return [Parked(META, "body is not JSON", request.body)]
    if not isinstance(payload, dict) or not isinstance(payload.get("entry"), list):
        return [Parked(META, "body has no entries", request.body)]
    return [item for entry in payload["entry"] for item in _entry(entry)]


def _entry(entry: Any) -> Iterator[Item]:
    changes = an_object(entry).get("changes")
    if not isinstance(changes, list):
        yield Parked(META, "entry has no changes", {"entry": entry})
        return
    for change in changes:
        value = an_object(change).get("value")
        field = text(an_object(change).get("field")) or "messages"
        if field in FIELDS and isinstance(value, dict) and not READ.isdisjoint(value):
            yield from _value(value)
        else:
            yield Parked(META, f"notice: {word(field)}", {"entry": picked(entry, ("id", "time")), "change": change})


def _value(value: Object) -> Iterator[Item]:
    shared = _Value(
        business_address=text(an_object(value.get("metadata")).get("phone_number_id")),
        contacts=[contact for contact in objects(value.get("contacts")) if isinstance(contact, dict)],
        errors=objects(value.get("errors")),
    )
    reported = False
    for name, raws in value.items():
        if name not in READERS:
            continue
        if not isinstance(raws, list):
            yield Parked(META, f"{name} is no list", {name: raws})
            continue
        for item in each(META, raws, partial(READERS[name], shared)):
            reported = reported or (isinstance(item, InboundMessage) and "errors" in item.details)
            yield item
    if shared.errors and not reported:
        code = word(text(an_object(shared.errors[0]).get("code")))
        yield Parked(META, f"errors: {code}", picked(value, ("metadata", "errors")))


def _message(value: _Value, raw: Object) -> Item:
    content = content_of(raw)
    sender = _customer(raw.get("from"), raw.get("from_user_id"), value.contacts)
    if sender is None and content.role == "system":
        changed = an_object(raw.get("system"))  # an id change may name nobody but here
        sender = _customer(None, changed.get("previous_user_id"), []) or _customer(
            changed.get("wa_id"), changed.get("user_id"), []
        )
    return _inbound(value, raw, sender, content)


def _echo(value: _Value, raw: Object) -> Item:
    """A message that somebody wrote in the Business app on the same number: ours, and it opens nothing."""
    content = replace(content_of(raw), role="assistant", opens_window=False)
    return _inbound(value, raw, _customer(raw.get("to"), raw.get("to_user_id"), value.contacts), content)


def _inbound(value: _Value, raw: Object, customer: Customer | None, content: Content) -> Item:
    message_id = text(raw.get("id"))
    if not (message_id and customer and value.business_address):
        missing = "id" if not message_id else "known address" if customer else "known customer"
        return Parked(META, f"message without {missing}", {"business_address": value.business_address, "message": raw})
    details = {**content.details, **details_of(raw)}
    if content.content_type == "unsupported" and value.errors:
        details.setdefault("errors", value.errors)
    return InboundMessage(
        provider=META,
        business_address=value.business_address,
        provider_message_id=message_id,
        customer=customer,
        content_type=content.content_type,
        content=content.content,
        role=content.role,
        sent_at=moment(raw.get("timestamp")),
        media_url=content.media_url,
        # A group has a window of its own; writing there does not let us write to the person.
        opens_window=content.opens_window and "group_id" not in details,
        details=details,
        raw=raw,
    )


def _customer(address: object, scoped_id: object, contacts: list[Object]) -> Customer | None:
    """Who it is, by number, by id or both; the contact is found by them, never by its position in the list."""
    ids = {text(address), text(scoped_id)} - {""}
    contact = next((c for c in contacts if {text(c.get("wa_id")), text(c.get("user_id"))} & ids), {})
    profile = an_object(contact.get("profile"))
    customer = Customer(
        phone=phone(address) or phone(contact.get("wa_id")),
        user_id=text(scoped_id) or user_id(address) or text(contact.get("user_id")) or None,
        name=text(profile.get("name")) or text(profile.get("username")) or None,
    )
    return customer if customer.phone or customer.user_id else None


def _status(value: _Value, raw: Object) -> Item | None:
    status = text(raw.get("status"))
    if status in IGNORED_STATUSES:
        return None
    if status not in STATUS or not text(raw.get("id")):
        return Parked(META, "status not known", {"business_address": value.business_address, "status": raw})
    error = an_object(next(iter(objects(raw.get("errors"))), None))
    code = text(error.get("code")) or None
    return StatusUpdate(
        provider=META,
        business_address=value.business_address,
        provider_message_id=text(raw["id"]),
        status=STATUS[status],
        at=moment(raw.get("timestamp")),
        message_id=uuid(raw.get("biz_opaque_callback_data")),
        error_code=code,
        error_text=_error_text(error) or meaning(code, CODES),
        window_shut=shuts_window(code, CODES),
        raw=raw,
    )


def _error_text(error: Object) -> str | None:
    details = an_object(error.get("error_data")).get("details")
    parts = [text(error.get("title")) or text(error.get("message")), text(details)]
    return ": ".join(dict.fromkeys(part for part in parts if part))[:500] or None


FIELDS = {"messages", "smb_message_echoes"}
READERS: Mapping[str, Callable[[_Value, Object], Item | None]] = {
    "messages": _message,
    "message_echoes": _echo,
    "statuses": _status,
}
READ = {*READERS, "errors"}
