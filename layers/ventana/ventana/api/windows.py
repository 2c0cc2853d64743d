"""Windows as the API shows them, at this moment."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from ventana.api import views
from ventana.api.services import Services
from ventana.schema.conversations import Conversation, find_conversation
from ventana.schema.messages import find_message
from ventana.schema.windows import AddressWindow, windows_of
from ventana.window import Window, window


def window_of(services: Services, conversation: Conversation) -> views.Window:
    """The window at the address that the customer wrote to last."""
    last = AddressWindow(
        conversation.business_address, conversation.last_user_message_at, conversation.window_closed_for
    )
    state = _at_address(services, conversation, last)
    return views.Window(**asdict(state), needs_template=state.needs_template)


def whole_window(services: Services, conversation: Conversation) -> views.ConversationWindow:
    """That, and the windows at all addresses."""
    addresses = []
    for each in windows_of(services.database, conversation.id):
        state = _at_address(services, conversation, each)
        addresses.append(
            views.AddressWindow(
                each.business_address, state.open, state.closes_at, state.minutes_left, state.needs_template
            )
        )
    shown = asdict(window_of(services, conversation))
    return views.ConversationWindow(**shown, conversation_id=conversation.id, addresses=addresses)


def closed_at(services: Services, message_id: str) -> datetime | None:
    """When the window closed that a message of ours would need; None where it never was open."""
    message = find_message(services.database, message_id)
    conversation = find_conversation(services.database, message.conversation_id) if message else None
    if message is None or conversation is None:
        return None
    for each in windows_of(services.database, conversation.id):
        if each.business_address in (message.business_address, None):
            end = _at_address(services, conversation, each).closes_at
            return min(end, datetime.now(UTC)) if end else None  # by the provider's word, or the margin
    return None


def _at_address(services: Services, conversation: Conversation, address: AddressWindow) -> Window:
    return window(
        address.last_user_message_at,
        datetime.now(UTC),
        channel=conversation.channel,
        closed_for=address.window_closed_for,
        margin=services.margin,
    )
