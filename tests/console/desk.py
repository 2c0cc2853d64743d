"""What a test does beside the browser: customers who write, faults, time that goes by, and looks at what is stored."""

from __future__ import annotations

import itertools
from typing import Any

import psycopg

from infra.local.client import Client
from tests.local.running import Running

NUMBERS = itertools.count(1)
PREFIX = {"kommo": "+34699", "meta": "+55119", "twilio": "+52155"}
WROTE = "select conversation_id::text from kommo_messages where provider_message_id = %s"


class Customer:
    """Somebody whom nobody has heard of before."""

    def __init__(self, desk: Desk, provider: str, name: str) -> None:
        self._desk, self.provider, self.name = desk, provider, name
        self.address = f"{PREFIX[provider]}{next(NUMBERS):07}"

    def writes(self, text: str, **more: Any) -> str:
        """By a signed webhook; the id of the conversation."""
        order = {"provider": self.provider, "from": self.address, "name": self.name, "text": text, **more}
        written = self._desk.plays("messages", order)
        assert written["status"] == 200, written
        return self._desk.conversation_of(written["message_id"])


class Desk:
    """One system, as its operator."""

    def __init__(self, system: Running) -> None:
        self.system, self.runtime = system, system.runtime
        self.api = Client(system.runtime["base_url"], system.runtime["api_token"])

    def customer(self, provider: str, name: str) -> Customer:
        return Customer(self, provider, name)

    def conversation_of(self, provider_message_id: str) -> str:
        with psycopg.connect(self.runtime["dsn"]) as database:
            ((found,),) = database.execute(WROTE, [provider_message_id]).fetchall()
        return str(found)

    def get(self, path: str) -> Any:
        status, found = self.api.call("GET", path)
        assert status == 200, found
        return found

    def post(self, path: str, content: Any) -> Any:
        status, found = self.api.call("POST", path, content)
        assert status < 300, found
        return found

    def plays(self, path: str, content: Any) -> Any:
        return self.post(f"/playground/{path}", content)

    def fault(self, provider: str, **order: Any) -> None:
        """As the simulators' own /fault takes it."""
        status, found = self.system.simulators.call("POST", "/fault", {"provider": provider, **order})
        assert status == 200, found
