"""A system that is up, seen by those who answer: who writes, what is asked for, and when it arrived where."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import psycopg

from tests.local.running import Running

numbers = itertools.count(1)
WROTE = "select conversation_id::text from kommo_messages where provider_message_id = %s"


class Desk:
    """Customers write to it, and it answers them."""

    def __init__(self, system: Running) -> None:
        self.system = system

    def customer(self, provider: str, address: str | None = None, age_seconds: float = 0.0) -> str:
        """Somebody new writes, so many seconds ago; the id of their conversation."""
        phone = f"+52557{next(numbers):07}"
        order = {"provider": provider, "from": phone, "text": "¿Hola?", "age_seconds": age_seconds}
        return self.writes(order | ({"address": address} if address else {}))

    def writes(self, order: dict[str, Any]) -> str:
        """A customer writes as ordered; the id of their conversation."""
        status, told = self.system.simulators.call("POST", "/customer", order)
        assert (status, told["status"]) == (200, 200), told
        ((conversation,),) = self.rows(WROTE, told["message_id"])
        return str(conversation)

    def phone(self, conversation: str) -> str:
        """By what the simulators know the customer of a conversation."""
        number = self.rows("select phone from kommo_conversations where id = %s", conversation)[0][0]
        return str(number)

    def ask(self, conversation: str, text: str, **wishes: Any) -> tuple[int, Any]:
        """Ask for an answer to be sent; what the API says."""
        order = {"conversation_id": conversation, "type": "text", "text": {"body": text}, **wishes}
        return self.system.api.call("POST", "/v1/messages", order)

    def answer(self, conversation: str, text: str, **wishes: Any) -> str:
        """An answer that is accepted; its id."""
        status, told = self.ask(conversation, text, **wishes)
        assert status == 202, told
        return str(told["id"])

    def message(self, message_id: str) -> dict[str, Any]:
        """What the API tells of a message."""
        status, told = self.system.api.call("GET", f"/v1/messages/{message_id}")
        assert status == 200, told
        return dict(told)

    def sent(self, **fields: str) -> list[dict[str, Any]]:
        """What providers took, in order, where these fields are so."""
        found = self.system.simulators.call("GET", "/sent")[1]["sent"]
        return [entry for entry in found if all(entry[name] == value for name, value in fields.items())]

    def arrived(self, *texts: str) -> list[float]:
        """When messages with these texts were taken, in order."""
        return [float(entry["at"]) for entry in self.sent() if entry["text"] in texts]

    def order(self, path: str, **order: Any) -> None:
        """Have the simulated providers do something."""
        status, told = self.system.simulators.call("POST", path, order)
        assert status == 200, told

    def rows(self, query: Any, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database tells, or what a statement returns."""
        with psycopg.connect(self.system.runtime["dsn"]) as connection:
            return connection.execute(query, parameters).fetchall()

    def violations(self, rule: str) -> list[dict[str, Any]]:
        """What the simulated providers hold against us."""
        found = self.system.simulators.call("GET", "/violations")[1]["violations"]
        return [entry for entry in found if entry["rule"] == rule]


def wait_until(true: Callable[[], object], seconds: float, what: str = "") -> None:
    """Look again and again."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
