"""The server at `simulator_url`: the providers' paths for the sender, and a few of our own to drive them.

GET  /sent            {"sent": […]}: the messages that providers took, in order; ?provider=meta&to=… selects by field
                      provider, kind, to, from, text, id (the provider's), at (epoch seconds), dropped, raw, and
                      customer, address (E.164, phone_number_id…), message_id (ours), fault (its mode), error_code
GET  /indications     {"indications": […]}: read marks and typing: provider, kind, about (an id), address, at, raw
GET  /violations      {"violations": […]}: what broke a rule: rule, provider, kind, customer, …, at, refused
GET  /rules           {"rules": {provider: {…}}}
POST /rules           {provider?, window?, window_seconds?, pair_rate?, pair_seconds?, pair_burst?, address_rate?,
                      per_second?, opt_out?} or {provider?, reset: true}; the values are explained in rules.py
POST /fault           {provider, mode, count?, every?, to?, from?, call?, code?, when?, seconds?, taken?, statuses?}
                      the next `count` calls, or every `every`-th, misbehave; a count of 0 takes back what waits there
                      {mode: "away", seconds}: nobody is reached at all for so long
POST /customer        {provider, from, text | payload, name?, address?, age_seconds?, lose?}: a customer writes, to one
                      of our addresses and some time ago; {"status", "message_id"}
                      with "lose": true the provider takes it and no webhook tells us; the status is 0, as it is
                      while the webhook of our account there does not lead here
GET  /accounts        {"accounts": {provider: {…}}}: webhooks, numbers and rights as the provider's console has them
POST /account         {provider, reset: true} | {provider, disconnect: true} | {provider, refuse: "credentials" |
                      "rights" | null} | {provider, change: {…}}: change it there; the keys are those of /accounts
GET  /events          what was published to the event bus: {"events": […]}
POST /invoke/{function}   call a function with this event, as the console does; its answer comes back
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from infra.local.functions import Function
from infra.local.http_server import HttpServer, Request, Response, json_response, problem
from infra.local.identity import Identity
from infra.local.simulators.callbacks import post
from infra.local.simulators.contract import Simulator
from infra.local.simulators.control import BadOrder, read_account, read_away, read_customer, read_fault, read_rules
from infra.local.simulators.exchange import Exchange
from infra.local.simulators.faults import Faults
from infra.local.simulators.kommo import KommoSimulator
from infra.local.simulators.ledger import Ledger
from infra.local.simulators.meta import MetaSimulator
from infra.local.simulators.rules import Referee
from infra.local.simulators.twilio import TwilioSimulator
from infra.local.simulators.windows import Windows

ANSWER_FIRST_SECONDS = 0.1


class Simulators:
    """All three providers on one port; the first path that fits decides."""

    def __init__(self, identity: Identity, gateway_url: str, port: int = 0, memory: Path | None = None) -> None:
        providers = (KommoSimulator, MetaSimulator, TwilioSimulator)
        self._simulators: dict[str, Simulator] = {each.name: each(identity, gateway_url) for each in providers}
        self._ledger, self._faults, self._windows = Ledger(), Faults(), Windows(memory)
        self._referee = Referee(self._windows, self._ledger)
        self._functions: Mapping[str, Function] = {}
        self._events: Callable[[], list[dict[str, Any]]] = list
        self._written: set[bytes] = set()
        self._closing = threading.Event()
        self._exchange = Exchange(self._ledger, self._faults, self._referee, self._closing)
        self._server = HttpServer(self._answer, port)
        self.url = self._server.url

    def open(
        self,
        functions: Mapping[str, Function] | None = None,
        events: Callable[[], list[dict[str, Any]]] | None = None,
    ) -> None:
        """Begin to answer; `functions` can be invoked, `events` are shown."""
        self._functions, self._events = functions or {}, events or self._events
        self._server.start()

    def close(self) -> None:
        """Stop, and let go of senders that hang."""
        self._closing.set()
        self._server.stop()

    def saw(self, request: Request) -> None:
        """Be told of a webhook that the gateway took: whoever wrote it, the customer in it wrote to us.

        Of those that were written here it is known better when.
        """
        if request.body in self._written:
            return
        for simulator in self._simulators.values():
            for heard in simulator.heard(request.path, request.body):
                self._windows.hear(simulator.name, heard)

    def ordered(self, path: str, order: Mapping[str, Any]) -> Response:
        """What a POST of this order would be answered with."""
        return self._controlled(Request("POST", path, "", (), json.dumps(order).encode()))

    def waiting(self) -> list[dict[str, Any]]:
        """The faults that are still to come: provider, mode, and how many calls are left to them."""
        return [{"provider": provider, "mode": mode, "left": left} for provider, mode, left in self._faults.waiting()]

    def make_older(self, seconds: float) -> None:
        """Let so much time have gone by since customers wrote."""
        self._windows.make_older(seconds)

    def _answer(self, request: Request) -> Response:
        for simulator in self._simulators.values():
            if simulator.owns(request):
                return self._exchange.answer(simulator, request)
        return self._controlled(request)

    def _controlled(self, request: Request) -> Response:
        try:
            return self._control(request)
        except BadOrder as error:
            return problem(400, "bad_request", str(error))

    def _control(self, request: Request) -> Response:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["sent" | "indications" | "violations" as name]:
                wanted = dict(parse_qsl(request.query))
                return json_response(200, {name: getattr(self._ledger, name)(wanted)})
            case "GET", ["rules"]:
                return self._rules()
            case "GET", ["events"]:
                return json_response(200, {"events": self._events()})
            case "GET", ["accounts"]:
                return self._accounts()
            case "POST", ["account"]:
                return self._order_account(request)
            case "POST", ["rules"]:
                return self._order_rules(request)
            case "POST", ["fault"]:
                return self._order_fault(request)
            case "POST", ["customer"]:
                return self._write(request)
            case "POST", ["invoke", name] if name in self._functions:
                return self._invoke(name, request)
        return problem(404, "not_found", f"Call {', '.join(CALLS)}")

    def _rules(self) -> Response:
        return json_response(200, {"rules": {name: asdict(rules) for name, rules in self._referee.rules.items()}})

    def _order_rules(self, request: Request) -> Response:
        providers, settings = read_rules(request)
        for provider in providers:
            if settings is None:
                self._referee.reset(provider)
            else:
                self._referee.change(provider, settings)
        return self._rules()

    def _accounts(self) -> Response:
        shown = {name: {**each.account.state, "refuse": each.account.refuse} for name, each in self._simulators.items()}
        return json_response(200, {"accounts": shown})

    def _order_account(self, request: Request) -> Response:
        provider, order = read_account(request)
        account = self._simulators[provider].account
        if order.get("reset"):
            account.reset()
        if order.get("disconnect"):
            account.disconnect()
        if "refuse" in order:
            account.refuse = order["refuse"]
        account.change(order.get("change", {}))
        return self._accounts()

    def _order_fault(self, request: Request) -> Response:
        seconds = read_away(request)
        if seconds is not None:
            threading.Timer(ANSWER_FIRST_SECONDS, self._server.go_away, [seconds]).start()
            return json_response(200, {"mode": "away", "seconds": seconds})
        provider, order = read_fault(request)
        if order is None:
            self._faults.forget(provider)
            return json_response(200, {"provider": provider, "count": 0})
        self._faults.add(provider, order)
        told = {"count": order.left, "every": order.every, "call": order.call, "to": order.to, "from": order.address}
        return json_response(200, {"provider": provider, **asdict(order.fault), **told})

    def _write(self, request: Request) -> Response:
        provider, letter, lose = read_customer(request)
        simulator = self._simulators[provider]
        lose = lose or not simulator.account.delivers
        webhook, message_id = simulator.customer(letter)
        for heard in simulator.heard(urlsplit(webhook.url).path, webhook.body):
            # Not every webhook tells when it was written.
            self._windows.hear(provider, replace(heard, at=heard.at - letter.age) if provider == "twilio" else heard)
        self._written.add(webhook.body)
        try:
            return json_response(200, {"status": 0 if lose else post(webhook), "message_id": message_id})
        finally:
            self._written.discard(webhook.body)

    def _invoke(self, name: str, request: Request) -> Response:
        try:
            event = json.loads(request.body or b"{}")
        except ValueError:
            raise BadOrder("Send the function's event as JSON") from None
        invocation = self._functions[name].invoke(event)
        if invocation.error is not None:
            return problem(502, "function_error", "The function failed", error=invocation.error)
        return Response(200, invocation.answer, {"content-type": "application/json"})


CALLS = (
    *(f"GET /{name}" for name in ("sent", "indications", "violations", "rules", "accounts", "events")),
    *(f"POST /{name}" for name in ("rules", "account", "fault", "customer", "invoke/{function}")),
)
