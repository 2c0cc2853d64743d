"""Meta's app and WhatsApp account: tokens, subscriptions with their handshake, numbers, templates."""

from __future__ import annotations

import copy
import hmac
import json
import re
import secrets
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qsl, urlencode
from urllib.request import urlopen

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators.account import Account, State
from infra.local.simulators.templates import META_TEMPLATES

VERSION = r"/v\d+\.0"
DEBUG = re.compile(rf"{VERSION}/debug_token")
ME = re.compile(rf"{VERSION}/me")
PART = re.compile(rf"{VERSION}/(\d+)/(subscriptions|subscribed_apps|phone_numbers|message_templates)")
WHATSAPP = "whatsapp_business_account"
SCOPES = ["whatsapp_business_messaging", "whatsapp_business_management"]
OURS = ["messages", "smb_message_echoes", "user_id_update", "user_preferences", "calls"]
FIELDS = {
    *OURS,
    *("account_alerts", "account_review_update", "account_update", "business_capability_update", "flows", "history"),
    *("message_template_quality_update", "message_template_status_update", "phone_number_name_update"),
    *("phone_number_quality_update", "security", "template_category_update"),
}
PATIENCE_SECONDS = 5.0
STATUS = {"190": 401, "200": 403, "10": 403}


class MetaAccount(Account):
    """One app, one WhatsApp account, one number.

    The state holds `token` (what debug_token tells), `subscription` of the app, `waba` (`subscribed`, `override`),
    `number`, `templates`, and `fields` that the app may subscribe.
    """

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._hook = identity, f"{gateway_url}/webhooks/meta"
        super().__init__(self._first, {"subscription": None, "waba": {"subscribed": False, "override": None}})

    def owns(self, request: Request) -> bool:
        """Whether this is a call about the app or the account."""
        return any(path.fullmatch(request.path) for path in (DEBUG, ME, PART))

    def answer(self, request: Request) -> Response:
        """Answer, or refuse a wrong token, one of the wrong kind, and ids of nobody's."""
        if self.refuse == "credentials":
            return error("190", "Invalid OAuth access token")
        given = request.header("authorization").removeprefix("Bearer ")
        as_app = _same(given, f"{self._identity.meta_app_id}|{self._identity.meta_app_secret}")
        as_user = _same(given, self._identity.meta_access_token) and self.state["token"]["is_valid"]
        if not (as_app or as_user):
            return error("190", "Invalid OAuth access token - Cannot parse access token")
        if DEBUG.fullmatch(request.path):
            return self._inspected(dict(parse_qsl(request.query)).get("input_token", ""))
        if ME.fullmatch(request.path):
            return json_response(200, {"id": "122100000000000001"})
        match = PART.fullmatch(request.path)
        if match is None:
            return error("100", "Unsupported request")
        if match[2] == "subscriptions":
            if not as_app or match[1] != self._identity.meta_app_id:
                return error("15", "This method must be called with an app access_token")
            return self._subscribe(request) if request.method == "POST" else self._subscriptions()
        if match[1] != self._identity.meta_waba_id:
            return error("100", "Unsupported request. Object does not exist", error_subcode=33)
        if self.refuse == "rights" or SCOPES[1] not in self.state["token"]["scopes"]:
            return error("200", "Permissions error")
        if match[2] == "phone_numbers":
            return json_response(200, {"data": [self.state["number"]]})
        if match[2] == "message_templates":
            return self._templates(dict(parse_qsl(request.query)))
        return self._override(request) if request.method == "POST" else self._apps()

    @property
    def delivers(self) -> bool:
        """Whether messages are subscribed, and the override or else the app's address leads there."""
        subscription, waba = self.state.get("subscription", {}), self.state["waba"]
        names = {field["name"] if isinstance(field, dict) else field for field in subscription.get("fields", [])}
        leads = (waba.get("override") or subscription.get("callback_url")) == self._hook
        return bool(waba["subscribed"] and "messages" in names and leads)

    def _inspected(self, token: str) -> Response:
        if not _same(token, self._identity.meta_access_token) or not self.state["token"]["is_valid"]:
            refused = {"code": 190, "message": "Invalid OAuth access token."}
            return json_response(200, {"data": {"error": refused, "is_valid": False, "scopes": []}})
        return json_response(200, {"data": {"app_id": self._identity.meta_app_id, **self.state["token"]}})

    def _subscriptions(self) -> Response:
        subscription = self.state.get("subscription")
        return json_response(200, {"data": [subscription] if subscription else []})

    def _subscribe(self, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode()))
        fields = form.get("fields", "").split(",")
        if form.get("object") != WHATSAPP or not set(fields) <= set(self.state["fields"]):
            return error("100", "(#100) Param fields is not valid")
        if refused := _handshake(form.get("callback_url", ""), form.get("verify_token", "")):
            return refused
        self.change({"subscription": _subscription(form["callback_url"], fields)})
        return json_response(200, {"success": True})

    def _templates(self, asked: dict[str, str]) -> Response:
        """A page of those in the state that is asked for; the cursor is a number, which nobody may rely on."""
        found = [each for each in self.state["templates"] if asked.get("status") in (None, each["status"])]
        first = int(asked.get("after") or 0)
        following = first + int(asked.get("limit") or 25)
        paging: dict[str, Any] = {"cursors": {"before": str(first), "after": str(following)}}
        if following < len(found):
            paging["next"] = "https://graph.facebook.com/next"
        return json_response(200, {"data": found[first:following], "paging": paging})

    def _apps(self) -> Response:
        waba = self.state["waba"]
        app = {"id": self._identity.meta_app_id, "name": "Ventana", "link": "https://www.facebook.com/games/?app_id=1"}
        override = {"override_callback_uri": waba["override"]} if waba.get("override") else {}
        listed = [{"whatsapp_business_api_data": app, **override}] if waba["subscribed"] else []
        return json_response(200, {"data": listed})

    def _override(self, request: Request) -> Response:
        try:
            order: Any = json.loads(request.body or b"{}")
        except ValueError:
            return error("100", "(#100) Invalid JSON")
        url = order.get("override_callback_uri")
        if url and (refused := _handshake(url, str(order.get("verify_token", "")))):
            return refused
        self.change({"waba": {"subscribed": True, "override": url}})
        return json_response(200, {"success": True})

    def _first(self) -> State:
        waba = self._identity.meta_waba_id
        granular = [{"scope": scope, "target_ids": [waba]} for scope in SCOPES]
        return {
            "token": {
                "is_valid": True,
                "scopes": [*SCOPES, "public_profile"],
                "expires_at": 0,
                "granular_scopes": granular,
            },
            "subscription": _subscription(self._hook, OURS),
            "waba": {"subscribed": True, "override": self._hook},
            "number": {
                "id": self._identity.meta_phone_number_id,
                "status": "CONNECTED",
                "quality_rating": "GREEN",
                "platform_type": "CLOUD_API",
                "code_verification_status": "VERIFIED",
                "webhook_configuration": {"application": self._hook},
            },
            "templates": copy.deepcopy(META_TEMPLATES),
            "fields": sorted(FIELDS),
        }


def _subscription(url: str, fields: list[str]) -> dict[str, Any]:
    named = [{"name": name, "version": "v25.0"} for name in fields]
    return {"object": WHATSAPP, "callback_url": url, "active": True, "fields": named}


def _handshake(url: str, verify_token: str) -> Response | None:
    """Call the address as Meta does before it takes it; the refusal, unless the challenge comes back alone."""
    challenge = str(secrets.randbelow(10**10))
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        with urlopen(f"{url}?{urlencode(query)}", timeout=PATIENCE_SECONDS) as reply:
            if reply.status == 200 and reply.read(1000) == challenge.encode():
                return None
    except (URLError, OSError, HTTPException, ValueError):
        pass
    return error("2200", "(#2200) Callback verification failed with the following errors: HTTP Status Code != 200")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def error(code: str, text: str, **more: Any) -> Response:
    """A refusal of the Graph API."""
    content = {
        "message": text,
        "type": "OAuthException",
        "code": int(code),
        "fbtrace_id": secrets.token_urlsafe(8),
        **more,
    }
    return json_response(STATUS.get(code, 400), {"error": content})
