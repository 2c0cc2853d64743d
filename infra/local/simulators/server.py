"""The server at `simulator_url`: the providers' paths for the sender, and a few of our own to drive them.

GET  /sent                what providers took: {"sent": [{provider, id, to, from, text, at, dropped, raw}]}
POST /fault               {provider, mode, count, code?, when?, seconds?}: the next `count` sends misbehave
POST /customer            {provider, from, text | payload, lose?}: a customer writes; {"status", "message_id"}
                          with "lose": true the provider takes it and no webhook tells us; the status is 0
GET  /events              what was published to the event bus: {"events": […]}
POST /invoke/{function}   call a function with this event, as the console does; its answer comes back
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.functions import Function
from infra.local.http_server import HttpServer, Request, Response, json_response, problem
from infra.local.identity import Identity
from infra.local.simulators.callbacks import post, post_later
from infra.local.simulators.contract import Simulator
from infra.local.simulators.control import BadOrder, read_customer, read_fault
from infra.local.simulators.kommo import KommoSimulator
from infra.local.simulators.ledger import Faults, Ledger
from infra.local.simulators.meta import MetaSimulator
from infra.local.simulators.twilio import TwilioSimulator

HANG_UP = Response(hang_up=True)


class Simulators:
    """All three providers on one port; the first path that fits decides."""

    def __init__(self, identity: Identity, gateway_url: str, port: int = 0) -> None:
        self._kommo = KommoSimulator(identity, gateway_url)
        both = (MetaSimulator(identity, gateway_url), TwilioSimulator(identity, gateway_url))
        self._simulators: dict[str, Simulator] = {each.name: each for each in (self._kommo, *both)}
        self._ledger, self._faults = Ledger(), Faults()
        self._functions: Mapping[str, Function] = {}
        self._events: Callable[[], list[dict[str, Any]]] = list
        self._closing = threading.Event()
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
        """Be told of a webhook that the gateway took."""
        self._kommo.learn(request)

    def _answer(self, request: Request) -> Response:
        for simulator in self._simulators.values():
            if simulator.owns(request):
                return simulator.refuse(request) or self._send(simulator, request)
        try:
            return self._control(request)
        except BadOrder as error:
            return problem(400, "bad_request", str(error))

    def _send(self, simulator: Simulator, request: Request) -> Response:
        fault = self._faults.take(simulator.name)
        if fault is not None and fault.mode == "hang":
            self._closing.wait(fault.seconds)
            return HANG_UP
        later = fault is not None and fault.when == "status"
        dropped = fault is not None and fault.mode == "accept_then_drop"
        if fault is not None and not later and not dropped:
            return simulator.failed(fault)
        sent = simulator.take(request)
        self._ledger.add(sent, dropped=dropped)
        post_later(simulator.statuses(sent, fault.code if fault is not None and later else None))
        return HANG_UP if dropped else simulator.accepted(sent)

    def _control(self, request: Request) -> Response:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["sent"]:
                return json_response(200, {"sent": self._ledger.entries()})
            case "GET", ["events"]:
                return json_response(200, {"events": self._events()})
            case "POST", ["fault"]:
                return self._order_fault(request)
            case "POST", ["customer"]:
                return self._write(request)
            case "POST", ["invoke", name] if name in self._functions:
                return self._invoke(name, request)
        return problem(
            404, "not_found", "Call GET /sent, GET /events, POST /fault, POST /customer, POST /invoke/{function}"
        )

    def _order_fault(self, request: Request) -> Response:
        provider, fault, count = read_fault(request)
        self._faults.add(provider, fault, count)
        content = {"provider": provider, "mode": fault.mode, "count": count, "code": fault.code, "when": fault.when}
        return json_response(200, content)

    def _write(self, request: Request) -> Response:
        provider, sender, text, payload, lose = read_customer(request)
        webhook, message_id = self._simulators[provider].customer(sender, text, payload)
        return json_response(200, {"status": 0 if lose else post(webhook), "message_id": message_id})

    def _invoke(self, name: str, request: Request) -> Response:
        try:
            event = json.loads(request.body or b"{}")
        except ValueError:
            raise BadOrder("Send the function's event as JSON") from None
        invocation = self._functions[name].invoke(event)
        if invocation.error is not None:
            return problem(502, "function_error", "The function failed", error=invocation.error)
        return Response(200, invocation.answer, {"content-type": "application/json"})
