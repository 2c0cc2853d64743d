"""Meta's webhook, written and read: statuses of what we sent, and customers' messages."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from infra.local.identity import Identity
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.contract import Heard, Sent

HOOK = "/webhooks/meta"
PATIENCE_SECONDS = 5.0
TRIES = 5  # really for seven days
NO_MESSAGES = frozenset({"reaction", "edit", "revoke", "system"})
"""Kinds that do not count as writing."""


class MetaHooks:
    """Signed webhooks of one app."""

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._url = identity, f"{gateway_url}{HOOK}"

    def message(self, message: Mapping[str, Any], contact: Mapping[str, Any], number: str | None) -> Webhook:
        """A customer's message to a number of ours: the one that we have, or another."""
        return self._signed({"contacts": [contact], "messages": [message]}, number)

    def status(self, sent: Sent, status: str, error: Mapping[str, Any] | None = None) -> Webhook:
        """What became of a message of ours."""
        attempt = sent.attempt
        content: dict[str, Any] = {"id": sent.id, "status": status, "timestamp": str(int(time.time()))}
        content["recipient_id" if "to" in attempt.raw else "recipient_user_id"] = attempt.to.removeprefix("+")
        if "biz_opaque_callback_data" in attempt.raw:
            content["biz_opaque_callback_data"] = attempt.raw["biz_opaque_callback_data"]
        if error is not None:
            content["errors"] = [error]
        elif status == "sent":
            content["pricing"] = {"pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
        return self._signed({"statuses": [content]}, attempt.address)

    def _signed(self, value: Mapping[str, Any], number: str | None) -> Webhook:
        ours = self._identity.meta_phone_number_id
        shown = self._identity.meta_display_phone_number if number in (None, ours) else f"1555{str(number)[-7:]}"
        metadata = {"display_phone_number": shown, "phone_number_id": number or ours}
        value = {"messaging_product": "whatsapp", "metadata": metadata, **value}
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


def heard(path: str, body: bytes) -> list[Heard]:
    """The customers' messages and calls in a webhook, whoever signed it."""
    if path != HOOK:
        return []
    try:
        return list(_heard(json.loads(body)))
    except (ValueError, TypeError, KeyError, AttributeError):  # what somebody made up
        return []


def _heard(payload: Any) -> Iterator[Heard]:
    for value in [change["value"] for entry in payload["entry"] for change in entry["changes"]]:
        number = (value.get("metadata") or {}).get("phone_number_id")
        for item in [*(value.get("messages") or []), *(value.get("calls") or [])] if number else []:
            phone = str(item.get("from") or "")
            names = (f"+{phone}" if phone.isdigit() else phone, str(item.get("from_user_id") or ""))
            opens = item.get("type") not in NO_MESSAGES and "group_id" not in item
            text = str((item.get("text") or {}).get("body", ""))
            at = float(item.get("timestamp") or time.time())
            yield Heard(tuple(filter(None, names)), str(number), at, opens, text)


def wamid() -> str:
    """An id as Meta makes them."""
    return "wamid." + base64.b64encode(secrets.token_bytes(36)).decode()
