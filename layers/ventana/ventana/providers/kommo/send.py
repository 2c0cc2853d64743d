"""Answering in a talk: Kommo passes the text on through whatever channel the customer wrote on."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

from ventana.errors import BadContent, ListingFailed, Rejected, SendError
from ventana.http import HttpReply, HttpRequest, Transport
from ventana.messages import Customer, OutboundMessage, Receipt
from ventana.providers.kommo.codes import CODES
from ventana.providers.kommo.talks import id_of, is_open, talks_of
from ventana.providers.reading import an_object, decoded_json, number, text
from ventana.providers.refusal import refusal, unreadable
from ventana.secrets import ProviderSecrets

OURS = frozenset({"text"})
"""What options may not change."""
NO_SUCH_TALK = (404, 422)
"""It is gone, or closed: nothing was taken."""


def build(message: OutboundMessage, secrets: ProviderSecrets) -> HttpRequest:
    """Make the request. Raises Rejected for a customer without a talk, which is the only address, BadContent for what
    is no text.
    """
    talk, content = message.customer.talk_id, message.content
    if not talk:
        raise Rejected("the customer has no talk at this provider")
    if content["type"] != "text":
        raise BadContent("this provider sends text only")
    options = {name: value for name, value in message.options.items() if name not in OURS}
    return HttpRequest(
        "POST",
        f"https://{secrets.first('subdomain')}.kommo.com/api/v4/talks/{quote(talk, safe='')}/send_message",
        {"authorization": f"Bearer {secrets.first('access_tokens')}", "content-type": "application/json"},
        json.dumps({**options, "text": content["body"]}).encode(),
    )


def send(message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
    """Send it; where the talk is closed, in the one that is open now, because that may be faster than the hook that
    tells of it. A 202 is Kommo's last word: its hooks report no delivery.
    """
    reply = http(build(message, secrets))
    if reply.status in NO_SUCH_TALK and (talk := _open_talk(message.customer, secrets, http)):
        reply = http(build(replace(message, customer=replace(message.customer, talk_id=talk)), secrets))
    return read(reply)


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


def _open_talk(customer: Customer, secrets: ProviderSecrets, http: Transport) -> str | None:
    """Another talk of the chat that takes answers, the one that changed last; None where nobody tells of one."""
    try:
        talks = talks_of(customer, secrets, http)
    except (ListingFailed, SendError):
        return None
    others = [talk for talk in talks if is_open(talk) and id_of(talk) != customer.talk_id]
    return id_of(max(others, key=lambda talk: number(talk.get("updated_at")) or 0)) if others else None
