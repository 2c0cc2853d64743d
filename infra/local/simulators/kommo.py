"""Kommo: answering in a talk, the echo of an answer, contacts and files, and the webhook for a customer's message."""

from __future__ import annotations

import hmac
import json
import mimetypes
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import NAMESPACE_URL, uuid4, uuid5

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.files import ANY, handed_out
from infra.local.simulators.ledger import Fault, Sent

PATH = re.compile(r"/api/v4/talks/([^/]+)/send_message")
CONTACT = re.compile(r"/api/v4/contacts/(\d+)")
FILES = ("/attachments/", "/download/")
FIELD = re.compile(r"(?:message\[add\]|add)\[(\d+)\]\[(talk_id|chat_id|contact_id)\]")
HOOK = "/webhooks/kommo/"
AUTHOR = "Carla"
PATIENCE_SECONDS = 2.0
TRIES = 3
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


class KommoSimulator:
    """One account. Talks are those of customers who wrote, through here or through a webhook of somebody else."""

    name = "kommo"

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._url = identity, f"{gateway_url}{HOOK}{identity.kommo_webhook_token}"
        self._talks: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def owns(self, request: Request) -> bool:
        """Whether this is a call to Kommo, or to where it keeps files."""
        return request.path.startswith(FILES) or any(path.fullmatch(request.path) for path in (PATH, CONTACT))

    def refuse(self, request: Request) -> Response | None:
        """Answer what is no send: a wrong token, no talk, no text, questions for files and contacts."""
        if request.path.startswith(FILES):
            # Open to whoever has the link: a token that came along is a token in the wrong hands.
            leaked = request.header("authorization")
            return _error(400, "No token is wanted") if leaked else handed_out(_type_of(request.path))
        wanted = f"Bearer {self._identity.kommo_access_token}"
        if not hmac.compare_digest(request.header("authorization").encode(), wanted.encode()):
            return _error(401, "The token is not valid")
        if request.method == "GET" and (contact := CONTACT.fullmatch(request.path)):
            return self._contact(contact[1])
        match = PATH.fullmatch(request.path)
        if request.method != "POST" or match is None or not match[1].isdigit():
            return _error(404, "There is no such talk")
        try:
            text = json.loads(request.body)["text"]
        except (ValueError, KeyError, TypeError):
            text = None
        return None if isinstance(text, str) and text else _error(400, "Request validation failed: text is required")

    def take(self, request: Request) -> Sent:
        """Keep a message that is in order."""
        match, message = PATH.fullmatch(request.path), json.loads(request.body)
        talk = match[1] if match else ""
        to = self._talks.get(talk, {}).get("phone") or talk
        return Sent(
            self.name,
            str(uuid4()),
            to,
            self._identity.kommo_account_id,
            message["text"],
            {
                **message,
                "talk_id": talk,
            },
        )

    def accepted(self, sent: Sent) -> Response:
        """The answer to a send."""
        return json_response(202, {"id": sent.id})

    def failed(self, fault: Fault) -> Response:
        """The answer of a Kommo that misbehaves; its error codes are HTTP's."""
        return _error({"http_500": 500, "http_429": 429}.get(fault.mode, int(fault.code)))

    def statuses(self, sent: Sent, error_code: str | None) -> list[Webhook]:
        """Kommo reports no delivery, but echoes what we wrote; it does not where the talk is unknown or failed."""
        talk = self._talks.get(sent.raw["talk_id"])
        if talk is None or error_code:
            return []
        message = {
            "id": sent.id,
            "type": "outgoing",
            "chat_id": talk["chat_id"],
            "talk_id": sent.raw["talk_id"],
            "contact_id": talk.get("contact_id", ""),
            "text": sent.text,
            "created_at": str(int(time.time())),
            "message_type": "text",
            "author": {"id": str(uuid4()), "type": "bot", "name": "Ventana"},
            "origin": "waba",
        }
        return [self._signed("outgoing_message", message)]

    def customer(self, sender: str, text: str | None, payload: dict[str, Any]) -> tuple[Webhook, str]:
        """A customer's message; `payload` adds fields or replaces them. The same sender is always the same chat.

        An attachment without a link gets one.
        """
        number = uuid5(NAMESPACE_URL, f"kommo:{sender}").int
        message = {
            "id": str(uuid4()),
            "type": "incoming",
            "chat_id": str(uuid5(NAMESPACE_URL, f"kommo-chat:{sender}")),
            "talk_id": str(number % 1_000_000),
            "contact_id": str(number % 9_000_000 + 1_000_000),
            "text": text or "",
            "created_at": str(int(time.time())),
            "message_type": "text",
            "element_type": "2",
            "element_id": str(number % 7_000_000),
            "entity_type": "lead",
            "entity_id": str(number % 7_000_000),
            "author": {"id": str(uuid5(NAMESPACE_URL, f"kommo-author:{sender}")), "type": "external", "name": AUTHOR},
            "origin": "waba",
            **payload,
        }
        attachment = message.get("attachment")
        if isinstance(attachment, Mapping):
            link = f"https://amojo.kommo.com/attachments/{uuid4()}/{attachment.get('file_name', 'picture.jpg')}"
            message["attachment"] = {"link": link, **attachment}
        self._remember({**message, "phone": sender, "name": AUTHOR})
        return self._signed("message", message), str(message["id"])

    def learn(self, request: Request) -> None:
        """Kommo knows its own talks: take over those of a hook that the gateway took from somebody else."""
        if not request.path.startswith(HOOK):
            return
        items: dict[str, dict[str, str]] = {}
        for name, value in parse_qsl(request.body.decode(errors="replace")):
            if match := FIELD.fullmatch(name):
                items.setdefault(match[1], {})[match[2]] = value
        for item in items.values():
            self._remember(item)

    def _contact(self, contact_id: str) -> Response:
        """The phone is free text, as people type it. Of customers that were learnt from a hook nothing is known."""
        with self._lock:
            talk = next((talk for talk in self._talks.values() if talk.get("contact_id") == contact_id), None)
        if talk is None:
            return _error(404, "There is no such contact")
        phone = talk.get("phone", "")
        typed = f"+{phone[1:3]} {phone[3:6]}-{phone[6:]}" if phone.startswith("+") else ""
        fields = [{"field_name": "Phone", "field_code": "PHONE", "values": [{"value": typed, "enum_code": "MOB"}]}]
        content = {
            "id": int(contact_id),
            "name": talk.get("name", ""),
            "custom_fields_values": fields if typed else None,
        }
        return json_response(200, content)

    def _remember(self, message: Mapping[str, Any]) -> None:
        if message.get("talk_id") and message.get("chat_id"):
            known = {key: str(message[key]) for key in ("chat_id", "contact_id", "phone", "name") if key in message}
            with self._lock:
                self._talks[str(message["talk_id"])] = {**self._talks.get(str(message["talk_id"]), {}), **known}

    def _signed(self, entity: str, message: Mapping[str, Any]) -> Webhook:
        """Kommo signs nothing: the token is in the URL, the account in the form."""
        account = {
            "id": self._identity.kommo_account_id,
            "subdomain": self._identity.kommo_subdomain,
            "_links": {"self": f"https://{self._identity.kommo_subdomain}.kommo.com"},
        }
        fields = [*_fields(f"{entity}[add][0]", message), *_fields("account", account)]
        headers = {"content-type": "application/x-www-form-urlencoded", "user-agent": "amoCRM-Webhooks/3.0"}
        return Webhook(self._url, headers, urlencode(fields).encode(), PATIENCE_SECONDS, TRIES)


def _type_of(path: str) -> str:
    return mimetypes.guess_type(path)[0] or ANY


def _fields(prefix: str, content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _fields(f"{prefix}[{name}]", value)
        else:
            yield f"{prefix}[{name}]", str(value)


def _error(status: int, detail: str = "") -> Response:
    title = TITLES.get(status, "Error")
    content = {"title": title, "type": f"https://httpstatus.es/{status}", "status": status, "detail": detail or title}
    return json_response(status, content, "application/problem+json")
