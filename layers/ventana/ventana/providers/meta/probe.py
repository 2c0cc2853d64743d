"""Trying Meta's webhook: its handshake, and a POST without entries, which stores nothing; both real and forged."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from urllib.parse import urlencode

from ventana.http import HttpRequest
from ventana.providers.connecting import Probe
from ventana.secrets import ProviderSecrets

EMPTY = json.dumps({"object": "whatsapp_business_account", "entry": []}).encode()
CHALLENGE = "1158201444"


def probes(origin: str, secrets: ProviderSecrets) -> list[Probe]:
    """One call for each live value, and forged ones."""
    url = f"{origin}/webhooks/meta"
    found = [
        Probe(f"the handshake with value {place} of verify_tokens is answered", _handshake(url, token), 200, _ANSWER)
        for place, token in enumerate(secrets.every("verify_tokens"), 1)
    ]
    found += [
        Probe(f"a webhook signed with value {place} of app_secrets is taken", _signed(url, secret), 200)
        for place, secret in enumerate(secrets.every("app_secrets"), 1)
    ]
    found.append(Probe("a forged handshake is refused", _handshake(url, "forged"), 403))
    return [*found, Probe("a forged webhook is refused", _signed(url, "forged"), 403)]


def _handshake(url: str, token: str) -> HttpRequest:
    query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": CHALLENGE}
    return HttpRequest("GET", f"{url}?{urlencode(query)}")


def _signed(url: str, secret: str) -> HttpRequest:
    signature = "sha256=" + hmac.new(secret.encode(), EMPTY, sha256).hexdigest()
    return HttpRequest("POST", url, {"content-type": "application/json", "x-hub-signature-256": signature}, EMPTY)


_ANSWER = CHALLENGE.encode()
