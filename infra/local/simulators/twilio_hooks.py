"""Twilio's webhooks, written and read: status callbacks of what we sent, and customers' messages."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Mapping
from hashlib import sha1
from urllib.parse import urlencode
from uuid import uuid4

from infra.local.identity import Identity
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.contract import Heard, Letter, Sent
from infra.local.simulators.twilio_log import VERSION
from infra.local.simulators.twilio_messages import form_of

HOOK = "/webhooks/twilio"
PATIENCE_SECONDS = 15.0


class TwilioHooks:
    """Signed webhooks of one account."""

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._url = identity, f"{gateway_url}{HOOK}"

    def form(self, letter: Letter) -> dict[str, str]:
        """The parameters of a customer's message."""
        sid, sender = f"SM{uuid4().hex}", letter.sender
        phone = sender.startswith("+")
        return {
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ProfileName": letter.name or "Ana",
            "MessageType": "text",
            "SmsSid": sid,
            **({"WaId": sender.removeprefix("+")} if phone else {"ExternalUserId": f"whatsapp:{sender}"}),
            "SmsStatus": "received",
            "Body": letter.text or "",
            "To": f"whatsapp:{letter.address or self._identity.twilio_address}",
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": self._identity.twilio_account_sid,
            "From": f"whatsapp:{sender}",
            "ApiVersion": VERSION,
            **{name: str(value) for name, value in letter.payload.items()},
        }

    def message(self, form: Mapping[str, str]) -> Webhook:
        """A customer's message."""
        return self._signed(self._url, form)

    def status(self, url: str, sent: Sent, status: str, more: Mapping[str, str]) -> Webhook:
        """What became of a message of ours."""
        form = {
            "ChannelPrefix": "whatsapp",
            "ApiVersion": VERSION,
            "MessageStatus": status,
            "SmsStatus": status,
            "SmsSid": sent.id,
            "MessageSid": sent.id,
            "AccountSid": self._identity.twilio_account_sid,
            "From": sent.attempt.sender,
            "To": sent.attempt.to,
            **more,
        }
        return self._signed(url, form)

    def _signed(self, url: str, form: Mapping[str, str]) -> Webhook:
        # https://www.twilio.com/docs/usage/security#validating-requests: the URL, then each name and value in order.
        text = url + "".join(name + form[name] for name in sorted(form))
        digest = hmac.new(self._identity.twilio_auth_token.encode(), text.encode(), sha1).digest()
        headers = {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": base64.b64encode(digest).decode(),
            "i-twilio-idempotency-token": str(uuid4()),
            "user-agent": "TwilioProxy/1.1",
        }
        return Webhook(url, headers, urlencode(form).encode(), PATIENCE_SECONDS)


def heard(path: str, body: bytes) -> list[Heard]:
    """The customer's message in a webhook, whoever signed it; it tells no time."""
    form = dict(form_of(body)) if path == HOOK else {}
    if not (form.get("From", "").startswith("whatsapp:") and form.get("To", "").startswith("whatsapp:")):
        return []
    names = (form["From"].removeprefix("whatsapp:"), form.get("ExternalUserId", "").removeprefix("whatsapp:"))
    address, opens = form["To"].removeprefix("whatsapp:"), form.get("MessageType") != "reaction"
    return [Heard(tuple(filter(None, names)), address, time.time(), opens, form.get("Body", ""))]
