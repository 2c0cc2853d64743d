"""What tests told the providers to do wrong, and which call it happens to."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PROVIDERS = ("kommo", "meta", "twilio")
Call = Literal["send", "indication", "question"]
CALLS: tuple[Call, ...] = ("send", "indication", "question")
CALL_MODES = ("http_400", "http_401", "http_429", "http_500", "error_code", "hang", "refuse", "accept_then_drop")
STATUS_MODES = ("lose_statuses", "double_statuses", "shuffle_statuses", "delay_statuses")
MAY_BE_TAKEN = ("http_500", "hang")
WINDOW_CODES = frozenset({"63016", "131047"})
"""Codes that really come as a status, after the send was taken."""
DEFAULT_CODES = {"twilio": "63016", "meta": "131047", "kommo": "422"}


def bare(address: str) -> str:
    """A phone or user id in one form: without the channel's name before it, and without a plus sign."""
    return address.removeprefix("whatsapp:").removeprefix("+")


@dataclass(frozen=True)
class Fault:
    """One misbehaviour. `taken`: the message is taken all the same; `statuses`: and what becomes of it is reported."""

    mode: str
    code: str = ""
    when: Literal["sync", "status"] = "sync"
    seconds: float = 0.0
    taken: bool = False
    statuses: bool = True


@dataclass
class Order:
    """A fault and whom it hits: every `every`-th call of the kind, to this customer and from this address if given.

    `left` is how often still; None: until it is taken back.
    """

    fault: Fault
    call: Call = "send"
    to: str | None = None
    address: str | None = None
    every: int = 1
    left: int | None = 1
    met: int = 0

    def fits(self, call: Call, customers: Iterable[str], address: str) -> bool:
        """Whether it is meant for such a call."""
        to_fits = self.to is None or bare(self.to) in map(bare, customers)
        from_fits = self.address is None or bare(self.address) == bare(address)
        return self.call == call and to_fits and from_fits

    def hits(self) -> bool:
        """Count one such call; whether it is this one's turn."""
        self.met += 1
        if self.left == 0 or self.met % self.every:
            return False
        self.left = None if self.left is None else self.left - 1
        return True


class Faults:
    """The orders for each provider, in the order in which they were given."""

    def __init__(self) -> None:
        self._orders: dict[str, list[Order]] = {name: [] for name in PROVIDERS}
        self._lock = threading.Lock()

    def add(self, provider: str, order: Order) -> None:
        """Let calls go wrong from now on."""
        with self._lock:
            self._orders[provider].append(order)

    def forget(self, provider: str) -> None:
        """Take back all that waits for this provider."""
        with self._lock:
            self._orders[provider].clear()

    def waiting(self) -> list[tuple[str, str, int | None]]:
        """Provider, mode, and how often still, of what has not happened yet; None: until it is taken back."""
        with self._lock:
            found = ((name, order) for name, orders in self._orders.items() for order in orders)
            return [(name, order.fault.mode, order.left) for name, order in found if order.left != 0]

    def of_call(self, provider: str, call: Call, customers: Iterable[str] = (), address: str = "") -> Fault | None:
        """What shall go wrong with this call: at most one thing."""
        with self._lock:
            for order in self._orders[provider]:
                if order.fault.mode in CALL_MODES and order.fits(call, customers, address) and order.hits():
                    return order.fault
        return None

    def of_statuses(self, provider: str, customers: Iterable[str], address: str) -> list[Fault]:
        """What shall go wrong with the statuses of a message that was taken."""
        with self._lock:
            return [
                order.fault
                for order in self._orders[provider]
                if order.fault.mode in STATUS_MODES and order.fits("send", customers, address) and order.hits()
            ]
