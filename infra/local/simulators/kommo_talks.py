"""What a simulated Kommo account knows of its talks: who is in them, and what was written, by whomever."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from infra.local.simulators.contract import Sent

PAGE_SIZE, LARGEST_PAGE = 50, 250
KNOWN = ("chat_id", "contact_id", "phone", "name")


class Talks:
    """The talks of customers who wrote, through the simulator or through a webhook of somebody else."""

    def __init__(self) -> None:
        self._talks: dict[str, dict[str, str]] = {}
        self._messages: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def one(self, talk_id: str) -> Mapping[str, str]:
        """What is known of a talk; empty where nothing is."""
        with self._lock:
            return dict(self._talks.get(talk_id, {}))

    def learn(self, message: Mapping[str, Any]) -> None:
        """Take over what a message says of its talk, and the message."""
        talk_id = str(message.get("talk_id") or "")
        if not talk_id or not message.get("chat_id"):
            return
        known = {key: str(message[key]) for key in KNOWN if key in message}
        written = str(message.get("created_at") or "")
        at = int(written) if written.isdigit() else int(time.time())
        listed = {"id": message.get("id", ""), "text": message.get("text", ""), "created_at": at}
        author = {"type": "external", "name": message.get("name", "")}
        with self._lock:
            self._talks[talk_id] = {**self._talks.get(talk_id, {}), **known}
            messages = self._messages.setdefault(talk_id, [])
            if message.get("id") and all(each["id"] != message["id"] for each in messages):
                messages.append({**listed, "type": "incoming", "author": author})

    def wrote(self, talk_id: str, sent: Sent) -> None:
        """Keep a message of ours, in whatever talk; nothing is known yet of what became of it."""
        message = {"id": sent.id, "text": sent.attempt.text, "created_at": int(sent.at), "type": "outgoing"}
        author = {"type": "bot", "name": "Ventana"}
        with self._lock:
            self._messages.setdefault(talk_id, []).append({**message, "author": author, "delivery_status": 0})

    def settled(self, talk_id: str, message_id: str, delivery_status: int) -> None:
        """Know what became of a message of ours."""
        with self._lock:
            for message in self._messages[talk_id]:
                if message["id"] == message_id:
                    message["delivery_status"] = delivery_status

    def contact(self, contact_id: str) -> dict[str, Any] | None:
        """A contact as Kommo tells it. The phone is free text, as people type it; None for a contact of no talk."""
        with self._lock:
            talk = next((talk for talk in self._talks.values() if talk.get("contact_id") == contact_id), None)
        if talk is None:
            return None
        phone = talk.get("phone", "")
        typed = f"+{phone[1:3]} {phone[3:6]}-{phone[6:]}" if phone.startswith("+") else ""
        fields = [{"field_name": "Phone", "field_code": "PHONE", "values": [{"value": typed, "enum_code": "MOB"}]}]
        return {
            "id": int(contact_id),
            "name": talk.get("name", ""),
            "custom_fields_values": fields if typed else None,
        }

    def page(self, talk_id: str, query: str) -> list[dict[str, Any]]:
        """A page of a talk's messages, newest first."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        size = min(_number(asked.get("limit"), PAGE_SIZE), LARGEST_PAGE)
        start = size * (_number(asked.get("page"), 1) - 1)
        with self._lock:
            messages = [dict(message) for message in reversed(self._messages.get(talk_id, []))]
        return messages[start : start + size]


def echo(talk_id: str, talk: Mapping[str, str], sent: Sent) -> dict[str, Any]:
    """What Kommo's hook tells of a message that we wrote."""
    return {
        "id": sent.id,
        "type": "outgoing",
        "chat_id": talk["chat_id"],
        "talk_id": talk_id,
        "contact_id": talk.get("contact_id", ""),
        "text": sent.attempt.text,
        "created_at": str(int(time.time())),
        "message_type": "text",
        "author": {"id": sent.id, "type": "bot", "name": "Ventana"},
        "origin": "waba",
    }


def _number(text: str | None, default: int) -> int:
    return max(1, int(text)) if text is not None and text.isdigit() else default
