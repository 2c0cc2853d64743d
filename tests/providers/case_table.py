"""The inbound cases of every provider in the registry: whole requests as files, and what they must become.

cases/<provider>/signing.py        how that provider authenticates a request, written without the adapter's code
cases/<provider>/<label>/body.*    the request body, byte for byte; .json, .form or .bin tells the content type
                         request.json   method, path, query and headers where they differ from the provider's usual
                         items.json     the items; a field that is missing has its default, `raw` and a parked
                                        item's `body` are compared if given
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from ventana.messages import Item, Parked
from ventana.providers import PROVIDERS, provider_named
from ventana.providers.base import Provider, RawRequest
from ventana.secrets import ProviderSecrets

CASES = Path(__file__).parent / "cases"
CONTENT_TYPES = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded; charset=UTF-8",
    ".bin": "application/octet-stream",
}


class Signing(Protocol):
    """How a provider's requests are authenticated; a module in the folder of its cases."""

    URL: str
    SECRETS: Mapping[str, Any]
    SIGNS: str
    """Which of the secrets signs."""

    def sign(self, request: RawRequest, secret: str) -> RawRequest: ...

    def unsigned(self, request: RawRequest) -> RawRequest: ...

    def tampered(self, request: RawRequest) -> list[RawRequest]: ...


@dataclass(frozen=True)
class Case:
    """One request of one provider."""

    provider_name: str
    label: str
    folder: Path

    @property
    def provider(self) -> Provider:
        return provider_named(self.provider_name)

    @property
    def signing(self) -> Signing:
        return signing_of(self.provider_name)

    @property
    def expected(self) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", json.loads((self.folder / "items.json").read_text("utf-8")))

    def request(self, secret: str = "") -> RawRequest:
        """The request as the provider sent it, signed with `secret`; by default with the newest one."""
        described = self.folder / "request.json"
        given = json.loads(described.read_text("utf-8")) if described.exists() else {}
        body = next(self.folder.glob("body.*"), None)
        url = self.signing.URL + given.get("path", "") + (f"?{given['query']}" if "query" in given else "")
        headers = {"content-type": CONTENT_TYPES[body.suffix]} if body else {}
        headers |= given.get("headers", {})
        method = given.get("method", "POST")
        request = RawRequest(method, url, headers, body.read_bytes() if body else b"")
        return self.signing.sign(request, secret or live_secrets(self.provider_name)[0])


def parsed_again(parked: Parked, provider_name: str) -> list[Item]:
    """What becomes of a parked item when it is given to its provider again, as an operator does after a fix."""
    headers = {"content-type": parked.content_type}
    return provider_named(provider_name).parse(RawRequest("POST", signing_of(provider_name).URL, headers, parked.body))


def signing_of(provider_name: str) -> Signing:
    return cast("Signing", import_module(f"tests.providers.cases.{provider_name}.signing"))


def secrets_of(provider_name: str, **changed: Any) -> ProviderSecrets:
    return ProviderSecrets(provider_name, {**signing_of(provider_name).SECRETS, **changed})


def live_secrets(provider_name: str) -> list[str]:
    """The values that sign, newest first."""
    signing = signing_of(provider_name)
    return list(signing.SECRETS[signing.SIGNS])


def all_cases() -> Iterator[Case]:
    for name in PROVIDERS:
        for folder in sorted(path.parent for path in (CASES / name).glob("*/items.json")):
            yield Case(name, folder.name, folder)


def as_json(item: Item) -> dict[str, Any]:
    """An item as items.json has it: its kind, and every field that differs from its default.

    What it was parked as, its own `kind`, is called `as` there.
    """
    found = _differing(item)
    if "kind" in found:
        found["as"] = found.pop("kind")
    return {"kind": type(item).__name__, **found}


def _differing(value: Any) -> dict[str, Any]:
    found = {}
    for field in fields(value):
        given = getattr(value, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if given != default:
            found[field.name] = _plain(given)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return _differing(value) if hasattr(value, "__dataclass_fields__") else value
