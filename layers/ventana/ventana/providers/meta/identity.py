"""Who a customer is at Meta: a number, a business-scoped id, or both; and how the two change.

The id is made anew when the customer changes the number. Meta tells so by a note among the messages, which may name
neither the sender's number nor id, and by a webhook field of its own, with the old id beside the new one.
"""

from __future__ import annotations

from collections.abc import Iterator

from ventana.messages import Customer, IdentityChange
from ventana.providers.meta.envelope import META, Change
from ventana.providers.parking import Poison
from ventana.providers.reading import Object, an_object, moment, phone, text, user_id

SAME_CUSTOMER = {"customer_identity_changed"}
"""Notes about a new device: the number and the id stay as they are."""


def customer_of(address: object, scoped_id: object, contacts: list[Object]) -> Customer | None:
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


def identity_of(change: Change, raw: Object) -> Iterator[IdentityChange]:
    """Read an entry of `user_id_update`: the id that was and the one that is."""
    ids = an_object(raw.get("user_id"))
    customer = customer_of(raw.get("wa_id"), ids.get("current"), change.contacts)
    if not (text(ids.get("current")) and customer and change.business_address):
        missing = "known address" if customer and text(ids.get("current")) else "new id"
        raise Poison(f"change of id without {missing}")
    yield _changed(change, raw, customer, customer_of(None, ids.get("previous"), []))


def identity_in_note(change: Change, raw: Object) -> Iterator[IdentityChange]:
    """Read what a system message says about a new number or id; nothing where it is about something else.

    Its sender is the customer as we know them: the old number and, as far as it is given, the old id.
    """
    note = an_object(raw.get("system"))
    if text(note.get("type")) in SAME_CUSTOMER:
        return
    number = phone(note.get("wa_id")) or phone(note.get("new_wa_id"))  # the latter was its name in earlier versions
    customer = customer_of(number, note.get("user_id"), [])
    previous = customer_of(raw.get("from"), text(note.get("previous_user_id")) or raw.get("from_user_id"), [])
    if customer and (previous or (customer.phone and customer.user_id)):
        yield _changed(change, raw, customer, previous)


def _changed(change: Change, raw: Object, customer: Customer, previous: Customer | None) -> IdentityChange:
    """Of the earlier names only those are kept that no longer hold."""
    gone = Customer(
        phone=previous.phone if previous and previous.phone != customer.phone else None,
        user_id=previous.user_id if previous and previous.user_id != customer.user_id else None,
    )
    return IdentityChange(
        provider=META,
        business_address=change.business_address,
        customer=customer,
        previous=gone if gone.phone or gone.user_id else None,
        at=moment(raw.get("timestamp")),
        raw=raw,
    )
