"""Kommo's account and its CRM webhooks, which an administrator lists, sets and removes."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import urlsplit

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators.account import Account, State

API = "/api/v4"
PATHS = (f"{API}/account", f"{API}/webhooks", f"{API}/contacts")
OURS = ["add_message", "add_outgoing_message", "add_talk", "update_talk", "add_contact", "update_contact"]
SETTING = re.compile(
    r"(?:add|update|delete|restore|status|responsible|note)_(?:lead|contact|company|customer|task|talk|message)"
    r"|add_outgoing_message|add_chat_template_review|add_unsorted|update_unsorted|delete_unsorted"
)
MOST = 100


class KommoAccount(Account):
    """One account; its state holds `id`, `subdomain`, and `hooks` by destination."""

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity = identity
        self._hook = f"{gateway_url}/webhooks/kommo/{identity.kommo_webhook_token}"
        super().__init__(self._first, {"hooks": {self._hook: None}})

    def owns(self, request: Request) -> bool:
        """Whether this is a call about the account."""
        return request.path in PATHS

    def answer(self, request: Request) -> Response:
        """Answer a caller whose token is right."""
        if self.refuse == "credentials":
            return _error(401, "Unauthorized")
        name, state = request.path.removeprefix(f"{API}/"), self.state
        if name == "account" and request.method == "GET":
            return json_response(200, {"id": state["id"], "name": "Ventana", "subdomain": state["subdomain"]})
        if self.refuse == "rights":
            return _error(403, "Forbidden")
        if name == "contacts":
            return Response(204) if request.method == "GET" else _error(405, "Method Not Allowed")
        if request.method == "GET":
            hooks = list(state["hooks"].values())
            return json_response(200, {"_embedded": {"webhooks": hooks}}) if hooks else Response(204)
        return self._change(request)

    @property
    def delivers(self) -> bool:
        """Whether the webhook with our token is there, on, and called for messages."""
        hook = self.state["hooks"].get(self._hook, {"disabled": True})
        return not hook.get("disabled") and "add_message" in hook["settings"]

    def _change(self, request: Request) -> Response:
        try:
            order: Any = json.loads(request.body)
            destination, settings = order["destination"], order.get("settings", [])
            fine = bool(urlsplit(destination).hostname) and all(SETTING.fullmatch(each) for each in settings)
        except (ValueError, TypeError, KeyError, AttributeError):
            fine = False
        hooks = self.state["hooks"]
        if not fine or (request.method == "POST" and (not settings or len(hooks) >= MOST)):
            return _error(400, "Bad Request")
        if request.method == "DELETE":
            self.change({"hooks": {destination: None}})
            return Response(204) if destination in hooks else _error(404, "Not Found")
        # Whoever sets one again changes it; one that was switched off stays so.
        disabled = hooks.get(destination, {}).get("disabled", False)
        self.change({"hooks": {destination: self._made(destination, settings, disabled)}})
        return json_response(201, self.state["hooks"][destination])

    def _made(self, destination: str, settings: list[str], disabled: bool = False) -> dict[str, Any]:
        now = int(time.time())
        made = {"id": now, "destination": destination, "created_at": now, "updated_at": now, "sort": 10}
        return {**made, "account_id": int(self._identity.kommo_account_id), "settings": settings, "disabled": disabled}

    def _first(self) -> State:
        identity = self._identity
        hooks = {self._hook: self._made(self._hook, OURS)}
        return {"id": int(identity.kommo_account_id), "subdomain": identity.kommo_subdomain, "hooks": hooks}


def _error(status: int, title: str) -> Response:
    content = {"title": title, "type": f"https://httpstatus.es/{status}", "status": status, "detail": title}
    return json_response(status, content, "application/problem+json")
