"""From Twilio's webhook to our words: one message, or one status of a message that we sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from ventana.messages import Customer, InboundMessage, Item, Parked, ReportedStatus, StatusUpdate
from ventana.providers.base import RawRequest
from ventana.providers.reading import Object, decoded_json, each, phone, text, user_id, uuid
from ventana.providers.refusal import meaning, shuts_window
from ventana.providers.twilio.codes import CODES
from ventana.providers.twilio.content import content_of
from ventana.providers.twilio.form import is_json, pairs, query

TWILIO = "twilio"
INBOUND_STATUSES = {"", "received", "receiving"}
STATUS: dict[str, ReportedStatus] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
IGNORED_STATUSES = {"accepted", "scheduled", "queued", "sending"}  # our own row already says as much
CHANNELS = {"whatsapp": "whatsapp", "messenger": "facebook"}


def parse(request: RawRequest) -> list[Item]:
    """Read a request: Twilio makes one for each message and each status, an album's photos included."""
    try:
        raw = _json_parameters(request) if is_json(request) else _parameters(request)
    except ValueError:
        return [Parked(TWILIO, "body not understood", request.body)]
    if not raw:
        return []
    # The URL of a status callback is ours, and so is the id in its query.
    return list(each(TWILIO, [raw], partial(_item, uuid(query(request).get("message_id")))))


def _parameters(request: RawRequest) -> Object:
    """Every parameter by its name; one that is repeated keeps all its values, and its last one counts."""
    found: Object = {}
    for name, value in pairs(request):
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _json_parameters(request: RawRequest) -> Object:
    value = decoded_json(request.body)
    return value if isinstance(value, dict) else {"body": value}


def _item(message_id: str | None, raw: Object) -> Item | None:
    item = _read(
        message_id, {name: value[-1] if isinstance(value, list) and value else value for name, value in raw.items()}
    )
    return item if item is None else replace(item, raw=raw)


def _read(message_id: str | None, parameters: Object) -> Item | None:
    status = text(parameters.get("MessageStatus")) or text(parameters.get("SmsStatus"))
    message_sid = next((text(parameters[name]) for name in SIDS if text(parameters.get(name))), "")
    if not message_sid:
        return Parked(TWILIO, "notice: no message", parameters)
    if status.lower() in INBOUND_STATUSES:
        return _message(message_sid, parameters)
    return _status(message_sid, status.lower(), message_id, parameters)


def _message(message_sid: str, parameters: Object) -> Item:
    customer = _customer(parameters)
    if customer is None:
        return Parked(TWILIO, "message without known customer", parameters)
    prefix = text(parameters.get("From")).rpartition(":")[0]
    content = content_of(parameters)
    return InboundMessage(
        provider=TWILIO,
        business_address=_address(parameters.get("To")),
        provider_message_id=message_sid,
        customer=customer,
        content_type=content.content_type,
        content=content.content,
        media_url=content.media_url,
        channel=CHANNELS.get(prefix, "other"),
        # A text message by SMS to the same number does not open WhatsApp's window.
        opens_window=content.opens_window and prefix == "whatsapp",
        details=content.details,
        raw=parameters,
    )


def _customer(parameters: Mapping[str, object]) -> Customer | None:
    """By number, or by id where the number is hidden: then `From` itself is `whatsapp:US.1349…`, without a plus."""
    sender = _address(parameters.get("From"))
    customer = Customer(
        phone=phone(sender) if sender.startswith("+") else None,
        user_id=user_id(_address(parameters.get("ExternalUserId"))) or user_id(sender),
        name=text(parameters.get("ProfileName")) or None,
    )
    if not (customer.phone or customer.user_id):
        customer = replace(customer, phone=phone(parameters.get("WaId")))
    return customer if customer.phone or customer.user_id else None


def _status(message_sid: str, status: str, message_id: str | None, parameters: Object) -> Item | None:
    if status in IGNORED_STATUSES:
        return None
    if status not in STATUS:
        return Parked(TWILIO, "status not known", parameters)
    code = text(parameters.get("ErrorCode")).strip()
    code = "" if code == "0" else code
    return StatusUpdate(
        provider=TWILIO,
        business_address=_address(parameters.get("From")),
        provider_message_id=message_sid,
        status=STATUS[status],
        message_id=message_id,
        error_code=code or None,
        error_text=text(parameters.get("ErrorMessage"))[:500] or meaning(code, CODES) or CANCELED.get(status),
        window_shut=shuts_window(code, CODES),
        raw=parameters,
    )


def _address(value: object) -> str:
    """An address without its channel: `whatsapp:+5511…` is +5511…."""
    return text(value).rpartition(":")[2].strip()


SIDS = ("MessageSid", "SmsMessageSid", "SmsSid")
CANCELED = {"canceled": "the message was canceled before it was sent"}
