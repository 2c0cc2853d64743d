"""Meta's Graph API for messages and their files, and its webhook: statuses and customers' messages."""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import time
from hashlib import sha256
from typing import Any

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.files import MetaFiles
from infra.local.simulators.ledger import Fault, Sent

PATH = re.compile(r"/v\d+\.0/(\d+)/messages")
FILE = re.compile(r"/v\d+\.0/(\d+)")
PATIENCE_SECONDS = 5.0
TRIES = 5  # really for seven days
THROTTLED = "130429"
HTTP_STATUS = {"190": 401, "131005": 403, "1": 500, "2": 503, "131000": 500, THROTTLED: 429}
TEXTS = {
    "1": "An unknown error has occurred.",
    "190": "Invalid OAuth access token - Cannot parse access token",
    "130429": "Rate limit hit",
    "131047": "Re-engagement message",
    "131056": "(Business Account, Consumer Account) pair rate limit hit",
}


class MetaSimulator:
    """One app with one phone number."""

    name = "meta"

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._url = identity, f"{gateway_url}/webhooks/meta"
        self._files = MetaFiles()

    def owns(self, request: Request) -> bool:
        """Whether this is a call to the Graph API, or to where it keeps files."""
        return request.path == MetaFiles.PATH or any(path.fullmatch(request.path) for path in (PATH, FILE))

    def refuse(self, request: Request) -> Response | None:
        """Answer what is no send: a wrong token, another number, a body that is not in order, questions for files."""
        wanted = f"Bearer {self._identity.meta_access_token}"
        if not hmac.compare_digest(request.header("authorization").encode(), wanted.encode()):
            return _error("190")
        if request.method == "GET" and request.path == MetaFiles.PATH:
            return self._files.answer(request)
        if request.method == "GET" and (file := FILE.fullmatch(request.path)):
            return self._files.described(file[1])
        match = PATH.fullmatch(request.path)
        if request.method != "POST" or match is None or match[1] != self._identity.meta_phone_number_id:
            return _error("100", "Unsupported post request. Object does not exist", error_subcode=33)
        try:
            message = json.loads(request.body)
        except ValueError:
            return _error("100", "(#100) Invalid JSON")
        complaint = _complaint(message)
        return _error("100", f"(#100) {complaint}") if complaint else None

    def take(self, request: Request) -> Sent:
        """Keep a message that is in order."""
        message = json.loads(request.body)
        to = str(message.get("to") or message["recipient"])
        text = str((message.get("text") or {}).get("body", ""))
        return Sent(self.name, _wamid(), to, self._identity.meta_phone_number_id, text, message)

    def accepted(self, sent: Sent) -> Response:
        """The answer to a send."""
        contact = {"input": sent.to, "wa_id": sent.to.removeprefix("+")}
        if "to" not in sent.raw:
            contact = {"input": sent.to, "user_id": sent.to}
        content = {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": sent.id}]}
        return json_response(200, content)

    def failed(self, fault: Fault) -> Response:
        """The answer of a Graph API that misbehaves."""
        if fault.mode == "http_429":
            # Meta throttles with 400 as well: the pair limit does.
            return _error(fault.code if fault.code in ("131056", "4", "80007") else THROTTLED)
        return _error("1" if fault.mode == "http_500" else fault.code)

    def statuses(self, sent: Sent, error_code: str | None) -> list[Webhook]:
        """What Meta reports about a message."""
        return [self._status(sent, name, error_code) for name in (["failed"] if error_code else REPORTED)]

    def customer(self, sender: str, text: str | None, payload: dict[str, Any]) -> tuple[Webhook, str]:
        """A customer's message; `payload` is merged into the message object. A file gets an id and a hash."""
        message: dict[str, Any] = {"id": _wamid(), "timestamp": str(int(time.time()))}
        contact: dict[str, Any] = {"profile": {"name": "Bruno"}}
        if sender.removeprefix("+").isdigit():
            message["from"] = contact["wa_id"] = sender.removeprefix("+")
        else:
            message["from_user_id"] = contact["user_id"] = sender
        if text is not None:
            message |= {"type": "text", "text": {"body": text}}
        message = self._files.completed({**message, **payload})
        return self._signed({"contacts": [contact], "messages": [message]}), str(message["id"])

    def _status(self, sent: Sent, status: str, error_code: str | None) -> Webhook:
        content: dict[str, Any] = {"id": sent.id, "status": status, "timestamp": str(int(time.time()))}
        if "to" in sent.raw:
            content["recipient_id"] = sent.to.removeprefix("+")
        else:
            content["recipient_user_id"] = sent.to
        if "biz_opaque_callback_data" in sent.raw:
            content["biz_opaque_callback_data"] = sent.raw["biz_opaque_callback_data"]
        if error_code:
            content["errors"] = [{"code": int(error_code), "title": _text(error_code), "message": _text(error_code)}]
        elif status == "sent":
            content["pricing"] = {"pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
        return self._signed({"statuses": [content]})

    def _signed(self, value: dict[str, Any]) -> Webhook:
        number, name = self._identity.meta_phone_number_id, self._identity.meta_display_phone_number
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": name, "phone_number_id": number},
            **value,
        }
        entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).replace("/", "\\/").encode()
        # Over the bytes as they are sent; Meta escapes what is not ASCII, and slashes.
        digest = hmac.new(self._identity.meta_app_secret.encode(), body, sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "x-hub-signature-256": f"sha256={digest}",
            "user-agent": "facebookexternalua",
        }
        return Webhook(self._url, headers, body, PATIENCE_SECONDS, TRIES)


REPORTED = ("sent", "delivered", "read")


def _complaint(message: Any) -> str:
    if not isinstance(message, dict) or message.get("messaging_product") != "whatsapp":
        return "The parameter messaging_product is required."
    if not (message.get("to") or message.get("recipient")):
        return "The parameter to is required."
    kind = message.get("type", "text")
    if not isinstance(message.get(kind), dict):
        return f"The parameter {kind} is required."
    body = message[kind].get("body") if kind == "text" else "-"
    if not isinstance(body, str) or not 1 <= len(body) <= 4096:
        return "Param text['body'] must have 1 to 4096 characters."
    return ""


def _wamid() -> str:
    return "wamid." + base64.b64encode(secrets.token_bytes(36)).decode()


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
