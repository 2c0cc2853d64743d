"""Customers who write through each provider: signed here with the standard library, from what `runtime.json` says."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

PROVIDERS = ["kommo", "meta", "twilio"]


@dataclass(frozen=True)
class Letter:
    """One webhook as a provider would send it; `customer` is by what the conversation is found."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    message_id: str
    customer: str


class Customers:
    """Writes and posts webhooks to one running system."""

    def __init__(self, runtime: Mapping[str, Any]) -> None:
        self._runtime, self._secrets, self._addresses = runtime, runtime["secrets"], runtime["addresses"]

    def post(self, letter: Letter) -> int:
        """Send it as it is; the status of the answer."""
        connection = HTTPConnection(urlsplit(self._runtime["base_url"]).netloc, timeout=30)
        try:
            connection.request("POST", letter.path, letter.body, dict(letter.headers))
            reply = connection.getresponse()
            reply.read()
            return reply.status
        finally:
            connection.close()

    def letter(self, provider: str, text: str, number: int) -> Letter:
        """A customer's message, not sent yet."""
        written: Letter = getattr(self, f"_{provider}")(text, f"+52155{number:08}")
        return written

    def forged(self, provider: str, text: str, number: int) -> Letter:
        """The same, by somebody who does not know the secrets."""
        runtime = {**self._runtime, "secrets": dict.fromkeys(self._secrets, "guessed")}
        return Customers(runtime).letter(provider, text, number)

    def _twilio(self, text: str, phone: str) -> Letter:
        sid = f"SM{uuid4().hex}"
        form = {
            "MessageSid": sid,
            "AccountSid": self._addresses["twilio_account_sid"],
            "From": f"whatsapp:{phone}",
            "To": f"whatsapp:{self._addresses['twilio_address']}",
            "WaId": phone.removeprefix("+"),
            "ProfileName": "Ana",
            "Body": text,
            "NumMedia": "0",
            "MessageType": "text",
            "ButtonText": "",
        }
        signed = f"{self._runtime['base_url']}/webhooks/twilio" + "".join(map("".join, sorted(form.items())))
        digest = hmac.new(self._secrets["twilio_auth_token"].encode(), signed.encode(), "sha1").digest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": base64.b64encode(digest).decode(),
        }
        return Letter("/webhooks/twilio", headers, urlencode(form).encode(), sid, phone)

    def _meta(self, text: str, phone: str) -> Letter:
        wamid = f"wamid.{uuid4().hex}"
        digits = phone.removeprefix("+")
        value = {
            "messaging_product": "whatsapp",
            "metadata": {
                "display_phone_number": self._addresses["meta_display_phone_number"],
                "phone_number_id": self._addresses["meta_phone_number_id"],
            },
            "contacts": [{"profile": {"name": "Bruno"}, "wa_id": digits}],
            "messages": [
                {
                    "from": digits,
                    "id": wamid,
                    "timestamp": str(int(time.time())),
                    "type": "text",
                    "text": {"body": text},
                }
            ],
        }
        entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        digest = hmac.new(self._secrets["meta_app_secret"].encode(), body, "sha256").hexdigest()
        headers = {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={digest}"}
        return Letter("/webhooks/meta", headers, body, wamid, phone)

    def _kommo(self, text: str, phone: str) -> Letter:
        message_id, number = str(uuid4()), int(phone[-8:])
        item = {
            "id": message_id,
            "type": "incoming",
            "chat_id": f"chat-{number}",
            "talk_id": str(number),
            "contact_id": str(number + 1),
            "text": text,
            "created_at": str(int(time.time())),
            "origin": "waba",
            "author][type": "external",
            "author][name": "Carla",
        }
        form = {f"message[add][0][{name}]": value for name, value in item.items()}
        form["account[id]"] = self._addresses["kommo_account_id"]
        form["account[subdomain]"] = self._addresses["kommo_subdomain"]
        path = f"/webhooks/kommo/{self._secrets['kommo_webhook_token']}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Letter(path, headers, urlencode(form).encode(), message_id, f"chat-{number}")
