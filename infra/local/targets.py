"""Hands events from the bus to functions, as EventBridge's rules do: each on its own, again where a function fails."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from infra.local.functions import Function
from infra.local.intrinsics import TemplateError
from infra.local.template import Rule

TRIES = 3
"""As Lambda makes for an event that nobody waits for the answer of."""


class Targets:
    """The functions behind the rules of a bus."""

    def __init__(self, rules: Sequence[Rule], functions: Mapping[str, Function]) -> None:
        self._rules, self._functions = rules, functions

    def hand_over(self, event: Mapping[str, Any]) -> None:
        """Have every function that a rule names take the event. Returns at once."""
        for rule in self._rules:
            if matches(rule.pattern, event):
                carry = threading.Thread(
                    target=self._carry, args=(rule.function, event), name=f"rule-{rule.function}", daemon=True
                )
                carry.start()

    def _carry(self, function: str, event: Mapping[str, Any]) -> None:
        for _ in range(TRIES):
            if self._functions[function].invoke(event).error is None:
                return


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether an event is as a pattern of exact values wants it. Raises TemplateError for any other kind of pattern."""
    return all(_matches(wanted, event.get(name), name) for name, wanted in pattern.items())


def _matches(wanted: Any, found: Any, name: str) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and matches(wanted, found)
    if not isinstance(wanted, list) or any(isinstance(value, Mapping) for value in wanted):
        raise TemplateError(f"the local bus does not understand the pattern of {name}")
    return any(value in wanted for value in (found if isinstance(found, list) else [found]))
