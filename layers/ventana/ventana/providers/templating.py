"""Templates that a provider has approved, as callers see and send them.

A parameter stands as `{{key}}` wherever its value goes: in header, body and `send`. So whoever fills all of them by the
same replacement has a preview and a request at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s][^{}]*?)\s*\}\}")


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """What is to be filled in, and what the template's author gave as an example."""

    key: str
    example: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateButton:
    """A button that the customer sees: quick_reply, url, phone, copy_code or other."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class OfferedTemplate:
    """An approved template; `send` is the `template` object of POST /v1/messages.

    `address` is the one of ours that it may be sent from; empty: all of the provider's account.
    """

    address: str
    id: str
    name: str
    language: str
    body: str
    send: Mapping[str, Any]
    category: str | None = None
    header: str | None = None
    footer: str | None = None
    buttons: tuple[TemplateButton, ...] = ()
    parameters: tuple[TemplateParameter, ...] = ()


def keys_of(text: str) -> list[str]:
    """The parameters of a text, each once, in the order in which they come."""
    return list(dict.fromkeys(PLACEHOLDER.findall(text)))


def renamed(text: str, key: Callable[[str], str]) -> str:
    """The same text, its parameters under other names."""
    return PLACEHOLDER.sub(lambda match: placeholder(key(match[1])), text)


def placeholder(key: str) -> str:
    """How a parameter stands in a text."""
    return "{{" + key + "}}"


def in_order(keys: Iterable[str]) -> list[str]:
    """Keys as people count: 2 before 10, numbers before names."""
    return sorted(keys, key=lambda key: (not key.isdecimal(), len(key) if key.isdecimal() else 0, key))
