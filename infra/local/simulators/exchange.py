"""What happens to a call that a provider owns: its rules, what was ordered to go wrong, the taking, the statuses."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from infra.local.http_server import Request, Response, json_response
from infra.local.simulators.callbacks import Webhook, post_later
from infra.local.simulators.contract import Attempt, Sent, Simulator
from infra.local.simulators.faults import Fault, Faults
from infra.local.simulators.ledger import Ledger
from infra.local.simulators.rules import Referee

HANG_UP, RESET = Response(hang_up=True), Response(reset=True)
INDICATED = json_response(200, {"success": True})
REFUSED = 400


class Exchange:
    """Between whoever calls and the provider. `closing` lets go of callers that hang."""

    def __init__(self, ledger: Ledger, faults: Faults, referee: Referee, closing: threading.Event) -> None:
        self._ledger, self._faults, self._referee, self._closing = ledger, faults, referee, closing

    def answer(self, simulator: Simulator, request: Request) -> Response:
        """The answer to a call. What is not in order uses up no fault and breaks no rule."""
        found = simulator.read(request)
        if isinstance(found, Attempt):
            return self._send(simulator, found) if found.call == "send" else self._indicate(simulator, found)
        if request.method == "GET" and found.status < REFUSED:
            return self._ask(simulator, request, found)
        return found

    def _send(self, simulator: Simulator, attempt: Attempt) -> Response:
        verdict = self._referee.judge(attempt)
        fault = self._faults.of_call(simulator.name, "send", attempt.customers, attempt.address)
        later = fault is not None and fault.when == "status"
        if fault is not None and not (later or fault.taken):
            return self._misbehave(simulator, fault)
        if verdict is not None and verdict.when == "sync":
            return simulator.refusal(verdict.code)
        code = fault.code if fault is not None and later else verdict.code if verdict is not None else None
        sent = self._ledger.take(
            lambda: simulator.take(attempt),
            fault=fault.mode if fault is not None else None,
            dropped=fault is not None and fault.mode == "accept_then_drop",
            error_code=code,
        )
        answer = simulator.accepted(sent)
        self._report(simulator.statuses(sent, code), sent, silent=fault is not None and not fault.statuses)
        return answer if fault is None or later else self._misbehave(simulator, fault, answer)

    def _indicate(self, simulator: Simulator, attempt: Attempt) -> Response:
        fault = self._faults.of_call(simulator.name, "indication", (), attempt.address)
        if fault is not None and not fault.taken:
            return self._misbehave(simulator, fault)
        self._ledger.indicated(attempt)
        return self._misbehave(simulator, fault, INDICATED) if fault is not None else INDICATED

    def _ask(self, simulator: Simulator, request: Request, answer: Response) -> Response:
        question = simulator.question(request)
        verdict = self._referee.judge_question(question) if question is not None else None
        fault = self._faults.of_call(simulator.name, "question")
        if fault is not None:
            return self._misbehave(simulator, fault, answer if fault.taken else None)
        return answer if verdict is None else simulator.refusal(verdict.code)

    def _misbehave(self, simulator: Simulator, fault: Fault, answer: Response | None = None) -> Response:
        """What goes back where something goes wrong; `answer` is what should have."""
        match fault.mode:
            case "hang":
                self._closing.wait(fault.seconds)
                return answer or HANG_UP
            case "accept_then_drop":
                return HANG_UP
            case "refuse":
                return RESET
        return simulator.failed(fault)

    def _report(self, webhooks: Sequence[Webhook], sent: Sent, *, silent: bool) -> None:
        attempt, delay = sent.attempt, 0.0
        for fault in self._faults.of_statuses(attempt.provider, attempt.customers, attempt.address):
            match fault.mode:
                case "lose_statuses":
                    silent = True
                case "double_statuses":
                    webhooks = [webhook for webhook in webhooks for _ in range(2)]
                case "shuffle_statuses":
                    webhooks = webhooks[::-1]
                case "delay_statuses":
                    delay += fault.seconds
        if not silent:
            post_later(webhooks, delay)
