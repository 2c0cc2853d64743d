"""What a simulated Kommo account knows of its talks: who is in them, and what was written, by whomever.

A chat has one talk that is open. A customer's message in a new one closes the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

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

    def is_closed(self, talk_id: str) -> bool:
        """Whether answers go into another talk of the chat by now."""
        with self._lock:
            return not self._talks.get(talk_id, {}).get("open", "yes")

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
            for talk in self._talks.values():
                talk["open"] = "" if talk["chat_id"] == known["chat_id"] else talk["open"]
            talk = self._talks.setdefault(talk_id, {"created_at": str(at)})
            talk |= {**known, "open": "yes", "updated_at": str(max(at, int(talk.get("updated_at", "0"))))}
            messages = self._messages.setdefault(talk_id, [])
            if message.get("id") and all(each["id"] != message["id"] for each in messages):
                messages.append({**listed, "type": "incoming", "author": author})

    def wrote(self, talk_id: str, sent: Sent) -> None:
        """Keep a message of ours, in whatever talk; nothing is known yet of what became of it."""
        message = {"id": sent.id, "text": sent.attempt.text, "created_at": int(sent.at), "type": "outgoing"}
        author = {"type": "bot", "name": "Ventana"}
        with self._lock:
            self._messages.setdefault(talk_id, []).append({**message, "author": author, "delivery_status": 0})
            if talk_id in self._talks:
                self._talks[talk_id]["updated_at"] = str(int(sent.at))

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

    def messages(self, talk_id: str) -> list[dict[str, Any]]:
        """A talk's messages, newest first."""
        with self._lock:
            return [dict(message) for message in reversed(self._messages.get(talk_id, []))]

    def listed(self, contacts: Collection[str]) -> list[dict[str, Any]]:
        """The talks of these contacts, or all, as Kommo tells of them; the one that changed last comes first."""
        with self._lock:
            found = [
                {
                    "talk_id": talk_id,
                    "chat_id": talk["chat_id"],
                    "contact_id": talk.get("contact_id", ""),
                    "created_at": int(talk["created_at"]),
                    "updated_at": int(talk["updated_at"]),
                    "is_in_work": bool(talk["open"]),
                }
                for talk_id, talk in self._talks.items()
                if not contacts or talk.get("contact_id") in contacts
            ]
        return sorted(found, key=lambda talk: talk["updated_at"], reverse=True)


def page(name: str, entries: list[dict[str, Any]], asked: Mapping[str, list[str]]) -> dict[str, Any] | None:
    """A page of a list, by what was asked for; None where nothing is on it."""
    size = min(_number(asked.get("limit"), PAGE_SIZE), LARGEST_PAGE)
    number = _number(asked.get("page"), 1)
    shown = entries[size * (number - 1) : size * number]
    following = {"next": {"href": f"?page={number + 1}"}} if entries[size * number :] else {}
    return {"_page": number, "_links": following, "_embedded": {name: shown}} if shown else None


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


def _number(given: list[str] | None, default: int) -> int:
    return max(1, int(given[0])) if given and given[0].isdigit() else default
