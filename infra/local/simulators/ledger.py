"""What the simulated providers took, what they were shown, and what should not have been asked of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from infra.local.simulators.contract import Attempt, Sent

Entry: TypeAlias = dict[str, Any]


class Ledger:
    """Everything that arrived, in order."""

    def __init__(self) -> None:
        self._sent: list[Entry] = []
        self._indications: list[Entry] = []
        self._violations: list[Entry] = []
        self._lock = threading.Lock()

    def take(self, take: Callable[[], Sent], *, fault: str | None, dropped: bool, error_code: str | None) -> Sent:
        """Have a message taken, and keep it: one at a time, so that the list has the order of the times.

        `dropped`: the sender never gets an answer; `error_code`: it fails later, with this code.
        """
        with self._lock:
            sent = take()
            entry = _described(sent.attempt)
            more = {"id": sent.id, "at": sent.at, "dropped": dropped, "fault": fault, "error_code": error_code}
            self._sent.append({**entry, **more, "raw": dict(sent.attempt.raw)})
        return sent

    def indicated(self, attempt: Attempt) -> None:
        """Keep a read mark or typing; it is about a message of the customer's."""
        entry = {"provider": attempt.provider, "kind": attempt.kind, "about": attempt.text, "at": time.time()}
        with self._lock:
            self._indications.append({**entry, "address": attempt.address, "raw": dict(attempt.raw)})

    def violated(self, rule: str, attempt: Attempt, *, refused: bool) -> None:
        """Keep what broke a rule."""
        entry = {"rule": rule, **_described(attempt), "call": attempt.call, "at": time.time(), "refused": refused}
        with self._lock:
            self._violations.append(entry)

    def sent(self, wanted: Mapping[str, str]) -> list[Entry]:
        """What was taken so far, oldest first; `wanted` are fields and their values."""
        return self._selected(self._sent, wanted)

    def indications(self, wanted: Mapping[str, str]) -> list[Entry]:
        """What was shown, oldest first."""
        return self._selected(self._indications, wanted)

    def violations(self, wanted: Mapping[str, str]) -> list[Entry]:
        """What should not have been asked, oldest first."""
        return self._selected(self._violations, wanted)

    def _selected(self, entries: list[Entry], wanted: Mapping[str, str]) -> list[Entry]:
        with self._lock:
            entries = list(entries)
        return [entry for entry in entries if all(str(entry.get(name)) == value for name, value in wanted.items())]


def _described(attempt: Attempt) -> Entry:
    return {
        "provider": attempt.provider,
        "kind": attempt.kind,
        "to": attempt.to,
        "from": attempt.sender,
        "customer": attempt.customers[0] if attempt.customers else "",
        "address": attempt.address,
        "text": attempt.text,
        "message_id": attempt.message_id,
    }
