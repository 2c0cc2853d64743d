"""Twilio's REST API for messages and their files, its status callbacks and its inbound webhook."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import Sequence
from uuid import uuid4

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators import twilio_hooks
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.contract import Attempt, Heard, Letter, Sent
from infra.local.simulators.faults import Fault
from infra.local.simulators.files import TwilioFiles
from infra.local.simulators.templates import lacks_variables
from infra.local.simulators.twilio_account import TwilioAccount
from infra.local.simulators.twilio_log import VERSION, MessageLog
from infra.local.simulators.twilio_messages import Invalid, check, form_of, kind_of, our_id

PATH = re.compile(rf"/{VERSION}/Accounts/([^/]+)/Messages(?:/(\w+)(/Media)?)?\.json")
FILE = re.compile(rf"/{VERSION}/Accounts/([^/]+)/Messages/\w+/Media/(\w+)")
TYPING = "/v3/Indicators/Typing.json"
HTTP_STATUS = {"20003": 401, "20404": 404, "20429": 429, "20500": 500, "20503": 503}
TEXTS = {
    "20003": "Authenticate",
    "20404": "The requested resource was not found",
    "20429": "Too Many Requests",
    "20500": "An internal server error has occurred",
    "21610": "Attempt to send to unsubscribed recipient",
    "63016": "Failed to send freeform message because you are outside the allowed window. Please use a template.",
}
OF_MODES = {"http_400": "29999", "http_401": "20003", "http_429": "20429", "http_500": "20500"}
"""Twilio's codes for what goes wrong, unless the order names one; 29999 is none that it documents."""


class TwilioSimulator:
    """One account with one WhatsApp sender, and every other that a customer wrote to."""

    name = "twilio"

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._hooks = identity, twilio_hooks.TwilioHooks(identity, gateway_url)
        self.account = TwilioAccount(identity, gateway_url)
        self._senders = {identity.twilio_address}
        self._log = MessageLog(identity.twilio_account_sid)
        self._files = TwilioFiles(identity.twilio_account_sid)

    def owns(self, request: Request) -> bool:
        """Whether this is a call to Twilio, or to where it keeps files."""
        ours = any(path.fullmatch(request.path) for path in (PATH, FILE))
        ours = ours or self.account.owns(request) or request.path == TYPING
        return ours or request.path.startswith(TwilioFiles.PATH)

    def read(self, request: Request) -> Response | Attempt:
        """Answer wrong credentials, wrong parameters, and questions about messages."""
        if request.path.startswith(TwilioFiles.PATH):
            return self._files.answer(request)
        account = f"{self._identity.twilio_account_sid}:{self._identity.twilio_auth_token}"
        wanted = "Basic " + base64.b64encode(account.encode()).decode()
        if not hmac.compare_digest(request.header("authorization").encode(), wanted.encode()):
            return self.refusal("20003")
        if self.account.owns(request):
            return self.account.answer(request)
        if request.path == TYPING:
            return self._typing(request)
        match = PATH.fullmatch(request.path) or FILE.fullmatch(request.path)
        if match is None or match[1] != self._identity.twilio_account_sid:
            return self.refusal("20404")
        if match.re is FILE:
            return self._files.redirected(match[2])
        if request.method == "GET":
            return self._listed(request, match)
        try:
            check(pairs := form_of(request.body), self._senders)
            self._check_template(dict(pairs))
        except Invalid as error:
            return _error(error.code, str(error))
        return _attempt(dict(pairs))

    def _check_template(self, form: dict[str, str]) -> None:
        sid, variables = form.get("ContentSid", ""), json.loads(form.get("ContentVariables") or "{}")
        if lacks_variables(self.account.state["contents"], sid, variables):
            raise Invalid("21656", "The ContentVariables Parameter is Invalid")

    def question(self, request: Request) -> Attempt | None:
        """Only messages count."""
        return None

    def take(self, attempt: Attempt) -> Sent:
        """Keep a message that is in order."""
        sent = Sent(f"SM{uuid4().hex}", attempt)
        self._log.sent(sent)
        return sent

    def accepted(self, sent: Sent) -> Response:
        """The answer to a send."""
        return json_response(201, self._log.one(sent.id))

    def refusal(self, code: str) -> Response:
        """The answer of a Twilio that refuses."""
        return _error(code)

    def failed(self, fault: Fault) -> Response:
        """The answer of a Twilio that misbehaves."""
        return _error(fault.code or OF_MODES[fault.mode])

    def statuses(self, sent: Sent, error_code: str | None) -> Sequence[Webhook]:
        """What Twilio reports about a message, to the URL that was given with it; its log knows it in any case."""
        self._log.settled(sent.id, error_code)
        url = sent.attempt.raw.get("StatusCallback")
        if not url:
            return []
        if error_code:
            return [self._hooks.status(url, sent, "failed", {"ErrorCode": error_code})]
        return [self._hooks.status(url, sent, status, {}) for status in ("sent", "delivered", "read")]

    def customer(self, letter: Letter) -> tuple[Webhook, str]:
        """A customer's message; `payload` adds parameters or replaces them. NumMedia files get an address each."""
        form = self._files.completed(self._hooks.form(letter))
        self._log.received(form, time.time() - letter.age)
        return self._hooks.message(form), form["MessageSid"]

    def heard(self, path: str, body: bytes) -> list[Heard]:
        """The message in a webhook; the sender that it went to is ours from now on."""
        found = twilio_hooks.heard(path, body)
        self._senders |= {heard.address for heard in found}
        return found

    def _typing(self, request: Request) -> Response | Attempt:
        try:
            order = json.loads(request.body)
            about, channel = order["messageId"], order["channel"]
        except (ValueError, TypeError, KeyError):
            return _error("20001", "Missing or invalid parameter")
        if request.method != "POST" or channel != "WHATSAPP" or not re.fullmatch(r"(SM|MM)\w+", str(about)):
            return _error("20001", "Missing or invalid parameter")
        return Attempt(self.name, "typing", "", "", (), "", str(about), None, order, call="indication")

    def _listed(self, request: Request, asked: re.Match[str]) -> Response:
        if asked[2] is None:
            return json_response(200, self._log.page(request.query))
        found = self._log.media(asked[2]) if asked[3] else self._log.one(asked[2])
        return json_response(200, found) if found else self.refusal("20404")


def _attempt(form: dict[str, str]) -> Attempt:
    return Attempt(
        provider="twilio",
        kind=kind_of(form),
        to=form["To"],
        sender=form["From"],
        customers=(form["To"].removeprefix("whatsapp:"),),
        address=form["From"].removeprefix("whatsapp:"),
        text=form.get("Body") or form.get("ContentSid", ""),
        message_id=our_id(form),
        raw=form,
    )


def _error(code: str, text: str = "") -> Response:
    status = HTTP_STATUS.get(code, 400)
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    text = text or TEXTS.get(code, "The message was not taken")
    return json_response(status, {"code": int(code), "message": text, "more_info": more_info, "status": status})
