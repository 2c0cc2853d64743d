"""Twilio's account: its WhatsApp senders, as the Senders API (v2) tells and changes them, and its templates."""

from __future__ import annotations

import copy
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators.account import Account, State
from infra.local.simulators.templates import TWILIO_CONTENTS
from infra.local.simulators.twilio_log import VERSION

ACCOUNT = re.compile(rf"/{VERSION}/Accounts/([^/]+)\.json")
CONTENTS = "/v1/ContentAndApprovals"
SENDERS = "/v2/Channels/Senders"
SENDER = re.compile(rf"{SENDERS}/(\w+)")
OPTION = re.compile(
    r"(?:rc=[0-5]|rp=(?:4xx|5xx|ct|rt|all)(?:,(?:4xx|5xx|ct|rt|all))*|(?:ct|rt|tt)=\d{3,5}|e=.+|sni=[yn])"
)
WEBHOOK = (
    *("callback_url", "callback_method", "fallback_url", "fallback_method"),
    *("status_callback_url", "status_callback_method"),
)


class TwilioAccount(Account):
    """One account with one sender; its state holds `status`, `senders` by their sid, and `contents`."""

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._hook = identity, f"{gateway_url}/webhooks/twilio"
        super().__init__(self._first, {"senders": {identity.twilio_sender_sid: {"webhook": None}}})

    def owns(self, request: Request) -> bool:
        """Whether this is a call about the account."""
        path = request.path
        return path in (SENDERS, CONTENTS) or bool(ACCOUNT.fullmatch(path) or SENDER.fullmatch(path))

    def answer(self, request: Request) -> Response:
        """Answer a caller whose credentials are right."""
        if self.refuse == "credentials":
            return _error(401, 20003, "Authenticate")
        if match := ACCOUNT.fullmatch(request.path):
            if match[1] != self._identity.twilio_account_sid:
                return _error(404, 20404, "The requested resource was not found")
            return json_response(200, {"sid": match[1], "status": self.state["status"], "type": "Full"})
        if self.refuse == "rights":
            return _error(403, 20003, "Permission denied")
        if request.path == CONTENTS:
            return json_response(200, self._contents(dict(parse_qsl(request.query))))
        senders = self.state["senders"]
        match = SENDER.fullmatch(request.path)
        if match is None:
            return json_response(200, _page(senders))
        if match[1] not in senders:
            return _error(404, 20404, "The requested resource was not found")
        return self._set(match[1], request) if request.method == "POST" else json_response(200, senders[match[1]])

    @property
    def delivers(self) -> bool:
        """Whether a sender's webhook leads there."""
        hooks = [sender.get("webhook", {}).get("callback_url", "") for sender in self.state["senders"].values()]
        return any(hook.partition("#")[0] == self._hook for hook in hooks)

    def _contents(self, asked: dict[str, str]) -> dict[str, Any]:
        contents, size, page = self.state["contents"], int(asked.get("PageSize") or 50), int(asked.get("Page") or 0)
        following = f"https://content.twilio.com{CONTENTS}?PageSize={size}&Page={page + 1}"
        is_last = (page + 1) * size >= len(contents)
        meta = {"page": page, "page_size": size, "next_page_url": None if is_last else following, "key": "contents"}
        return {"contents": contents[page * size : (page + 1) * size], "meta": meta}

    def _set(self, sid: str, request: Request) -> Response:
        try:
            webhook = json.loads(request.body)["webhook"]
            fine = isinstance(webhook, dict) and all(_is_fine(name, value) for name, value in webhook.items())
        except (ValueError, TypeError, KeyError):
            fine = False
        if not fine:
            return _error(400, 20001, "Invalid parameter: webhook")
        self.change({"senders": {sid: {"webhook": webhook}}})
        return json_response(202, self.state["senders"][sid])

    def _first(self) -> State:
        sid = self._identity.twilio_sender_sid
        webhook = {
            "callback_url": f"{self._hook}#rc=3&rp=5xx,ct,rt&rt=4000",
            "callback_method": "POST",
            "fallback_url": self._hook,
            "fallback_method": "POST",
            "status_callback_url": f"{self._hook}/status",
            "status_callback_method": "POST",
        }
        sender = {
            "sid": sid,
            "sender_id": f"whatsapp:{self._identity.twilio_address}",
            "status": "ONLINE",
            "webhook": webhook,
            "properties": {"quality_rating": "HIGH", "messaging_limit": "1K Customers/24hr"},
            "offline_reasons": None,
            "url": f"https://messaging.twilio.com{SENDERS}/{sid}",
        }
        return {"status": "active", "senders": {sid: sender}, "contents": copy.deepcopy(TWILIO_CONTENTS)}


def _page(senders: State) -> dict[str, Any]:
    paging = {"page": 0, "page_size": 50, "next_page_url": None, "previous_page_url": None, "key": "senders"}
    return {"senders": list(senders.values()), "meta": paging}


def _is_fine(name: str, value: object) -> bool:
    """Whether Twilio takes it: a method, or an address with none but its own options behind it."""
    if name not in WEBHOOK or not isinstance(value, str):
        return False
    if name.endswith("_method"):
        return value in ("POST", "GET", "PUT")
    parts = urlsplit(value)
    options = parts.fragment.split("&") if parts.fragment else []
    return bool(parts.scheme and parts.hostname) and all(OPTION.fullmatch(option) for option in options)


def _error(status: int, code: int, text: str) -> Response:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return json_response(status, {"code": code, "message": text, "more_info": more_info, "status": status})
