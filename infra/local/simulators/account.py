"""What a simulated provider's account holds: where its webhooks go, how its numbers are, what our token may do.

At first it is as `make connect` leaves it. `POST /account` changes it as somebody in the provider's console would. What
a customer writes comes to the gateway only while the webhook leads there; statuses of what we sent always do.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

Refusal = Literal["credentials", "rights"]
REFUSALS: tuple[Refusal, ...] = ("credentials", "rights")
State = dict[str, Any]


class Account:
    """One account's state. `refuse` lets every call about it be refused, as with a wrong token or too few rights."""

    def __init__(self, connected: Callable[[], State], unconnected: Mapping[str, Any]) -> None:
        self._connected, self._unconnected = connected, unconnected
        self._lock = threading.Lock()
        self._state = connected()
        self.refuse: Refusal | None = None

    @property
    def state(self) -> State:
        """A copy."""
        with self._lock:
            return copy.deepcopy(self._state)

    @property
    def delivers(self) -> bool:
        """Whether customers' messages come to the gateway."""
        raise NotImplementedError

    def change(self, changes: Mapping[str, Any]) -> None:
        """Merge these into it: objects by their keys, everything else replaced; a key with null is taken away."""
        with self._lock:
            self._state = _merged(self._state, changes)

    def reset(self) -> None:
        """Be connected and in good order again."""
        with self._lock:
            self._state, self.refuse = self._connected(), None

    def disconnect(self) -> None:
        """Be as if nobody had ever set a webhook."""
        self.change(self._unconnected)


def _merged(old: State, new: Mapping[str, Any]) -> State:
    found = dict(old)
    for name, value in new.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(found.get(name), dict):
            found[name] = _merged(found[name], value)
        else:
            found[name] = copy.deepcopy(value)
    return found
