"""Requests as the document of the API shows them."""

from __future__ import annotations

from typing import Any

CONVERSATION = "6f1cbc1e-0000-4000-8000-000000000000"
MESSAGES: dict[str, Any] = {
    "text": {
        "summary": "An answer",
        "value": {"conversation_id": CONVERSATION, "type": "text", "text": {"body": "Yes, it is in stock."}},
    },
    "template": {
        "summary": "A template, which the window does not keep back",
        "value": {
            "conversation_id": CONVERSATION,
            "type": "template",
            "template": {"name": "order_ready", "language": "es"},
        },
    },
    "template in place of a text": {
        "summary": "A text, or a template where the window is closed",
        "value": {
            "conversation_id": CONVERSATION,
            "type": "text",
            "text": {"body": "Your order is ready."},
            "if_window_closed": "template",
            "fallback_template": {"name": "order_ready", "language": "es"},
        },
    },
    "buttons": {
        "summary": "A question with buttons, to be sent tomorrow",
        "value": {
            "conversation_id": CONVERSATION,
            "type": "buttons",
            "buttons": {
                "body": "Does Friday suit you?",
                "buttons": [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}],
            },
            "send_at": "2026-11-23T09:00:00-03:00",
            "if_window_closed": "hold",
        },
    },
}
