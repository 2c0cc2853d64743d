"""What the API answers with, shape by shape; the document of the API is made from these."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import RootModel

from ventana.messages import DeliveryStatus
from ventana.schema.conversations import ProviderStatistics
from ventana.schema.lifecycle import HistoryEntry
from ventana.schema.message_pages import ListedMessage
from ventana.schema.messages import Message, StatusChange
from ventana.schema.parked import ParkedHead


@dataclass(frozen=True, slots=True)
class Accepted:
    """The messages of a request, in order (`id` is the first), and what was decided about them."""

    id: str
    ids: list[str]
    status: Literal["accepted", "held"]
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message and its delivery status now."""

    id: str
    status: DeliveryStatus


@dataclass(frozen=True, slots=True)
class Indicated:
    """What the customer is shown at their message."""

    id: str
    shown: Literal["read", "typing"]


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, the newest first; `next_cursor` leads on, also behind a page that is short, and is null at the end."""

    messages: list[ListedMessage]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class WholeMessage(Message):
    """A message, how its delivery goes, and what its sender wished; where it is the customer's the wishes are null.

    `message` is what was to be sent and `sent_as` the template that goes or went in its place, both as in a request.
    `attempts` counts how often it was given to the provider, `next_try_at` is when that happens again at the earliest.
    `replaces` and `replaced_by` lead to the message that failed before it, and to the one that goes in its place.
    """

    status: DeliveryStatus | None
    history: list[StatusChange]
    message: dict[str, Any] | None
    sent_as: dict[str, Any] | None
    reply_to: str | None
    if_window_closed: Literal["reject", "template", "hold"] | None
    fallback_template: dict[str, Any] | None
    lane: Literal["reply", "bulk"] | None
    send_at: datetime | None
    expires_at: datetime | None
    attempts: int
    next_try_at: datetime | None
    accepted_by: str | None
    replaces: str | None
    replaced_by: str | None


@dataclass(frozen=True, slots=True)
class Window:
    """Whether free text may be sent, and how long still."""

    open: bool
    closes_at: datetime | None
    minutes_left: int | None
    last_user_message_at: datetime | None
    needs_template: bool


@dataclass(frozen=True, slots=True)
class AddressWindow:
    """The window at one of our addresses; none is named where the customer has written to none yet."""

    business_address: str | None
    open: bool
    closes_at: datetime | None
    minutes_left: int | None
    needs_template: bool


@dataclass(frozen=True, slots=True)
class ConversationWindow(Window):
    """The window at the address that the customer wrote to last, and those at every address."""

    conversation_id: str
    addresses: list[AddressWindow]


@dataclass(frozen=True, slots=True)
class Changed:
    """Whether it is otherwise now than it was."""

    conversation_id: str
    changed: bool


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """What was done with a conversation, the latest first."""

    conversation_id: str
    history: list[HistoryEntry]


@dataclass(frozen=True, slots=True)
class Address:
    """One of our addresses; `stopped_at` says since when the provider refuses our account, and code and text why."""

    provider: str
    address: str
    messages_per_second: float | None
    fallback_template: dict[str, Any] | None
    slowed_until: datetime | None
    stopped_at: datetime | None
    stopped_code: str | None
    stopped_text: str | None
    probe_at: datetime | None


@dataclass(frozen=True, slots=True)
class AddressPage:
    """Every address that has sent or was set up."""

    addresses: list[Address]


@dataclass(frozen=True, slots=True)
class Resumed:
    """Whether the address was stopped or slowed."""

    provider: str
    address: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class ParkedPage:
    """Items that were kept instead of being acted on, the latest first."""

    parked: list[ParkedHead]


@dataclass(frozen=True, slots=True)
class WholeParked(ParkedHead):
    """A parked item with what the provider sent (`body`), or in our words where the database refused it (`item`)."""

    body: str | None
    content_type: str | None
    item: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a parked item, entry by entry."""

    id: str
    replayed: bool
    outcomes: list[str]
    message_ids: list[str]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Every provider, zeros included."""

    providers: list[ProviderStatistics]


class Document(RootModel[dict[str, Any]]):
    """This document."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the token's caller is, as histories name them; whether they may change anything, or only look."""

    name: str
    may_write: bool


@dataclass(frozen=True, slots=True)
class Health:
    """The database answers."""

    status: Literal["ok"]
