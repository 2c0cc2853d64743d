"""The events that Ventana publishes, field by field: the source of events.json, which is for those who consume them.

    make events        writes events.json anew

Events come from the bus of the stack, with source "ventana", the name as detail-type and one of these as detail. One
may come twice, and not in order: `event_id` stays the same, and EventBridge's `time` says when it happened. A later
release of the same version may add fields, never take one away or change what it means.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from ventana.messages import ContentType, DeliveryStatus
from ventana.outbox import SCHEMA_VERSION

FILE = Path(__file__).with_name("events.json")


class Event(BaseModel):
    """What every event has. Fields with a default are left out of an event that is too large for the bus."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    event_id: UUID
    """The same however often the event comes: what to deduplicate by."""
    version: Literal[1]
    shortened: bool = False
    """Values were left out because the event would have been too large; the API has them."""


class OfConversation(Event):
    """What every event about a conversation has."""

    conversation_id: UUID
    provider: str
    """Who carries the messages of this conversation."""


class MessageReceived(OfConversation):
    """A customer wrote. It says enough to answer without a question to the API."""

    message_id: UUID
    business_address: str
    """Our number or account that the customer wrote to."""
    provider_message_id: str
    customer_name: str | None = None
    channel: str
    """What the customer writes with: whatsapp, or what else is behind the provider."""
    content_type: ContentType
    content: str = ""
    """The text, or what stands for it; its first 4096 characters."""
    details: dict[str, Any] = {}
    """Structured content in our words: buttons, location, reply, referral …"""
    files: int
    """How many files the message has; GET /v1/messages/{id} tells where they are."""
    sent_at: AwareDatetime
    """When the customer sent it, by the provider's clock."""
    conversation_status: Literal["active", "resolved", "escalated", "closed"]
    assigned_to: str | None
    opted_out: bool
    """Whether the customer wants nothing but direct answers."""
    window_closes_at: AwareDatetime | None
    """Until when free-form messages may be sent; null where this message opens no window, or the channel has none."""


class MessageStatusChanged(OfConversation):
    """A message of ours has come further, or not arrived."""

    message_id: UUID
    business_address: str | None
    status: DeliveryStatus
    previous_status: DeliveryStatus
    cause: str
    """Who said so: sender, provider, sweep, api, or whoever is named by the API's token."""
    error_code: str | None
    """The provider's code, or ours, for what went wrong."""
    error_text: str | None = None
    """What it means, in our words."""


class OfWindow(OfConversation):
    """What every event about a window has."""

    business_address: str | None
    """The address of ours that the customer wrote to: each has a window of its own."""
    last_user_message_at: AwareDatetime


class WindowClosing(OfWindow):
    """A window is about to close; told once for each window."""

    closes_at: AwareDatetime


class WindowClosed(OfWindow):
    """A window has closed: only a template may be sent. Told once for each window."""

    reason: Literal["time", "provider"]
    """time: 24 hours are over; provider: it says so, whatever the clock says."""
    closed_at: AwareDatetime


class ConversationChanged(OfConversation):
    """Somebody did something with a conversation."""

    change: Literal[
        "escalated", "assigned", "resolved", "closed", "reopened", "tagged", "noted", "opted_out", "opted_in"
    ]
    by: str
    """Who did it: "customer", a provider, or whoever is named by the API's token."""
    status: Literal["active", "resolved", "escalated", "closed"]
    assigned_to: str | None
    tags: list[str] = []
    opted_out: bool
    detail: dict[str, Any] = {}
    """What was said with it: reason, assignee, tags, note."""


class ConversationsMerged(OfConversation):
    """Two conversations turned out to be one customer's: what was the merged one's belongs to the other now."""

    merged_conversation_id: UUID


class OfAddress(Event):
    """What every event about an address of ours has."""

    provider: str
    business_address: str


class AddressStopped(OfAddress):
    """A provider refuses our account at this address: everything from there waits until somebody puts it in order."""

    error_code: str
    error_text: str | None = None


class AddressResumed(OfAddress):
    """Messages go from this address again."""

    stopped_at: AwareDatetime
    by: str
    """probe: a message went through; or whoever resumed it by the API."""


class OfFile(OfConversation):
    """What every event about a file of a message has."""

    message_id: UUID
    place: int
    """Which of the message's files, from 0."""
    reference: str | None
    """Where our copy is."""
    content_type: str | None
    bytes: int | None
    error: str | None


class MediaStored(OfFile):
    """A file that a customer sent is in our bucket."""


class MediaFailed(OfFile):
    """A file that a customer sent could not be had, or not be kept."""


EVENTS: tuple[type[Event], ...] = (
    MessageReceived,
    MessageStatusChanged,
    WindowClosing,
    WindowClosed,
    ConversationChanged,
    ConversationsMerged,
    AddressStopped,
    AddressResumed,
    MediaStored,
    MediaFailed,
)


def document() -> dict[str, Any]:
    """The content of events.json: a JSON Schema for the detail of each event, by name."""
    return {
        "title": "Events of Ventana",
        "description": " ".join((__doc__ or "").rpartition("\n\n")[2].split()),
        "source": "ventana",
        "version": SCHEMA_VERSION,
        "events": {event.__name__: _schema(event) for event in EVENTS},
    }


def _schema(event: type[Event]) -> dict[str, Any]:
    schema = event.model_json_schema()
    del schema["title"], schema["additionalProperties"]
    for field in schema["properties"].values():
        del field["title"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")
