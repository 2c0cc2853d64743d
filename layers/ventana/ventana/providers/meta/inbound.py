"""One message of Meta's: the customer's, a note of WhatsApp's own, or an echo of the Business app's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ventana.messages import Customer, InboundMessage, Item
from ventana.providers.meta.content import Content, content_of, details_of
from ventana.providers.meta.envelope import META, Change
from ventana.providers.meta.identity import customer_of, identity_in_note
from ventana.providers.parking import Poison
from ventana.providers.reading import Object, an_object, moment, text


def message_of(change: Change, raw: Object) -> Iterator[Item]:
    """Read a message to us; a note about a new number or id also tells how to find the customer from now on."""
    content = content_of(raw)
    sender = customer_of(raw.get("from"), raw.get("from_user_id"), change.contacts)
    if sender is None and content.role == "system":
        changed = an_object(raw.get("system"))  # an id change may name nobody but here
        sender = customer_of(None, changed.get("previous_user_id"), []) or customer_of(
            changed.get("wa_id"), changed.get("user_id"), []
        )
    yield _message(change, raw, sender, content)
    if content.role == "system":
        yield from identity_in_note(change, raw)


def echo_of(change: Change, raw: Object) -> Iterator[Item]:
    """Read a message that somebody wrote in the Business app on the same number: ours, and it opens nothing."""
    content = replace(content_of(raw), role="assistant", opens_window=False)
    yield _message(change, raw, customer_of(raw.get("to"), raw.get("to_user_id"), change.contacts), content)


def _message(change: Change, raw: Object, customer: Customer | None, content: Content) -> InboundMessage:
    message_id = text(raw.get("id"))
    if not (message_id and customer and change.business_address):
        missing = "id" if not message_id else "known address" if customer else "known customer"
        raise Poison(f"message without {missing}")
    details = {**content.details, **details_of(raw)}
    if content.content_type == "unsupported" and change.errors:
        details.setdefault("errors", change.errors)
    return InboundMessage(
        provider=META,
        business_address=change.business_address,
        provider_message_id=message_id,
        customer=customer,
        content_type=content.content_type,
        content=content.content,
        role=content.role,
        sent_at=moment(raw.get("timestamp")),
        media_url=next((file.url for file in content.media), None),
        # A group has a window of its own; writing there does not let us write to the person.
        opens_window=content.opens_window and "group_id" not in details,
        media=content.media,
        details=details,
        raw=raw,
    )
