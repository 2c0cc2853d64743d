"""Kommo's hook, written and read: nested keys in a form that nobody signs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from infra.local.identity import Identity
from infra.local.simulators.callbacks import Webhook

HOOK = "/webhooks/kommo/"
WORDS = "id|type|talk_id|chat_id|contact_id|text|created_at|origin|author\\]\\[type"
FIELD = re.compile(rf"(?:message\[add\]|add)\[(\d+)\]\[({WORDS})\]")
PATIENCE_SECONDS = 2.0
TRIES = 3


class KommoHooks:
    """Hooks of one account."""

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._url = identity, f"{gateway_url}{HOOK}{identity.kommo_webhook_token}"

    def form(self, entity: str, message: Mapping[str, Any]) -> Webhook:
        """Kommo signs nothing: the token is in the URL, the account in the form."""
        account = {
            "id": self._identity.kommo_account_id,
            "subdomain": self._identity.kommo_subdomain,
            "_links": {"self": f"https://{self._identity.kommo_subdomain}.kommo.com"},
        }
        fields = [*_fields(f"{entity}[add][0]", message), *_fields("account", account)]
        headers = {"content-type": "application/x-www-form-urlencoded", "user-agent": "amoCRM-Webhooks/3.0"}
        return Webhook(self._url, headers, urlencode(fields).encode(), PATIENCE_SECONDS, TRIES)


def items(path: str, body: bytes) -> Iterable[dict[str, str]]:
    """The messages in a hook, whoever wrote it; the author's type is `author][type`."""
    found: dict[str, dict[str, str]] = {}
    if path.startswith(HOOK):
        for name, value in parse_qsl(body.decode(errors="replace")):
            if match := FIELD.fullmatch(name):
                found.setdefault(match[1], {})[match[2]] = value
    return found.values()


def _fields(prefix: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _fields(f"{prefix}[{name}]", value)
        else:
            yield f"{prefix}[{name}]", str(value)
