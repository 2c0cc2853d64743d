"""Reads what a developer asks the simulators to do, and says what to change where it cannot be done."""

from __future__ import annotations

import json
from typing import Any, Literal

from infra.local.http_server import Request
from infra.local.simulators.ledger import DEFAULT_CODES, MODES, PROVIDERS, WINDOW_CODES, Fault

HANG_SECONDS = 20.0
"""Longer than the sender waits for an answer."""


class BadOrder(Exception):
    """The request cannot be done; the message says what to change."""


def read_fault(request: Request) -> tuple[str, Fault, int]:
    """Provider, misbehaviour and how many sends shall have it. Raises BadOrder."""
    order = _object(request)
    provider, mode = _one_of(order, "provider", PROVIDERS), _one_of(order, "mode", MODES)
    count, seconds = order.get("count", 1), order.get("seconds", HANG_SECONDS)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= 1_000_000:
        raise BadOrder("Give `count` as a whole number; 0 takes back all that waits for this provider")
    if not isinstance(seconds, int | float) or not 0 <= seconds <= 600:
        raise BadOrder("Give `seconds` as a number up to 600: how long to hang")
    code = _code(order, provider, mode)
    return provider, Fault(mode, code, _when(order, provider, mode, code), float(seconds)), count


def read_customer(request: Request) -> tuple[str, str, str | None, dict[str, Any], bool]:
    """Provider, who writes, what, what to change in the provider's payload, and whether to lose it. Raises BadOrder."""
    order = _object(request)
    provider = _one_of(order, "provider", PROVIDERS)
    sender, text, payload = order.get("from"), order.get("text"), order.get("payload", {})
    if not isinstance(sender, str) or not sender:
        raise BadOrder("Give `from`: a phone in E.164 with its plus sign, or a user id such as US.13491208655302741918")
    if text is not None and not isinstance(text, str):
        raise BadOrder("Give `text` as a string")
    if not isinstance(payload, dict):
        raise BadOrder("Give `payload` as an object: fields of the provider's message to add or replace")
    if text is None and not payload:
        raise BadOrder("Give `text` or `payload`")
    if not isinstance(order.get("lose", False), bool):
        raise BadOrder("Give `lose` as true or false: whether the provider takes it without telling us")
    return provider, sender, text, payload, order.get("lose", False)


def _code(order: dict[str, Any], provider: str, mode: str) -> str:
    code = str(order.get("code", DEFAULT_CODES[provider]))
    if not code.isascii() or not code.isdigit():
        raise BadOrder("Give `code` as a number: the provider's error code")
    if mode == "error_code" and provider == "kommo" and not 400 <= int(code) <= 599:
        raise BadOrder("Kommo's error codes are HTTP's: give `code` between 400 and 599")
    return code


def _when(order: dict[str, Any], provider: str, mode: str, code: str) -> Literal["sync", "status"]:
    default = "status" if mode == "error_code" and code in WINDOW_CODES else "sync"
    when = order.get("when", default)
    if when not in ("sync", "status"):
        raise BadOrder("Give `when` as sync (the answer to the send) or status (a callback after it was taken)")
    if when == "status" and (mode != "error_code" or provider == "kommo"):
        raise BadOrder("Only an error_code of Twilio or Meta can come as a status")
    return "status" if when == "status" else "sync"


def _object(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(request.body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise BadOrder("Send a JSON object")
    return content


def _one_of(order: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    if order.get(name) not in allowed:
        raise BadOrder(f"Give `{name}` as one of {', '.join(allowed)}")
    return str(order[name])
