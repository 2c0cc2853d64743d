"""The one registry of providers: a fourth one is a folder here and a line below.

Modules are named, not imported, so that a function loads its own provider and no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from ventana.providers.base import Provider

PROVIDERS: Mapping[str, str] = {
    "kommo": "ventana.providers.kommo",
    "meta": "ventana.providers.meta",
    "twilio": "ventana.providers.twilio",
}


def provider_named(name: str) -> Provider:
    """The provider of this name. Raises KeyError for a name that is not in the registry."""
    return cast("Provider", import_module(PROVIDERS[name]).PROVIDER)
