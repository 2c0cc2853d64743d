"""Kommo: answering in a talk, the echo of an answer, contacts and files, and the webhook for a customer's message."""

from __future__ import annotations

import hmac
import json
import mimetypes
import re
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs
from uuid import NAMESPACE_URL, uuid4, uuid5

from infra.local.http_server import Request, Response, json_response
from infra.local.identity import Identity
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.contract import Attempt, Heard, Letter, Sent
from infra.local.simulators.faults import Call, Fault
from infra.local.simulators.files import ANY, handed_out
from infra.local.simulators.kommo_account import KommoAccount
from infra.local.simulators.kommo_hooks import KommoHooks, items
from infra.local.simulators.kommo_talks import Talks, echo, page

API = "/api/v4/"
SEND = re.compile(rf"{API}talks/([^/]+)/send_message")
TALKS = re.compile(rf"{API}talks")
MESSAGES = re.compile(rf"{API}talks/([^/]+)/messages")
CONTACT = re.compile(rf"{API}contacts/(\d+)")
FILES = ("/attachments/", "/download/")
CUSTOMER = "Carla"
WITHOUT_WINDOW = ("telegram",)
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
OF_MODES = {"http_400": "400", "http_401": "401", "http_429": "429", "http_500": "500"}


class KommoSimulator:
    """One account, its talks and its contacts."""

    name = "kommo"

    def __init__(self, identity: Identity, gateway_url: str) -> None:
        self._identity, self._hooks = identity, KommoHooks(identity, gateway_url)
        self._talks = Talks()
        self.account = KommoAccount(identity, gateway_url)

    def owns(self, request: Request) -> bool:
        """Whether this is a call to Kommo, or to where it keeps files."""
        ours = any(path.fullmatch(request.path) for path in (SEND, TALKS, MESSAGES, CONTACT))
        return ours or self.account.owns(request) or request.path.startswith(FILES)

    def read(self, request: Request) -> Response | Attempt:
        """Answer a wrong token, no talk, what is more than a text, questions for files, contacts and messages."""
        if request.path.startswith(FILES):
            # Open to whoever has the link: a token that came along is a token in the wrong hands.
            leaked = request.header("authorization")
            return _error(400, "No token is wanted") if leaked else handed_out(_type_of(request.path))
        wanted = f"Bearer {self._identity.kommo_access_token}"
        if not hmac.compare_digest(request.header("authorization").encode(), wanted.encode()):
            return _error(401, "The token is not valid")
        if self.account.owns(request):
            return self.account.answer(request)
        if request.method == "GET":
            return self._asked(request)
        match = SEND.fullmatch(request.path)
        if request.method != "POST" or match is None or not match[1].isdigit():
            return _error(404, "There is no such talk")
        try:
            message = json.loads(request.body)
        except ValueError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("text"), str) or not message["text"]:
            return _error(400, "Request validation failed: text is required")
        if set(message) != {"text"}:
            return _error(400, "Request validation failed: this field was not expected")
        if self._talks.is_closed(match[1]):
            return _error(422, "The talk is closed")
        return self._attempt("text", match[1], message["text"])

    def question(self, request: Request) -> Attempt | None:
        """Every call to the API counts."""
        return self._attempt("question", "", request.path, "question") if request.path.startswith(API) else None

    def take(self, attempt: Attempt) -> Sent:
        """Keep a message that is in order."""
        sent = Sent(str(uuid4()), attempt)
        self._talks.wrote(attempt.raw["talk_id"], sent)
        return sent

    def accepted(self, sent: Sent) -> Response:
        """The answer to a send."""
        return json_response(202, {"id": sent.id})

    def refusal(self, code: str) -> Response:
        """The answer of a Kommo that refuses; its codes are HTTP's."""
        return _error(int(code))

    def failed(self, fault: Fault) -> Response:
        """The answer of a Kommo that misbehaves."""
        if fault.mode == "http_400":
            return _error(400, "Something that nobody has documented")
        return _error(int(fault.code or OF_MODES[fault.mode]))

    def statuses(self, sent: Sent, error_code: str | None) -> Sequence[Webhook]:
        """Kommo reports no delivery, but echoes what we wrote; it does not where it does not know the talk."""
        talk_id = sent.attempt.raw["talk_id"]
        talk = self._talks.one(talk_id)
        self._talks.settled(talk_id, sent.id, -1 if error_code else 1)
        return [self._hooks.form("outgoing_message", echo(talk_id, talk, sent))] if talk and not error_code else []

    def customer(self, letter: Letter) -> tuple[Webhook, str]:
        """A customer's message; `payload` adds fields or replaces them. The same sender is always the same chat.

        An attachment without a link gets one.
        """
        sender, name = letter.sender, letter.name or CUSTOMER
        number = uuid5(NAMESPACE_URL, f"kommo:{sender}").int
        author = {"id": str(uuid5(NAMESPACE_URL, f"kommo-author:{sender}")), "type": "external", "name": name}
        message = {
            "id": str(uuid4()),
            "type": "incoming",
            "chat_id": str(uuid5(NAMESPACE_URL, f"kommo-chat:{sender}")),
            "talk_id": str(number % 1_000_000),
            "contact_id": str(number % 9_000_000 + 1_000_000),
            "text": letter.text or "",
            "created_at": str(int(time.time() - letter.age)),
            "message_type": "text",
            "element_type": "2",
            "element_id": str(number % 7_000_000),
            "entity_type": "lead",
            "entity_id": str(number % 7_000_000),
            "author": author,
            "origin": "waba",
            **letter.payload,
        }
        attachment = message.get("attachment")
        if isinstance(attachment, Mapping):
            link = f"https://amojo.kommo.com/attachments/{uuid4()}/{attachment.get('file_name', 'picture.jpg')}"
            message["attachment"] = {"link": link, **attachment}
        self._talks.learn({**message, "phone": sender, "name": name})
        return self._hooks.form("message", message), str(message["id"])

    def heard(self, path: str, body: bytes) -> list[Heard]:
        """The customers' messages in a hook; Kommo knows its own talks, whoever wrote the hook."""
        found = []
        for item in items(path, body):
            if item.get("type", "incoming") == "incoming" and item.get("author][type", "external") == "external":
                self._talks.learn(item)
                at = float(item["created_at"]) if item.get("created_at", "").isdigit() else time.time()
                talk_id, opens = item.get("talk_id", ""), item.get("origin") not in WITHOUT_WINDOW
                names = tuple(filter(None, (talk_id, self._talks.one(talk_id).get("phone"))))
                found.append(Heard(names, self._identity.kommo_account_id, at, opens, item.get("text", "")))
        return found

    def _attempt(self, kind: str, talk_id: str, text: str, call: Call = "send") -> Attempt:
        phone = self._talks.one(talk_id).get("phone")
        return Attempt(
            provider=self.name,
            kind=kind,
            to=phone or talk_id,
            sender=self._identity.kommo_account_id,
            customers=tuple(filter(None, (phone, talk_id))),
            address=self._identity.kommo_account_id,
            text=text,
            message_id=None,
            raw={"text": text, "talk_id": talk_id},
            call=call,
        )

    def _asked(self, request: Request) -> Response:
        if contact := CONTACT.fullmatch(request.path):
            found = self._talks.contact(contact[1])
            return json_response(200, found) if found else _error(404, "There is no such contact")
        asked = parse_qs(request.query)
        if talk := MESSAGES.fullmatch(request.path):
            listed = page("messages", self._talks.messages(talk[1]), asked)
        elif TALKS.fullmatch(request.path):
            listed = page("talks", self._talks.listed(asked.get("filter[contact_id][]", [])), asked)
        else:
            return _error(404)
        return json_response(200, listed) if listed else Response(204)


def _type_of(path: str) -> str:
    return mimetypes.guess_type(path)[0] or ANY


def _error(status: int, detail: str = "") -> Response:
    title = TITLES.get(status, "Error")
    content = {"title": title, "type": f"https://httpstatus.es/{status}", "status": status, "detail": detail or title}
    return json_response(status, content, "application/problem+json")
