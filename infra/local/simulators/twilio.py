"""Twilio's REST API for messages and their files, its status callbacks and its inbound webhook."""

from __future__ import annotations

import base64
import hmac
import re
from hashlib import sha1
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.files import TwilioFiles
from infra.local.simulators.ledger import Fault, Sent
from infra.local.simulators.twilio_log import VERSION, MessageLog

PATH = re.compile(rf"/{VERSION}/Accounts/([^/]+)/Messages(?:/(\w+)(/Media)?)?\.json")
FILE = re.compile(rf"/{VERSION}/Accounts/([^/]+)/Messages/\w+/Media/(\w+)")
PATIENCE_SECONDS = 15.0
HTTP_STATUS = {"20003": 401, "20404": 404, "20429": 429, "20500": 500, "20503": 503}
TEXTS = {
    "20003": "Authenticate",
    "20404": "The requested resource was not found",
    "20429": "Too Many Requests",
    "20500": "An internal server error has occurred",
    "63016": "Failed to send freeform message because you are outside the allowed window. Please use a template.",
}


class TwilioSimulator:
    """One account with one WhatsApp sender."""

    name = "twilio"

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._gateway_url = identity, gateway_url
        self._log = MessageLog(identity.twilio_account_sid)
        self._files = TwilioFiles(identity.twilio_account_sid)

    def owns(self, request: Request) -> bool:
        """Whether this is a call to Twilio, or to where it keeps files."""
        ours = any(path.fullmatch(request.path) for path in (PATH, FILE))
        return ours or request.path.startswith(TwilioFiles.PATH)

    def refuse(self, request: Request) -> Response | None:
        """Answer what is no send: wrong credentials, wrong parameters, and questions about messages."""
        if request.path.startswith(TwilioFiles.PATH):
            return self._files.answer(request)
        match = PATH.fullmatch(request.path) or FILE.fullmatch(request.path)
        account = f"{self._identity.twilio_account_sid}:{self._identity.twilio_auth_token}"
        wanted = "Basic " + base64.b64encode(account.encode()).decode()
        given = request.header("authorization")
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            return _error("20003")
        if match is None or match[1] != self._identity.twilio_account_sid:
            return _error("20404")
        if match.re is FILE:
            return self._files.redirected(match[2])
        return self._listed(request, match) if request.method == "GET" else self._invalid(_form(request))

    def take(self, request: Request) -> Sent:
        """Keep a message that is in order."""
        form, sid = _form(request), f"SM{uuid4().hex}"
        sent = Sent(self.name, sid, form["To"], form["From"], form.get("Body", ""), form)
        self._log.sent(sent)
        return sent

    def accepted(self, sent: Sent) -> Response:
        """The answer to a send."""
        return json_response(201, self._log.one(sent.id))

    def failed(self, fault: Fault) -> Response:
        """The answer of a Twilio that misbehaves."""
        return _error({"http_500": "20500", "http_429": "20429"}.get(fault.mode, fault.code))

    def statuses(self, sent: Sent, error_code: str | None) -> list[Webhook]:
        """What Twilio reports about a message, to the URL that was given with it."""
        url = sent.raw.get("StatusCallback")
        if not url:
            return []
        if error_code:
            return [self._status(url, sent, "failed", {"ErrorCode": error_code})]
        return [self._status(url, sent, status, {}) for status in ("sent", "delivered", "read")]

    def customer(self, sender: str, text: str | None, payload: dict[str, Any]) -> tuple[Webhook, str]:
        """A customer's message; `payload` adds parameters or replaces them. NumMedia files get an address each."""
        sid, phone = f"SM{uuid4().hex}", sender.startswith("+")
        form = {
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ProfileName": "Ana",
            "MessageType": "text",
            "SmsSid": sid,
            **({"WaId": sender.removeprefix("+")} if phone else {"ExternalUserId": f"whatsapp:{sender}"}),
            "SmsStatus": "received",
            "Body": text or "",
            "To": f"whatsapp:{self._identity.twilio_address}",
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": self._identity.twilio_account_sid,
            "From": f"whatsapp:{sender}",
            "ApiVersion": VERSION,
            **{name: str(value) for name, value in payload.items()},
        }
        form = self._files.completed(form)
        self._log.received(form)
        return self._signed(f"{self._gateway_url}/webhooks/twilio", form), form["MessageSid"]

    def _status(self, url: str, sent: Sent, status: str, more: dict[str, str]) -> Webhook:
        form = {
            "ChannelPrefix": "whatsapp",
            "ApiVersion": VERSION,
            "MessageStatus": status,
            "SmsStatus": status,
            "SmsSid": sent.id,
            "MessageSid": sent.id,
            "AccountSid": self._identity.twilio_account_sid,
            "From": sent.sender,
            "To": sent.to,
            **more,
        }
        return self._signed(url, form)

    def _signed(self, url: str, form: dict[str, str]) -> Webhook:
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

    def _invalid(self, form: dict[str, str]) -> Response | None:
        if not form.get("To"):
            return _error("21604", "A 'To' phone number is required.")
        if not form["To"].startswith("whatsapp:"):
            return _error("21910", "Invalid From and To pair. From and To should be of the same channel")
        if form.get("From") != f"whatsapp:{self._identity.twilio_address}":
            return _error("63007", "Twilio could not find a Channel with the specified From address")
        if not (form.get("Body") or form.get("MediaUrl") or form.get("ContentSid")):
            return _error("21619", "A text message body or media urls must be specified.")
        if len(form.get("Body", "")) > 1600:
            return _error("21617", "The concatenated message body exceeds the 1600 character limit.")
        return None

    def _listed(self, request: Request, asked: re.Match[str]) -> Response:
        if asked[2] is None:
            return json_response(200, self._log.page(request.query))
        found = self._log.media(asked[2]) if asked[3] else self._log.one(asked[2])
        return json_response(200, found) if found else _error("20404")


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))


def _error(code: str, text: str = "") -> Response:
    status = HTTP_STATUS.get(code, 400)
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    text = text or TEXTS.get(code, "The message was not taken")
    return json_response(status, {"code": int(code), "message": text, "more_info": more_info, "status": status})
