"""Trying Twilio's webhooks: status callbacks that say "queued", which change nothing, signed and forged."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

from ventana.http import HttpRequest
from ventana.providers.connecting import Probe
from ventana.providers.twilio.form import FORM
from ventana.secrets import ProviderSecrets

PATHS = {"messages": "/webhooks/twilio", "statuses": "/webhooks/twilio/status"}
SID = "SM" + "0" * 32


def probes(origin: str, secrets: ProviderSecrets) -> list[Probe]:
    """For each address one request for each live token, and a forged one."""
    form = {"AccountSid": secrets.first("account_sid"), "MessageSid": SID, "MessageStatus": "queued"}
    found = []
    for name, path in PATHS.items():
        url = f"{origin}{path}"
        for place, token in enumerate(secrets.every("auth_tokens"), 1):
            what = f"the webhook of {name}, signed with value {place} of auth_tokens, is taken"
            found.append(Probe(what, _request(url, form, token), 200))
        found.append(Probe(f"a forged webhook of {name} is refused", _request(url, form, "forged"), 403))
    return found


def _request(url: str, form: Mapping[str, str], token: str) -> HttpRequest:
    """Signed as https://www.twilio.com/docs/usage/security#validating-requests has it, without the SDK."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    signature = base64.b64encode(hmac.new(token.encode(), signed.encode(), "sha1").digest()).decode()
    return HttpRequest("POST", url, {"content-type": FORM, "x-twilio-signature": signature}, urlencode(form).encode())
