"""Trying Kommo's webhook: a form that tells which account it is of and nothing else, at real and forged addresses."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from ventana.http import HttpRequest
from ventana.providers.connecting import Probe
from ventana.providers.kommo.parse import FORM
from ventana.secrets import ProviderSecrets

FORGED = "forged-by-make-doctor"


def probes(origin: str, secrets: ProviderSecrets) -> list[Probe]:
    """One call for each live token, and a forged one; for signed hooks of chats only that, because none is harmless."""
    form = {"account[id]": secrets.first("account_id"), "account[subdomain]": secrets.first("subdomain")}
    found = [
        Probe(f"a webhook with value {place} of webhook_tokens is taken", _posted(origin, token, form), 200)
        for place, token in enumerate(secrets.every("webhook_tokens"), 1)
    ]
    found.append(Probe("a webhook with a forged token is refused", _posted(origin, FORGED, form), 403))
    if secrets.optional("channel_secrets"):
        request = HttpRequest("POST", f"{origin}/webhooks/kommo/chats/{FORGED}", {"x-signature": "0" * 40}, b"{}")
        found.append(Probe("a forged webhook of a chat channel is refused", request, 403))
    return found


def _posted(origin: str, token: str, form: dict[str, str]) -> HttpRequest:
    url = f"{origin}/webhooks/kommo/{quote(token, safe='')}"
    return HttpRequest("POST", url, {"content-type": FORM}, urlencode(form).encode())
