"""Meta's Graph API for messages and their files, and its webhook: statuses and customers' messages."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators import meta_hooks
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.contract import Attempt, Heard, Letter, Sent
from infra.local.simulators.faults import Fault
from infra.local.simulators.files import MetaFiles
from infra.local.simulators.meta_account import MetaAccount
from infra.local.simulators.meta_messages import check, kind_of, text_of
from infra.local.simulators.meta_parameters import Invalid
from infra.local.simulators.templates import lacks_values

PATH = re.compile(r"/v\d+\.0/(\d+)/messages")
FILE = re.compile(r"/v\d+\.0/(\d+)")
THROTTLED = "130429"
HTTP_STATUS = {"190": 401, "131005": 403, "1": 500, "2": 503, "131000": 500, THROTTLED: 429}
TEXTS = {
    "1": "An unknown error has occurred.",
    "190": "Invalid OAuth access token - Cannot parse access token",
    "130429": "Rate limit hit",
    "131047": "Re-engagement message",
    "131050": "User has stopped marketing messages",
    "131056": "(Business Account, Consumer Account) pair rate limit hit",
}
OF_MODES = {"http_400": "135999", "http_401": "190", "http_429": THROTTLED, "http_500": "1"}
"""Meta's codes for what goes wrong, unless the order names one; 135999 is none that it documents."""


class MetaSimulator:
    """One app with one phone number, and every other that a customer wrote to."""

    name = "meta"

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._hooks = identity, meta_hooks.MetaHooks(identity, gateway_url)
        self.account = MetaAccount(identity, gateway_url)
        self._numbers = {identity.meta_phone_number_id}
        self._files = MetaFiles()

    def owns(self, request: Request) -> bool:
        """Whether this is a call to the Graph API, or to where it keeps files."""
        ours = request.path == MetaFiles.PATH or self.account.owns(request)
        return ours or any(path.fullmatch(request.path) for path in (PATH, FILE))

    def read(self, request: Request) -> Response | Attempt:
        """Answer a wrong token, a number of nobody's, a body that is not in order, questions for files."""
        if self.account.owns(request):
            return self.account.answer(request)
        wanted = f"Bearer {self._identity.meta_access_token}"
        if not hmac.compare_digest(request.header("authorization").encode(), wanted.encode()):
            return self.refusal("190")
        if request.method == "GET" and request.path == MetaFiles.PATH:
            return self._files.answer(request)
        if request.method == "GET" and (file := FILE.fullmatch(request.path)):
            return self._files.described(file[1])
        match = PATH.fullmatch(request.path)
        if request.method != "POST" or match is None or match[1] not in self._numbers:
            return _error("100", "Unsupported post request. Object does not exist", error_subcode=33)
        try:
            message = json.loads(request.body)
            check(message)
            self._check_template(message)
        except ValueError:
            return _error("100", "(#100) Invalid JSON")
        except Invalid as error:
            return _error(error.code, f"(#{error.code}) {error}")
        return _indication(match[1], message) if "status" in message else _attempt(match[1], message)

    def _check_template(self, message: Mapping[str, Any]) -> None:
        template = message.get("template")
        if message.get("type") == "template" and lacks_values(self.account.state["templates"], template or {}):
            raise Invalid("132000", "Number of parameters does not match the expected number of params")

    def question(self, request: Request) -> Attempt | None:
        """Only messages count."""
        return None

    def take(self, attempt: Attempt) -> Sent:
        """Keep a message that is in order."""
        return Sent(meta_hooks.wamid(), attempt)

    def accepted(self, sent: Sent) -> Response:
        """The answer to a send."""
        to, raw = sent.attempt.to, sent.attempt.raw
        contact = {"input": to, "wa_id": to.removeprefix("+")} if "to" in raw else {"input": to, "user_id": to}
        status = {"message_status": "accepted"} if sent.attempt.kind == "template" else {}
        message = {"id": sent.id, **status}
        return json_response(200, {"messaging_product": "whatsapp", "contacts": [contact], "messages": [message]})

    def refusal(self, code: str) -> Response:
        """The answer of a Graph API that refuses."""
        return _error(code)

    def failed(self, fault: Fault) -> Response:
        """The answer of a Graph API that misbehaves. It throttles with 400 as well: the pair limit does."""
        return _error(fault.code or OF_MODES[fault.mode])

    def statuses(self, sent: Sent, error_code: str | None) -> Sequence[Webhook]:
        """What Meta reports about a message."""
        if error_code:
            error = {"code": int(error_code), "title": _text(error_code), "message": _text(error_code)}
            return [self._hooks.status(sent, "failed", error)]
        return [self._hooks.status(sent, status) for status in ("sent", "delivered", "read")]

    def customer(self, letter: Letter) -> tuple[Webhook, str]:
        """A customer's message; `payload` is merged into the message object. A file gets an id and a hash."""
        message: dict[str, Any] = {"id": meta_hooks.wamid(), "timestamp": str(int(time.time() - letter.age))}
        contact: dict[str, Any] = {"profile": {"name": letter.name or "Bruno"}}
        if letter.sender.removeprefix("+").isdigit():
            message["from"] = contact["wa_id"] = letter.sender.removeprefix("+")
        else:
            message["from_user_id"] = contact["user_id"] = letter.sender
        if letter.text is not None:
            message |= {"type": "text", "text": {"body": letter.text}}
        message = self._files.completed({**message, **letter.payload})
        return self._hooks.message(message, contact, letter.address), str(message["id"])

    def heard(self, path: str, body: bytes) -> list[Heard]:
        """The messages in a webhook; the numbers that they went to are ours from now on."""
        found = meta_hooks.heard(path, body)
        self._numbers |= {heard.address for heard in found}
        return found


def _attempt(number: str, message: Mapping[str, Any]) -> Attempt:
    to, ours = str(message.get("to") or message["recipient"]), message.get("biz_opaque_callback_data")
    return Attempt(
        provider="meta",
        kind=kind_of(message),
        to=to,
        sender=number,
        customers=(f"+{to.removeprefix('+')}" if message.get("to") else to,),
        address=number,
        text=text_of(message),
        message_id=str(ours) if ours else None,
        raw=message,
    )


def _indication(number: str, message: Mapping[str, Any]) -> Attempt:
    kind, about = "typing" if "typing_indicator" in message else "read", str(message["message_id"])
    return Attempt("meta", kind, "", number, (), number, about, None, message, call="indication")


def _text(code: str) -> str:
    return TEXTS.get(code, "Message undeliverable")


def _error(code: str, text: str = "", **more: Any) -> Response:
    error = {
        "message": text or f"(#{code}) {_text(code)}",
        "type": "OAuthException",
        "code": int(code),
        "error_data": {"messaging_product": "whatsapp", "details": text or _text(code)},
        "fbtrace_id": secrets.token_urlsafe(16),
        **more,
    }
    return json_response(HTTP_STATUS.get(code, 400), {"error": error})
