"""Sending through the Graph API, with our id in every message so that every status tells which row it means."""

from __future__ import annotations

import json
from urllib.parse import quote

from ventana.errors import SendError
from ventana.http import HttpReply, HttpRequest, Transport
from ventana.messages import OutboundMessage, Receipt
from ventana.providers.meta.body import body_of
from ventana.providers.meta.codes import CODES, NO_SUCH_NUMBER
from ventana.providers.reading import Object, an_object, decoded_json, objects, text
from ventana.providers.refusal import refusal, unreadable
from ventana.secrets import ProviderSecrets

GRAPH_VERSION = "v25.0"


def build(message: OutboundMessage, secrets: ProviderSecrets) -> HttpRequest:
    """Make the request. Raises Rejected for a customer without an address, BadContent for a reaction to nothing."""
    return posted(body_of(message), message.business_address, secrets)


def posted(body: Object, business_address: str, secrets: ProviderSecrets) -> HttpRequest:
    """The request that posts this body for one of our numbers."""
    version = secrets.get("graph_version") or GRAPH_VERSION
    return HttpRequest(
        "POST",
        f"https://graph.facebook.com/{version}/{quote(business_address, safe='')}/messages",
        {"authorization": f"Bearer {secrets.first('access_tokens')}", "content-type": "application/json"},
        json.dumps(body).encode(),
    )


def send(message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
    """Send it. A 200 means accepted; what became of it comes as statuses."""
    return read(http(build(message, secrets)))


def read(reply: HttpReply) -> Receipt:
    """Read the answer. Raises SendError for anything but a message id."""
    if not 200 <= reply.status < 300:
        raise refused(reply)
    message_id = text(an_object(next(iter(objects(_answer(reply).get("messages"))), None)).get("id"))
    if not message_id:
        raise unreadable()
    return Receipt(message_id)


def refused(reply: HttpReply) -> SendError:
    """The error for an answer that is no 2xx."""
    error = an_object(_answer(reply).get("error"))
    code = text(error.get("code"))
    if f"{code}/{text(error.get('error_subcode'))}" == NO_SUCH_NUMBER:
        code = NO_SUCH_NUMBER
    return refusal(reply.status, code, CODES)


def _answer(reply: HttpReply) -> Object:
    try:
        return an_object(decoded_json(reply.body))
    except ValueError:
        return {}
