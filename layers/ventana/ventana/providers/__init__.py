"""The one registry of providers: a fourth one is a folder here and a line below.

Modules are named, not imported, so that a function loads its own provider and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import cast

from ventana.messages import Item
from ventana.providers.base import (
    Connecting,
    Contacts,
    Files,
    Indications,
    Limiting,
    Listing,
    Probing,
    Provider,
    RawRequest,
    Settling,
    Templating,
)

PROVIDERS: Mapping[str, str] = {
    "kommo": "ventana.providers.kommo",
    "meta": "ventana.providers.meta",
    "twilio": "ventana.providers.twilio",
}


def provider_named(name: str) -> Provider:
    """The provider of this name. Raises KeyError for a name that is not in the registry."""
    return cast("Provider", import_module(PROVIDERS[name]).PROVIDER)


def parser_named(name: str) -> Callable[[RawRequest], list[Item]]:
    """The provider's `parse` alone, without what its signatures and sends need. Raises KeyError for another name."""
    return cast("Callable[[RawRequest], list[Item]]", import_module(f"{PROVIDERS[name]}.parse").parse)


def listing_named(name: str) -> Listing | None:
    """How to ask a provider for messages that it took; None where there is no such provider, or no way to ask it."""
    return cast("Listing | None", _optional(name, "reconcile"))


def limits_named(name: str) -> Limiting:
    """What a provider takes, and how fast. Raises KeyError for a name that is not in the registry."""
    return cast("Limiting", import_module(f"{PROVIDERS[name]}.limits"))


def settling_named(name: str) -> Settling | None:
    """How to ask a provider what became of a send; None where there is no such provider, or no way to ask it."""
    return cast("Settling | None", _optional(name, "settle"))


def indications_named(name: str) -> Indications | None:
    """How to show a customer that we read or write; None where there is no such provider, or it cannot."""
    return cast("Indications | None", _optional(name, "indicate"))


def files_named(name: str) -> Files | None:
    """How to find a provider's files; None where there is no such provider, or it keeps none."""
    return cast("Files | None", _optional(name, "media"))


def contacts_named(name: str) -> Contacts | None:
    """How to ask a provider who a customer is; None where there is no such provider, or no way to ask it."""
    return cast("Contacts | None", _optional(name, "lookup"))


def connecting_named(name: str) -> Connecting | None:
    """How to connect an account at a provider; None where there is no such provider, or nothing to set there."""
    return cast("Connecting | None", _optional(name, "connect"))


def probing_named(name: str) -> Probing | None:
    """How to try whether a provider's webhooks are taken; None where there is no such provider, or no way to try."""
    return cast("Probing | None", _optional(name, "probe"))


def templating_named(name: str) -> Templating | None:
    """How to ask a provider for its approved templates; None where there is no such provider, or it sends none."""
    return cast("Templating | None", _optional(name, "templates"))


def _optional(name: str, part: str) -> ModuleType | None:
    if name not in PROVIDERS or find_spec(f"{PROVIDERS[name]}.{part}") is None:
        return None
    return import_module(f"{PROVIDERS[name]}.{part}")
