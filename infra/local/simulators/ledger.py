"""What simulated providers took, and what tests told them to do wrong."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

PROVIDERS = ("kommo", "meta", "twilio")
MODES = ("http_500", "http_429", "error_code", "hang", "accept_then_drop")
WINDOW_CODES = frozenset({"63016", "131047"})
"""Codes that really come as a status, after the send was taken."""
DEFAULT_CODES = {"twilio": "63016", "meta": "131047", "kommo": "422"}


@dataclass(frozen=True)
class Sent:
    """One message that a provider took."""

    provider: str
    id: str
    to: str
    sender: str
    text: str
    raw: Mapping[str, Any]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Fault:
    """One misbehaviour, for one send."""

    mode: str
    code: str
    when: Literal["sync", "status"]
    seconds: float


class Ledger:
    """Everything that was taken, in order."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, sent: Sent, *, dropped: bool) -> None:
        """Keep one; `dropped` when the sender never got an answer."""
        entry = {
            "provider": sent.provider,
            "id": sent.id,
            "to": sent.to,
            "from": sent.sender,
            "text": sent.text,
            "at": sent.at.isoformat(),
            "dropped": dropped,
            "raw": dict(sent.raw),
        }
        with self._lock:
            self._entries.append(entry)

    def entries(self) -> list[dict[str, Any]]:
        """What was taken so far, oldest first."""
        with self._lock:
            return list(self._entries)


class Faults:
    """The misbehaviours that wait for the next sends, by provider, in the order they were asked for."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = {name: deque() for name in PROVIDERS}

    def add(self, provider: str, fault: Fault, count: int) -> None:
        """Let the next `count` sends go wrong; 0 forgets everything that waits for this provider."""
        if count == 0:
            self._waiting[provider].clear()
        self._waiting[provider].extend([fault] * count)

    def take(self, provider: str) -> Fault | None:
        """What shall go wrong with this send."""
        try:
            return self._waiting[provider].popleft()
        except IndexError:
            return None
