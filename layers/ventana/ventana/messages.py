"""The vocabulary that every provider's words are turned into, and nothing of any provider.

Inbound: a webhook is parsed into a list of `Item`s: messages, statuses, what it tells of customers, and what is parked.
Outbound: the sender hands a provider one `OutboundMessage` and gets a `Receipt` or a `SendError` (errors.py).

Phones are E.164 with their plus sign, exactly as the provider knows them; times are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from ventana.content import Content

Role = Literal["user", "assistant", "system"]
ContentType = Literal[
    "text",
    "image",
    "file",
    "voice",
    "video",
    "location",
    "contact",
    "audio",
    "sticker",
    "reaction",
    "interactive",
    "order",
    "template",
    "system",
    "unsupported",
]
DeliveryStatus = Literal[
    "received",
    "accepted",
    "held",
    "queued",
    "sending",
    "sent",
    "delivered",
    "read",
    "failed",
    "uncertain",
    "expired",
    "cancelled",
]
ReportedStatus = Literal["sending", "sent", "delivered", "read", "failed"]
"""The part of `DeliveryStatus` that a provider may report."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Who wrote, by every name under which the provider knows them; at least one of the first three is set.

    `phone` may be missing for ever (WhatsApp usernames); `user_id` is Meta's and Twilio's business-scoped id
    (`US.1349…`); `chat_id` is Kommo's and, for Kommo, the key of the conversation.
    """

    phone: str | None = None
    user_id: str | None = None
    chat_id: str | None = None
    name: str | None = None
    contact_id: str | None = None
    lead_id: str | None = None
    talk_id: str | None = None
    """Kommo's current talk, which answers are addressed to; it changes when a closed talk is reopened."""


@dataclass(frozen=True, slots=True)
class Media:
    """A file of a message, still at the provider: an address (`url`) or an id there to ask the address for."""

    url: str | None = None
    id: str | None = None
    mime_type: str | None = None
    sha256: str | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message that a provider told us about: the customer's, or an echo of one that our side wrote.

    `business_address` is the number or account that it was sent to (Twilio `To` in E.164, Meta phone_number_id,
    Kommo account id). `sent_at` is None where the provider tells no time; arrival is taken then.
    `details` holds structured content in our words (buttons, location, media type, reply, referral …);
    `raw` the provider's own item, whole. `opens_window` is False for what WhatsApp does not count as writing:
    reactions, edits, deletions, system notes, and everything that our side wrote.
    """

    provider: str
    business_address: str
    provider_message_id: str
    customer: Customer
    content_type: ContentType
    content: str = ""
    role: Role = "user"
    sent_at: datetime | None = None
    media_url: str | None = None
    channel: str = "whatsapp"
    opens_window: bool = True
    media: tuple[Media, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What a provider says became of a message that we sent.

    `message_id` is our own id where the provider carries it back, which settles the status even before the
    provider's id has been stored. Why it failed, where that has consequences: `window_shut`, the provider holds the
    window for shut; `opted_out`, the customer wants no such messages; `retryable`, it was never handed to the customer
    and may be sent again.
    """

    provider: str
    business_address: str
    provider_message_id: str
    status: ReportedStatus
    at: datetime | None = None
    message_id: str | None = None
    error_code: str | None = None
    error_text: str | None = None
    window_shut: bool = False
    opted_out: bool = False
    retryable: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """A provider tells by which names it knows a customer now, without a message: a new number, a rotated id, the
    phone behind a contact.

    `previous` holds names that no longer lead to the customer; both lead to one conversation from then on, whichever
    order messages and changes come in. Names that are not set stay as they are.
    """

    provider: str
    business_address: str
    customer: Customer
    previous: Customer | None = None
    at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preference:
    """A customer stopped or resumed messages that are not direct answers (marketing)."""

    provider: str
    business_address: str
    customer: Customer
    opted_out: bool
    at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parked:
    """An item that was really sent by the provider and is kept whole instead of being acted on.

    `kind` "poison": we could not understand it, and an operator should look; "notice": known and of no consequence for
    conversations. `body` is a webhook body of the provider with this item alone (or the body as it came, where it
    could not even be taken apart), so that `parse` can be given it again after a fix. `reason` is a short phrase of
    ours without anything of the payload in it.
    """

    provider: str
    reason: str
    body: bytes
    content_type: str = "application/json"
    kind: Literal["poison", "notice"] = "poison"


Item: TypeAlias = InboundMessage | StatusUpdate | IdentityChange | Preference | Parked


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One answer, claimed from the table and ready to be handed to a provider.

    `id` is the row of kommo_messages; `reply_to` the provider's id of the message that it answers or reacts to;
    `options` what the caller wants in the provider's own words, over what the adapter makes; `status_url` is where the
    provider may report what became of it, our id included, for providers that are told so with each message.
    """

    id: str
    conversation_id: str
    provider: str
    business_address: str
    customer: Customer
    content: Content
    status_url: str
    reply_to: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A provider took the message: its id there, and how far the provider says that it has come.

    `status` is "sending" where delivery is reported later, "sent" where the answer is the last word.
    """

    provider_message_id: str
    status: Literal["sending", "sent"] = "sending"
