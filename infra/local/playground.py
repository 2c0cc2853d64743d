"""What the console's playground asks of the local system: customers who write, faults, and a clock that moves on.

GET  /playground           providers with our addresses and some customers, faults, those that are active, the clock
POST /playground/messages  {provider, from, name?, kind: text|image|location|button, text?, latitude?, longitude?,
                           payload?}: a customer writes, by a signed webhook of the provider
POST /playground/faults    {provider, mode, count?}: the next `count` calls to it misbehave; a mode of null: none more
POST /playground/clock     {seconds}: so much time goes by

It is the local gateway that answers; on AWS there is no such thing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.ageing import NotAged, make_older
from infra.local.http_server import Request, Response, json_response, problem
from infra.local.identity import Identity
from infra.local.simulators.server import Simulators
from infra.local.story import SCENES

LONGEST_SECONDS = 30 * 24 * 3600
OTHERS = {
    "kommo": (("+34612000104", "Diego"), ("+34612000105", "Elena")),
    "meta": (("+5511912000106", "Fernanda"), ("+5511912000107", "Gustavo")),
    "twilio": (("+5215512000108", "Héctor"), ("+5215512000109", "Inés")),
}
LABELS = {
    "http_429": "asks us to slow down (429)",
    "http_500": "breaks before it takes the message (500)",
    "http_400": "refuses the message (400)",
    "http_401": "does not know our token any more (401)",
    "error_code": "says that the window is shut",
    "hang": "does not answer in time",
    "refuse": "cannot be reached",
    "accept_then_drop": "takes the message, and the answer is lost",
    "lose_statuses": "tells nothing of what became of it",
    "delay_statuses": "tells it late",
    "double_statuses": "tells it twice",
    "shuffle_statuses": "tells it in the wrong order",
}
"""What a provider does, as a sentence that begins with its name."""
PICTURES: Mapping[str, Mapping[str, Any]] = {
    "kommo": {"message_type": "picture", "attachment": {"type": "picture", "file_name": "foto.png"}},
    "meta": {"type": "image", "image": {"mime_type": "image/png"}},
    "twilio": {"NumMedia": "1", "MessageType": "image", "MediaContentType0": "image/png"},
}


KINDS: Mapping[str, tuple[str, ...]] = {
    "kommo": ("text", "image"),
    "meta": ("text", "image", "location", "button"),
    "twilio": ("text", "image", "location", "button"),
}
"""What a customer can write through each: Kommo's hooks tell of no locations and no buttons."""


class Unplayable(Exception):
    """The order cannot be followed; the message says what to change."""


class Playground:
    """Plays with one local system. `sweep` runs the sweep, and comes back when it is done."""

    def __init__(self, identity: Identity, simulators: Simulators, dsn: str, sweep: Callable[[], object]) -> None:
        self._simulators, self._dsn, self._sweep = simulators, dsn, sweep
        self._addresses = {
            "kommo": identity.kommo_account_id,
            "meta": identity.meta_phone_number_id,
            "twilio": identity.twilio_address,
        }
        self._ahead = 0
        self._moving = threading.Lock()

    def answer(self, request: Request) -> Response:
        """Answer one request of who may write."""
        try:
            match request.method, request.path.strip("/").split("/"):
                case "GET", ["playground"]:
                    return json_response(200, self._shown())
                case "POST", ["playground", "messages"]:
                    return self._simulators.ordered("/customer", letter(_order(request)))
                case "POST", ["playground", "faults"]:
                    return self._fault(_order(request))
                case "POST", ["playground", "clock"]:
                    return self._forward(_order(request).get("seconds"))
        except Unplayable as error:
            return problem(422, "invalid_request", str(error))
        return problem(404, "no_such_route", "There is no such route")

    def _shown(self) -> dict[str, Any]:
        people = {scene.provider: ((scene.address, scene.name), *OTHERS[scene.provider]) for scene in SCENES}
        return {
            "providers": {
                provider: {
                    "addresses": [address],
                    "kinds": KINDS[provider],
                    "customers": [{"from": of, "name": name} for of, name in people[provider]],
                }
                for provider, address in self._addresses.items()
            },
            "faults": [{"mode": mode, "label": label} for mode, label in LABELS.items()],
            "active": self._simulators.waiting(),
            "ahead_seconds": self._ahead,
        }

    def _fault(self, order: dict[str, Any]) -> Response:
        wanted = {"provider": order.get("provider"), "mode": order.get("mode"), "count": order.get("count", 1)}
        if order.get("mode") is None:
            wanted = {"provider": order.get("provider"), "count": 0}
        done = self._simulators.ordered("/fault", wanted)
        return json_response(200, self._shown()) if done.status == 200 else done

    def _forward(self, seconds: object) -> Response:
        if not isinstance(seconds, int) or isinstance(seconds, bool) or not 1 <= seconds <= LONGEST_SECONDS:
            raise Unplayable(f"Give `seconds` as a whole number from 1 to {LONGEST_SECONDS}")
        with self._moving:
            try:
                make_older(self._dsn, seconds)
            except NotAged as error:
                return problem(409, "clock_stands", str(error))
            self._simulators.make_older(seconds)
            self._ahead += seconds
            self._sweep()
            return json_response(200, {"ahead_seconds": self._ahead})


def letter(order: Mapping[str, Any]) -> dict[str, Any]:
    """What the simulators are to be asked for, so that a customer writes this. Raises Unplayable."""
    provider, kind, text = order.get("provider"), order.get("kind", "text"), order.get("text")
    found = {key: order[key] for key in ("provider", "from", "name") if key in order}
    if text is not None and not isinstance(text, str):
        raise Unplayable("Give `text` as a string")
    match kind, provider:
        case "text", _:
            return {**found, "text": text}
        case "image", "meta":
            caption = {"caption": text} if text else {}
            return {**found, "payload": {"type": "image", "image": {**PICTURES["meta"]["image"], **caption}}}
        case "image", "kommo" | "twilio":
            return {**found, "text": text or "", "payload": PICTURES[str(provider)]}
        case "location", "meta":
            place = {"latitude": _degrees(order, "latitude", 90), "longitude": _degrees(order, "longitude", 180)}
            return {**found, "payload": {"type": "location", "location": {**place, **({"name": text} if text else {})}}}
        case "location", "twilio":
            place = {"Latitude": _degrees(order, "latitude", 90), "Longitude": _degrees(order, "longitude", 180)}
            return {
                **found,
                "text": "",
                "payload": {"MessageType": "location", **place, **({"Label": text} if text else {})},
            }
        case "button", "meta":
            reply = {"id": str(order.get("payload") or text), "title": text or "OK"}
            return {
                **found,
                "payload": {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": reply}},
            }
        case "button", "twilio":
            pressed = {"ButtonText": text or "OK", "ButtonPayload": str(order.get("payload") or text)}
            return {**found, "text": text or "OK", "payload": {"MessageType": "button", **pressed}}
        case "location" | "button", str() if provider in KINDS and kind not in KINDS[provider]:
            raise Unplayable(f"{provider.title()}'s hooks tell no {kind}: take another provider")
    raise Unplayable("Give `provider` as kommo, meta or twilio, and `kind` as text, image, location or button")


def _degrees(order: Mapping[str, Any], name: str, most: int) -> float:
    value = order.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not -most <= value <= most:
        raise Unplayable(f"Give `{name}` as a number from -{most} to {most}")
    return float(value)


def _order(request: Request) -> dict[str, Any]:
    try:
        order = json.loads(request.body)
    except ValueError:
        order = None
    if not isinstance(order, dict):
        raise Unplayable("Send a JSON object")
    return order
