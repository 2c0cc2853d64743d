"""Answering in a talk: Kommo passes the text on through whatever channel the customer wrote on."""

from __future__ import annotations

import json
from urllib.parse import quote

from ventana.content import summary
from ventana.errors import Rejected
from ventana.http import HttpReply, HttpRequest, Transport
from ventana.messages import OutboundMessage, Receipt
from ventana.providers.kommo.codes import CODES
from ventana.providers.reading import an_object, decoded_json, text
from ventana.providers.refusal import refusal, unreadable
from ventana.secrets import ProviderSecrets


def build(message: OutboundMessage, secrets: ProviderSecrets) -> HttpRequest:
    """Make the request. Raises Rejected for a customer without a talk: there is no other address."""
    talk = message.customer.talk_id
    if not talk:
        raise Rejected("the customer has no talk at this provider")
    return HttpRequest(
        "POST",
        f"https://{secrets.first('subdomain')}.kommo.com/api/v4/talks/{quote(talk, safe='')}/send_message",
        {"authorization": f"Bearer {secrets.first('access_tokens')}", "content-type": "application/json"},
        json.dumps({"text": summary(message.content)}).encode(),
    )


def send(message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
    """Send it. A 202 is Kommo's last word: its hooks report no delivery."""
    return read(http(build(message, secrets)))


def read(reply: HttpReply) -> Receipt:
    """Read the answer. Raises SendError for anything but a message id."""
    if not 200 <= reply.status < 300:
        raise refusal(reply.status, str(reply.status), CODES)
    try:
        message_id = text(an_object(decoded_json(reply.body)).get("id"))
    except ValueError:
        message_id = ""
    if not message_id:
        raise unreadable()
    return Receipt(message_id, "sent")
