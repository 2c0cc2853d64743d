"""What the API shows to who looks after conversations: lists, bubbles, what has changed; shape by shape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ventana.api.views import Window
from ventana.messages import DeliveryStatus
from ventana.schema.bubbles import Bubble
from ventana.schema.conversations import Conversation
from ventana.schema.lifecycle import HistoryEntry
from ventana.schema.messages import Message


@dataclass(frozen=True, slots=True)
class LastMessage:
    """The latest message of a conversation; `content` is at most its first 200 characters."""

    id: str
    role: Literal["user", "assistant", "system"]
    content: str
    content_type: str | None
    status: DeliveryStatus | None
    error_code: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """The message that a search found: its text, or the part of it that has the words."""

    message_id: str
    content: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ShownConversation(Conversation):
    """A conversation, its window, and what waits in it.

    `unread` counts what the customer wrote since we answered or somebody saw it, `waiting_since` is when they wrote
    first since our last answer.
    """

    window: Window
    unread: int
    waiting_since: datetime | None
    last_message: LastMessage | None
    found: FoundMessage | None


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Conversations, the most recently active first; `next_cursor` leads on, also behind a short page."""

    conversations: list[ShownConversation]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class WholeConversation(ShownConversation):
    """A conversation with its latest messages, oldest of them first."""

    messages: list[Message]


@dataclass(frozen=True, slots=True)
class BubblePage:
    """Messages of a conversation as people know them, the newest first; `next_cursor` leads to older ones."""

    messages: list[Bubble]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since a cursor; `cursor` is for the next call.

    `messages` and `history` are of the conversation that was named, `gone` are conversations that became part of
    another one. With `reload` there is too much to tell, and the lists are to be read anew.
    """

    cursor: str
    conversations: list[ShownConversation]
    messages: list[Bubble]
    history: list[HistoryEntry]
    gone: list[str]
    reload: bool


@dataclass(frozen=True, slots=True)
class MediaLink:
    """Where a file can be had by whoever has this link, until it expires."""

    url: str
    content_type: str
    expires_at: datetime
