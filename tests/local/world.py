"""The simulated providers alone: a gateway that keeps what they post, and sends as each of them wants them."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from http.client import HTTPConnection
from typing import Any
from urllib.parse import parse_qsl, urlencode

from infra.local.http_server import HttpServer, Request, Response
from infra.local.identity import Identity
from infra.local.simulators.server import Simulators

PROVIDERS = ["kommo", "meta", "twilio"]
CUSTOMER = "+5215512345678"


class Gateway:
    """Stands for the gateway: keeps what providers post to it."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.answers: list[int] = []
        self._arrived = threading.Condition()
        self._server = HttpServer(self._answer)
        self._server.start()
        self.url = self._server.url
        self.stop = self._server.stop

    def wait_for(self, count: int) -> list[Request]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.seen) >= count, 10), f"only {len(self.seen)} came"
            return list(self.seen)

    def _answer(self, request: Request) -> Response:
        with self._arrived:
            self.seen.append(request)
            self._arrived.notify_all()
            return Response(self.answers.pop(0) if self.answers else 200)


class World:
    """The simulators, a gateway that they post to, and a sender that knows how each provider wants to be called."""

    def __init__(self, identity: Identity) -> None:
        self.identity, self.gateway = identity, Gateway()
        self.simulators = Simulators(identity, self.gateway.url)
        self.port = int(self.simulators.url.rpartition(":")[2])

    def stop(self) -> None:
        self.simulators.close()
        self.gateway.stop()

    def call(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        finally:
            connection.close()

    def order(self, path: str, **content: Any) -> tuple[int, Any]:
        return self.call("POST", path, json.dumps(content).encode())

    def send(self, provider: str, text: str = "¡Hola! 👋", /, **change: Any) -> tuple[int, Any]:
        path, body, headers = getattr(self, f"_{provider}")(text, **change)
        return self.call("POST", path, body, headers)

    def ask(self, provider: str, path: str) -> tuple[int, Any]:
        """A question with the credentials of a send."""
        return self.call("GET", path, b"", getattr(self, f"_{provider}")("")[2])

    def wrote(self, provider: str, text: str = "hola", **more: Any) -> None:
        """A customer writes; nobody is told."""
        status, answer = self.order("/customer", provider=provider, text=text, lose=True, **{"from": CUSTOMER, **more})
        assert (status, answer["status"]) == (200, 0)

    def sent(self) -> list[dict[str, Any]]:
        return self.record("sent")

    def violations(self) -> list[dict[str, Any]]:
        return self.record("violations")

    def record(self, name: str, **wanted: str) -> list[dict[str, Any]]:
        status, content = self.call("GET", f"/{name}?{urlencode(wanted)}")
        assert status == 200
        return list(content[name])

    def _twilio(self, text: str, /, **change: Any) -> tuple[str, bytes, dict[str, str]]:
        token = change.pop("token", self.identity.twilio_auth_token)
        credentials = base64.b64encode(f"{self.identity.twilio_account_sid}:{token}".encode()).decode()
        form = {
            "To": f"whatsapp:{CUSTOMER}",
            "From": f"whatsapp:{self.identity.twilio_address}",
            "Body": text,
            "StatusCallback": f"{self.gateway.url}/webhooks/twilio/status?message_id=7",
            **change,
        }
        path = f"/2010-04-01/Accounts/{self.identity.twilio_account_sid}/Messages.json"
        return path, urlencode(form).encode(), {"authorization": f"Basic {credentials}"}

    def _meta(self, text: str, /, **change: Any) -> tuple[str, bytes, dict[str, str]]:
        token = change.pop("token", self.identity.meta_access_token)
        path = f"/v25.0/{change.pop('number', self.identity.meta_phone_number_id)}/messages"
        message = {
            "messaging_product": "whatsapp",
            "to": CUSTOMER.removeprefix("+"),
            "type": "text",
            "text": {"body": text},
            "biz_opaque_callback_data": "7",
            **change,
        }
        return path, json.dumps(message).encode(), {"authorization": f"Bearer {token}"}

    def _kommo(self, text: str, /, **change: Any) -> tuple[str, bytes, dict[str, str]]:
        token = change.pop("token", self.identity.kommo_access_token)
        path = f"/api/v4/talks/{change.pop('talk', 4711)}/send_message"
        return path, json.dumps({"text": text, **change}).encode(), {"authorization": f"Bearer {token}"}


def form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def value(request: Request) -> dict[str, Any]:
    return dict(json.loads(request.body)["entry"][0]["changes"][0]["value"])


def assert_signed(request: Request, identity: Identity, url: str) -> None:
    """Each provider's scheme, once more and by hand."""
    if "/twilio" in request.path:
        text = url + "".join(name + text for name, text in sorted(form(request).items()))
        digest = hmac.new(identity.twilio_auth_token.encode(), text.encode(), "sha1").digest()
        assert request.header("x-twilio-signature") == base64.b64encode(digest).decode()
    elif "/meta" in request.path:
        digest = hmac.new(identity.meta_app_secret.encode(), request.body, "sha256").digest()
        assert request.header("x-hub-signature-256") == f"sha256={digest.hex()}"
    else:
        assert request.path == f"/webhooks/kommo/{identity.kommo_webhook_token}"
        assert form(request)["account[id]"] == identity.kommo_account_id
