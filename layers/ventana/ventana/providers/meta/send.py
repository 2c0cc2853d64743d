"""Sending a text through the Graph API, with our id in it so that every status tells which row it means."""

from __future__ import annotations

import json
from urllib.parse import quote

from ventana.content import summary
from ventana.errors import Rejected
from ventana.http import HttpReply, HttpRequest, Transport
from ventana.messages import OutboundMessage, Receipt
from ventana.providers.meta.codes import CODES
from ventana.providers.reading import Object, an_object, decoded_json, objects, text
from ventana.providers.refusal import NO_ADDRESS, refusal, unreadable
from ventana.secrets import ProviderSecrets

GRAPH_VERSION = "v25.0"


def build(message: OutboundMessage, secrets: ProviderSecrets) -> HttpRequest:
    """Make the request: to the phone where it is known, otherwise to the user id. Raises Rejected without either."""
    customer = message.customer
    if customer.phone:
        recipient = {"to": customer.phone.removeprefix("+")}
    elif customer.user_id:
        recipient = {"recipient": customer.user_id}
    else:
        raise Rejected(NO_ADDRESS)
    body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient,
        "type": "text",
        "text": {"body": summary(message.content), "preview_url": False},
        "biz_opaque_callback_data": message.id,
    }
    version = secrets.get("graph_version") or GRAPH_VERSION
    return HttpRequest(
        "POST",
        f"https://graph.facebook.com/{version}/{quote(message.business_address, safe='')}/messages",
        {"authorization": f"Bearer {secrets.first('access_tokens')}", "content-type": "application/json"},
        json.dumps(body).encode(),
    )


def send(message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
    """Send it. A 200 means accepted; what became of it comes as statuses."""
    return read(http(build(message, secrets)))


def read(reply: HttpReply) -> Receipt:
    """Read the answer. Raises SendError for anything but a message id."""
    answer = _answer(reply)
    if not 200 <= reply.status < 300:
        raise refusal(reply.status, text(an_object(answer.get("error")).get("code")), CODES)
    message_id = text(an_object(next(iter(objects(answer.get("messages"))), None)).get("id"))
    if not message_id:
        raise unreadable()
    return Receipt(message_id)


def _answer(reply: HttpReply) -> Object:
    try:
        return an_object(decoded_json(reply.body))
    except ValueError:
        return {}
