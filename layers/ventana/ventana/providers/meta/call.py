"""A customer's call. It opens the window like a message, whether it was answered or not.

Each event of a call comes by itself and in any order; all carry the call's id, so that they become one row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ventana.messages import InboundMessage, Item
from ventana.providers.meta.envelope import META, Change
from ventana.providers.meta.identity import customer_of
from ventana.providers.parking import Notice, Poison
from ventana.providers.reading import Object, an_object, moment, picked, text

DETAILS = ("event", "status", "direction", "duration", "start_time", "end_time", "errors")


def call_of(change: Change, raw: Object) -> Iterator[Item]:
    """Read one event of a call; calls that we made, or of unknown direction, are notices."""
    if not _from_customer(change, raw):
        raise Notice("calls")
    call_id = text(raw.get("id"))
    customer = customer_of(raw.get("from"), raw.get("from_user_id"), change.contacts)
    if not (call_id and customer and change.business_address):
        missing = "id" if not call_id else "known address" if customer else "known customer"
        raise Poison(f"call without {missing}")
    yield InboundMessage(
        provider=META,
        business_address=change.business_address,
        provider_message_id=call_id,
        customer=customer,
        content_type="system",
        # The end of a call comes with the time of its end, and the window counts from the call itself.
        sent_at=moment(raw.get("start_time")) or moment(raw.get("timestamp")),
        details={"call": picked(raw, DETAILS)},
        raw=raw,
    )


def no_call_of(change: Change, raw: Object) -> Iterator[Item]:
    """Read the status of a call: only calls that we made have any."""
    raise Notice("calls")


def _from_customer(change: Change, raw: Object) -> bool:
    """By the call's own word; where it has none, by whom it went to: our number, in whatever form it is displayed."""
    direction = text(raw.get("direction")).upper()
    if direction:
        return direction == "USER_INITIATED"
    ours = _digits(an_object(change.value.get("metadata")).get("display_phone_number"))
    return bool(ours) and _digits(raw.get("to")) == ours != _digits(raw.get("from"))


def _digits(number: object) -> str:
    return re.sub(r"[^0-9]", "", text(number))
