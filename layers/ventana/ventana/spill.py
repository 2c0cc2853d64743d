"""What waits in the spill queue while the database does not answer: entries, and how items become entries and back.

An entry holds consecutive items of one conversation, exactly as record_inbound_v1 takes them, and when they arrived:
{"received_at": …, "items": […]}. Entries of one conversation share a group, within which the queue keeps order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from ventana.messages import Item
from ventana.schema.inbound import as_json, dumped

LARGEST = 250_000
"""Bytes of an entry that goes into a queue message: SQS takes 256 KiB, for all messages of a call together."""
MOST_ITEMS = 100
"""Items of an entry: the drain records it in one statement, which has to end in time."""
FRAME = 100
"""Bytes of an entry around its items, and more."""
NAMES = ("chat_id", "user_id", "phone", "contact_id")


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the queue. `body` is ASCII, so that its characters are its bytes."""

    group: str
    body: str

    @property
    def ticket(self) -> str:
        """Equal for an entry that is put again because the answer was lost, so that it is queued once."""
        return _hashed(f"{self.group}:{self.body}")


@dataclass(frozen=True, slots=True)
class Spilled:
    """An entry as it is read: items for `record_json`, and when they arrived."""

    received_at: datetime
    items: list[dict[str, Any]]


def entries_of(items: Sequence[Item], received_at: datetime) -> list[Entry]:
    """Pack items into as few entries as order and size allow; only a single item may be too large for one."""
    groups: dict[str, list[str]] = {}
    for item in items:
        content = as_json(item)
        text = dumped(content, ascii_only=True)
        groups.setdefault(_group(content, text), []).append(text)
    return [
        # A later part of the same webhook stays later, as it is when all of it is recorded at once.
        Entry(group, _body(received_at + timedelta(microseconds=place), texts))
        for group, all_texts in groups.items()
        for place, texts in _parts(all_texts)
    ]


def read_entry(body: str) -> Spilled:
    """The entry in a message. Raises ValueError for what is none of ours."""
    content = json.loads(body)
    try:
        received_at, items = datetime.fromisoformat(content["received_at"]), content["items"]
    except (KeyError, TypeError) as error:
        raise ValueError("no spill entry") from error
    if received_at.tzinfo is None or not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("no spill entry")
    return Spilled(received_at, items)


def _group(item: Mapping[str, Any], text: str) -> str:
    """A hash of what the item's order depends on: its conversation, or the message that a status is about."""
    customer = item.get("previous") or item.get("customer") or {}
    by_name = next((customer[name] for name in NAMES if customer.get(name)), None)
    return _hashed(f"{item['provider']}:{by_name or item.get('provider_message_id') or text}")


def _parts(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Consecutive texts that fit together, each with the place of its first."""
    place, size, part = 0, FRAME, list[str]()
    for text in texts:
        if part and (size + len(text) > LARGEST or len(part) == MOST_ITEMS):
            yield place, part
            place, size, part = place + len(part), FRAME, []
        part.append(text)
        size += len(text) + 1
    yield place, part


def _body(received_at: datetime, texts: Sequence[str]) -> str:
    return f'{{"received_at":"{received_at.isoformat()}","items":[{",".join(texts)}]}}'


def _hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()
