"""Calling the API as API Gateway does, and the customers that its tests write to."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.functions.lambda_context import Context

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]
NOBODY = "6f1cbc1e-0000-4000-8000-000000000000"
OURS = {"twilio": "+14155238886", "meta": "106540352242922", "kommo": "100"}
PHONE = "+5511987654321"
CALLER = "8c1f6a2e-operator"


class Api:
    """The handler: (method, path, body, query) → (status, decoded body)."""

    def __init__(self, load: Load, events: Events, claims: dict[str, str] | None = None) -> None:
        self.app = load("api")
        self._make, self._claims = events["http"], claims

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: str = "",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Call it, and see that its content type fits its status."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        event = self._make(method, path, b"", {"content-type": "application/json", **(headers or {})}, query)
        event |= {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True} if raw else {"body": None}
        if self._claims is not None:
            event["requestContext"]["authorizer"] = {"jwt": {"claims": self._claims, "scopes": None}}
        response = self.app.handler(event, Context())
        found = json.loads(response["body"])
        kind = "application/json" if response["statusCode"] < 400 else "application/problem+json"
        given = {**response.get("headers", {}), **response.get("multiValueHeaders", {})}
        assert kind in str(next(value for name, value in given.items() if name.lower() == "content-type"))
        if kind == "application/problem+json":
            assert found["status"] == response["statusCode"]
            assert {"type", "title", "code"} <= found.keys()
        return response["statusCode"], found


def a_conversation(rows: Rows, provider: str = "twilio", phone: str = PHONE, hours_ago: float = 0) -> str:
    """A customer who wrote so many hours ago; the id of their conversation."""
    found = rows(
        "insert into kommo_conversations (provider, phone, contact_name, business_address, kommo_chat_id)"
        " values (%s, %s, 'Ana', %s, case %s when 'kommo' then %s end) returning id::text",
        provider,
        phone,
        OURS[provider],
        provider,
        f"chat-{phone}",
    )[0][0]
    rows(
        "insert into kommo_messages (conversation_id, provider, business_address, provider_message_id, role, content,"
        " delivery_status, created_at)"
        " values (%s, %s, %s, %s, 'user', 'hola', 'received', now() - %s * interval '1 hour') returning 1",
        found,
        provider,
        OURS[provider],
        f"in-{found}",
        hours_ago,
    )
    return str(found)


def text(body: str = "an answer", **more: Any) -> dict[str, Any]:
    """A text to be sent."""
    return {"type": "text", "text": {"body": body}, **more}
