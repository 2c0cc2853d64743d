"""Showing a customer that an answer is being written, which shows as well that their message was read.

https://www.twilio.com/docs/whatsapp/api/typing-indicators-resource
"""

from __future__ import annotations

import json

from ventana.http import HttpRequest, Transport
from ventana.providers.twilio.credentials import basic
from ventana.providers.twilio.send import refused
from ventana.secrets import ProviderSecrets

KINDS = frozenset({"typing"})
"""Twilio has no read mark alone. Writing is shown for 25 seconds at most, or until the answer comes."""
URL = "https://messaging.twilio.com/v3/Indicators/Typing.json"


def indicate(
    kind: str, provider_message_id: str, business_address: str, secrets: ProviderSecrets, http: Transport
) -> None:
    """Show it at this message of the customer. Raises SendError; nothing is ever lost by that."""
    body = json.dumps({"channel": "WHATSAPP", "messageId": provider_message_id}).encode()
    reply = http(HttpRequest("POST", URL, {**basic(secrets), "content-type": "application/json"}, body))
    if not 200 <= reply.status < 300:
        raise refused(reply)
