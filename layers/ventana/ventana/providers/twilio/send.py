"""Sending with Twilio's SDK, whose requests go through our transport and whose retries and logs stay off."""

from __future__ import annotations

from ventana.errors import Rejected, SendError, Uncertain
from ventana.http import HttpReply, Transport
from ventana.messages import OutboundMessage, Receipt
from ventana.providers.reading import Object, an_object, decoded_json, text
from ventana.providers.refusal import NO_ADDRESS, refusal, unreadable
from ventana.providers.twilio.body import body_of, options_of
from ventana.providers.twilio.codes import CODES
from ventana.secrets import ProviderSecrets

FAILED = {"failed", "undelivered", "canceled"}


def build(message: OutboundMessage) -> Object:
    """Make the arguments for the SDK. Raises Rejected for a customer without address, BadContent as `body_of` does.

    There is no idempotency key: our id travels in the callback URL, and comes back with every status.
    """
    customer = message.customer.phone or message.customer.user_id
    if not customer:
        raise Rejected(NO_ADDRESS)
    arguments = {
        **options_of(message.options),
        "to": f"whatsapp:{customer}",
        "from_": f"whatsapp:{message.business_address}",
        **body_of(message.content),
    }
    return {**arguments, "status_callback": message.status_url} if message.status_url else arguments


def send(message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
    """Send it. A 201 means queued; what became of it comes as status callbacks."""
    from ventana.providers.twilio.client import twilio_client  # the SDK takes 120 ms; webhooks never send

    arguments = build(message)
    client = twilio_client(secrets.first("account_sid"), secrets.first("auth_tokens"), lambda call: _taken(http(call)))
    try:
        sent = client.messages.create(**arguments)
    except (AttributeError, TypeError) as error:  # a 201 with fields that the SDK cannot read
        raise Uncertain("the provider's answer could not be read") from error
    return Receipt(str(sent.sid))


def _taken(reply: HttpReply) -> HttpReply:
    """Let only an accepted message through to the SDK: its own errors quote the URL and Twilio's text."""
    answer = _answer(reply)
    if not 200 <= reply.status < 300:
        raise refused(reply)
    if not text(answer.get("sid")):
        raise unreadable()
    if answer.get("status") in FAILED:
        raise refusal(reply.status, text(answer.get("error_code")), CODES)
    return reply


def refused(reply: HttpReply) -> SendError:
    """The error for an answer that is no 2xx."""
    return refusal(reply.status, text(_answer(reply).get("code")), CODES)


def _answer(reply: HttpReply) -> Object:
    try:
        return an_object(decoded_json(reply.body))
    except ValueError:
        return {}
