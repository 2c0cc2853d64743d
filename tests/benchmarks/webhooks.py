"""Signed webhooks as API Gateway hands them over: the providers' requests of tests/providers, each with ids, a
customer and a time of its own, as if it had just been sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from tests.providers.case_table import CASES, Case, live_secrets
from ventana.providers.base import RawRequest

CUSTOMERS = 100
"""How many customers of each provider write in turn."""
# A second apart, so that each message is newer than the one before and moves its customer's times; of half a day ago,
# so that none is of the future and no window closes while we measure.
_TIMES = (datetime.now(UTC) - timedelta(hours=12) + timedelta(seconds=second) for second in count())
_NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes a message different from all others."""

    message_id: str
    provider_message_id: str
    customer: str
    at: datetime


@dataclass(frozen=True)
class Kind:
    """A kind of webhook, after the first item of a case of its provider; `size` of them in one POST."""

    name: str
    provider: str
    label: str
    size: int = 1
    first_only: bool = False
    """The case holds more statuses than the one that is wanted."""

    @property
    def is_status(self) -> bool:
        """Whether it tells of messages that we sent, which must be there first."""
        return str(self._item["kind"]) == "StatusUpdate"

    @property
    def business_address(self) -> str:
        """Our number in it."""
        return str(self._item["business_address"])

    def identities(self, calls: int) -> list[list[Identity]]:
        """Fresh ones for so many calls, customers in turn."""
        return [[self._identity() for _ in range(self.size)] for _ in range(calls)]

    def request(self, identities: list[Identity]) -> RawRequest:
        """The signed request that tells of these."""
        signing = self._case.signing
        first, *others = [self._about(identity) for identity in identities]
        if others:
            first = replace(first, body=_joined([first.body, *(other.body for other in others)]))
        return signing.sign(first, live_secrets(self.provider)[0])

    @cached_property
    def _case(self) -> Case:
        return Case(self.provider, self.label, CASES / self.provider / self.label)

    @cached_property
    def _item(self) -> dict[str, Any]:
        return self._case.expected[0]

    @cached_property
    def _unsigned(self) -> RawRequest:
        request = self._case.signing.unsigned(self._case.request())
        return replace(request, body=_first_status(request.body)) if self.first_only else request

    def _identity(self) -> Identity:
        return Identity(
            message_id=str(uuid4()),
            provider_message_id=self._item["provider_message_id"][:2] + uuid4().hex,
            customer=f"{next(_NUMBERS) % CUSTOMERS:06d}",
            at=next(_TIMES),
        )

    def _about(self, identity: Identity) -> RawRequest:
        url, body = self._unsigned.url, self._unsigned.body
        for old, new in self._changes(identity):
            url, body = url.replace(old, new), body.replace(old.encode(), new.encode())
        return replace(self._unsigned, url=url, body=body)

    def _changes(self, identity: Identity) -> Iterator[tuple[str, str]]:
        yield self._item["provider_message_id"], identity.provider_message_id
        if "message_id" in self._item:
            yield self._item["message_id"], identity.message_id
        for name in {"sent_at", "at"} & self._item.keys():
            old = datetime.fromisoformat(self._item[name])
            yield f"{old.timestamp():.0f}", f"{identity.at.timestamp():.0f}"
        customer = self._item.get("customer", {})
        for name in {"phone", "user_id", "chat_id"} & customer.keys():
            known = customer[name].removeprefix("+")
            yield known, known[: -len(identity.customer)] + identity.customer


def event_of(request: RawRequest) -> dict[str, Any]:
    """The HTTP API v2 event of a request: JSON as text, everything else in base64."""
    url = urlsplit(request.url)
    text = request.headers.get("content-type", "").startswith("application/json")
    headers = {
        "accept": "*/*",
        "content-length": str(len(request.body)),
        "host": "inside.example.net",
        "user-agent": "webhooks/1.0",
        "x-amzn-trace-id": "Root=1-6921a1b2-0123456789abcdef01234567",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
        **request.headers,
    }
    return {
        "version": "2.0",
        "routeKey": f"{request.method} {url.path}",
        "rawPath": url.path,
        "rawQueryString": url.query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.execute-api.us-east-1.amazonaws.com",
            "http": {"method": request.method, "path": url.path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "id",
            "stage": "$default",
        },
        "body": request.body.decode() if text else base64.b64encode(request.body).decode(),
        "isBase64Encoded": not text,
    }


def _first_status(body: bytes) -> bytes:
    payload = json.loads(body)
    value = payload["entry"][0]["changes"][0]["value"]
    value["statuses"] = value["statuses"][:1]
    return json.dumps(payload, separators=(",", ":")).encode()


def _joined(bodies: list[bytes]) -> bytes:
    """One POST with the entries of all."""
    payloads = [json.loads(body) for body in bodies]
    entries = [entry for payload in payloads for entry in payload["entry"]]
    return json.dumps({**payloads[0], "entry": entries}, separators=(",", ":")).encode()
