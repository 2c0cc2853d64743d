"""From Twilio's webhook to our words: one message, or one status of a message that we sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from ventana.messages import Customer, InboundMessage, Item, Parked, ReportedStatus, StatusUpdate
from ventana.providers.base import RawRequest
from ventana.providers.parking import Notice, Poison, each, parked
from ventana.providers.reading import Object, decoded_json, phone, text, user_id, uuid
from ventana.providers.refusal import may_go_again, meaning, opts_out, shuts_window
from ventana.providers.twilio.codes import CODES
from ventana.providers.twilio.content import content_of
from ventana.providers.twilio.form import FORM, holds_json, pairs, query, written

TWILIO = "twilio"
JSON = "application/json"
MESSAGE_ID = "message_id"
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
    as_json = holds_json(request)
    content_type = JSON if as_json else FORM
    try:
        raw = _json_parameters(request) if as_json else _parameters(request)
    except ValueError:
        return [parked(TWILIO, Poison("body not understood"), written(request), content_type)]
    if not raw:
        return []
    # The URL of a status callback is ours, and so is the id in its query; a parked one has the id in its body.
    message_id = uuid(query(request).get(MESSAGE_ID)) or uuid(raw.get(MESSAGE_ID))
    return list(each([raw], partial(_item, message_id), partial(_parked, message_id, content_type)))


def _parked(message_id: str | None, content_type: str, why: Exception, raw: Object) -> Parked:
    whole = {**raw, MESSAGE_ID: message_id} if message_id else raw
    body = json.dumps(whole) if content_type == JSON else urlencode(whole, doseq=True)
    return parked(TWILIO, why, body.encode(), content_type)


def _parameters(request: RawRequest) -> Object:
    """Every parameter by its name; one that is repeated keeps all its values, and its last one counts."""
    found: Object = {}
    for name, value in pairs(request):
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _json_parameters(request: RawRequest) -> Object:
    value = decoded_json(request.body)
    return value if isinstance(value, dict) else {"body": value}


def _item(message_id: str | None, raw: Object) -> Iterator[Item]:
    last = {name: value[-1] if isinstance(value, list) and value else value for name, value in raw.items()}
    status = next((text(last[name]) for name in STATUSES if text(last.get(name))), "")
    message_sid = next((text(last[name]) for name in SIDS if text(last.get(name))), "")
    if not message_sid:
        raise Notice("no message")
    if status.lower() in INBOUND_STATUSES:
        yield replace(_message(message_sid, last), raw=raw)
    elif status.lower() not in IGNORED_STATUSES:
        yield replace(_status(message_sid, status.lower(), message_id, last), raw=raw)


def _message(message_sid: str, parameters: Object) -> InboundMessage:
    customer = _customer(parameters)
    if customer is None:
        raise Poison("message without known customer")
    prefix = text(parameters.get("From")).rpartition(":")[0]
    content = content_of(parameters)
    return InboundMessage(
        provider=TWILIO,
        business_address=_address(parameters.get("To")),
        provider_message_id=message_sid,
        customer=customer,
        content_type=content.content_type,
        content=content.content,
        media_url=next((file.url for file in content.media), None),
        channel=CHANNELS.get(prefix, "other"),
        # A text message by SMS to the same number does not open WhatsApp's window.
        opens_window=content.opens_window and prefix == "whatsapp",
        media=content.media,
        details=content.details,
    )


def _customer(parameters: Mapping[str, object]) -> Customer | None:
    """By number, or by id where the number is hidden: then `From` itself is `whatsapp:US.1349…`, without a plus."""
    sender = _address(parameters.get("From"))
    customer = Customer(
        phone=phone(sender) if sender.startswith("+") else None,
        user_id=user_id(_address(parameters.get("ExternalUserId"))) or user_id(sender),
        name=text(parameters.get("ProfileName")) or text(parameters.get("ProfileUsername")) or None,
    )
    if not (customer.phone or customer.user_id):
        customer = replace(customer, phone=phone(parameters.get("WaId")))
    return customer if customer.phone or customer.user_id else None


def _status(message_sid: str, status: str, message_id: str | None, parameters: Object) -> StatusUpdate:
    if status not in STATUS:
        raise Poison("status not known")
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
        opted_out=opts_out(code, CODES),
        retryable=STATUS[status] == "failed" and may_go_again(code, CODES),
    )


def _address(value: object) -> str:
    """An address without its channel: `whatsapp:+5511…` is +5511…."""
    return text(value).rpartition(":")[2].strip()


SIDS = ("MessageSid", "SmsMessageSid", "SmsSid")
STATUSES = ("MessageStatus", "SmsStatus", "EventType")
CANCELED = {"canceled": "the message was canceled before it was sent"}
