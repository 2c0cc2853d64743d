"""Reads what a developer asks the simulators to do, and says what to change where it cannot be done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from infra.local.http_server import Request
from infra.local.simulators.account import REFUSALS
from infra.local.simulators.contract import Letter
from infra.local.simulators.faults import (
    CALL_MODES,
    CALLS,
    DEFAULT_CODES,
    MAY_BE_TAKEN,
    PROVIDERS,
    STATUS_MODES,
    WINDOW_CODES,
    Fault,
    Order,
)
from infra.local.simulators.rules import CODES, Rules

HANG_SECONDS = 20.0
"""Longer than the sender waits for an answer."""
DELAY_SECONDS = 2.0
AWAY = "away"
MODES = (*CALL_MODES, *STATUS_MODES)
SWITCHES: Mapping[str, tuple[str, ...]] = {
    "window": ("status", "sync", "count", "off"),
    "pair_rate": ("enforce", "count", "off"),
    "address_rate": ("enforce", "count", "off"),
    "opt_out": ("status", "sync", "off"),
}
HARMLESS = ("count", "off")


class BadOrder(Exception):
    """The request cannot be done; the message says what to change."""


def read_away(request: Request) -> float | None:
    """For how many seconds nobody shall be reached at all; None where something else is ordered. Raises BadOrder."""
    order = _object(request)
    return _number(order, "seconds", 1.0, 60) if order.get("mode") == AWAY else None


def read_fault(request: Request) -> tuple[str, Order | None]:
    """Provider, and what shall go wrong there; None where all of that is taken back. Raises BadOrder."""
    order = _object(request)
    provider = _one_of(order, "provider", PROVIDERS)
    if order.get("count") == 0 and order["count"] is not False:
        return provider, None
    mode = _one_of(order, "mode", (*MODES, AWAY))
    every, count = _whole(order, "every"), _whole(order, "count")
    call: Any = _one_of({"call": "send", **order}, "call", CALLS)
    to, address = _text(order, "to"), _text(order, "from")
    if call != "send" and (to or mode in STATUS_MODES):
        raise BadOrder("Only sends go `to` somebody and have statuses: leave `call` out")
    if call == "question" and address:
        raise BadOrder("Questions come `from` no address: leave it out")
    left = count if count is not None else None if every is not None else 1
    return provider, Order(_fault(order, provider, mode), call, to, address, every or 1, left)


def read_customer(request: Request) -> tuple[str, Letter, bool]:
    """Provider, what a customer writes there, and whether its webhook shall be lost. Raises BadOrder."""
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
    address = _text(order, "address")
    if address and provider == "kommo":
        raise BadOrder("Kommo's address is its account: leave `address` out")
    age = _number(order, "age_seconds", 0.0, 10 * 365 * 86400)
    return provider, Letter(sender, text, payload, address, age, _text(order, "name")), _flag(order, "lose", False)


def read_account(request: Request) -> tuple[str, dict[str, Any]]:
    """Provider, and what is to be changed of our account there. Raises BadOrder."""
    order = _object(request)
    provider = _one_of(order, "provider", PROVIDERS)
    changes = {name: value for name, value in order.items() if name != "provider"}
    if not changes or set(changes) - {"reset", "disconnect", "refuse", "change"}:
        raise BadOrder("Give `reset`, `disconnect`, `refuse` or `change`")
    for name in ("reset", "disconnect"):
        _flag(order, name, False)
    if order.get("refuse") is not None:
        _one_of(order, "refuse", REFUSALS)
    if not isinstance(order.get("change", {}), dict):
        raise BadOrder("Give `change` as an object, with the keys that GET /accounts shows")
    return provider, changes


def read_rules(request: Request) -> tuple[tuple[str, ...], dict[str, Any] | None]:
    """Providers, and which of their rules to switch how; None where all are to be as at first. Raises BadOrder."""
    order = _object(request)
    providers = (_one_of(order, "provider", PROVIDERS),) if "provider" in order else PROVIDERS
    if _flag(order, "reset", False):
        return providers, None
    settings: dict[str, Any] = {name: _one_of(order, name, SWITCHES[name]) for name in SWITCHES if name in order}
    for name in ("window_seconds", "pair_seconds"):
        if name in order:
            settings[name] = _number(order, name, 0.0, 10 * 365 * 86400)
    for name in ("pair_burst", "per_second"):
        if name in order:
            settings[name] = _whole(order, name)
    unknown = set(order) - set(settings) - {"provider", "reset"}
    if unknown or not settings:
        raise BadOrder(f"Give some of {', '.join(Rules.__dataclass_fields__)}, or `reset`")
    for provider in providers:
        for name in SWITCHES:
            if settings.get(name, "off") not in HARMLESS and name not in CODES[provider]:
                raise BadOrder(f"The simulated {provider} cannot refuse by its {name}: give `provider`, or off")
    return providers, settings


def _fault(order: dict[str, Any], provider: str, mode: str) -> Fault:
    code, taken = _code(order, provider, mode), _flag(order, "taken", mode == "accept_then_drop")
    if taken and mode not in (*MAY_BE_TAKEN, "accept_then_drop"):
        raise BadOrder(f"Only {', '.join(MAY_BE_TAKEN)} and accept_then_drop can have `taken` the message")
    seconds = _number(order, "seconds", DELAY_SECONDS if mode in STATUS_MODES else HANG_SECONDS, 600)
    return Fault(mode, code, _when(order, provider, mode, code), seconds, taken, _flag(order, "statuses", True))


def _code(order: dict[str, Any], provider: str, mode: str) -> str:
    code = str(order.get("code", DEFAULT_CODES[provider] if mode == "error_code" else ""))
    if code and not (code.isascii() and code.isdigit()):
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


def _one_of(order: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    if order.get(name) not in allowed:
        raise BadOrder(f"Give `{name}` as one of {', '.join(allowed)}")
    return str(order[name])


def _text(order: Mapping[str, Any], name: str) -> str | None:
    value = order.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise BadOrder(f"Give `{name}` as a string")
    return value


def _flag(order: Mapping[str, Any], name: str, default: bool) -> bool:
    value = order.get(name, default)
    if not isinstance(value, bool):
        raise BadOrder(f"Give `{name}` as true or false")
    return value


def _number(order: Mapping[str, Any], name: str, default: float, most: float) -> float:
    value = order.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadOrder(f"Give `{name}` as a number from 0 to {most:g}")
    return float(value)


def _whole(order: Mapping[str, Any], name: str) -> int | None:
    value = order.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000):
        raise BadOrder(f"Give `{name}` as a whole number from 1; a `count` of 0 takes back all that waits there")
    return value
