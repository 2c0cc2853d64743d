"""Measures what one message takes, on the local system: milliseconds, bytes of log, bytes of database.

    make cost-measure

Customers write and are answered through the simulated providers, in text. Durations are what the real functions took
from event to answer, warm, with Postgres on the same machine; the model adds the network. Writes measured.json.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "layers" / "ventana"))

from infra.local.client import Client  # noqa: E402 - after the path
from infra.local.functions import Function  # noqa: E402
from infra.local.runtime_api import Invocation  # noqa: E402
from infra.local.state import State  # noqa: E402
from infra.local.system import System  # noqa: E402
from ventana.providers import PROVIDERS  # noqa: E402

FILE = Path(__file__).with_name("measured.json")
ROUNDS, CUSTOMERS = 20, 5
DELIVERED_SECONDS = 60.0
WORDS = "¿Tienen la chaqueta azul en talla M? Me la llevaría hoy mismo si la envían antes del viernes. "
SIZE = "select pg_database_size(current_database())"


class Timed:
    """Notes how long each function took for each of its events."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = defaultdict(list)

    def watch(self) -> None:
        """Time every function of this process from here on."""
        invoke, took = Function.invoke, self.took

        def timed(function: Function, event: Mapping[str, Any]) -> Invocation:
            started = time.perf_counter()
            try:
                return invoke(function, event)
            finally:
                took[function.name].append((time.perf_counter() - started) * 1000)

        Function.invoke = timed  # type: ignore[method-assign, assignment]


def main() -> int:
    """Run the load, and write what was measured."""
    timed = Timed()
    timed.watch()
    with tempfile.TemporaryDirectory() as folder:
        state = State(Path(folder))
        with System(state, 0, None, lambda line: None) as system:
            empty = _size(system.dsn)
            messages = _converse(system)
            size = _size(system.dsn)
            logged = {name: (state.logs / f"{name}.log").stat().st_size for name in timed.took}
        measured = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}",
            "messages": messages,
            "database_bytes_per_message": round((size - empty) / messages),
            "functions": {
                name: {
                    "events": len(took),
                    "ms": round(median(took), 1),
                    "log_bytes": round(logged[name] / len(took)),
                }
                for name, took in sorted(timed.took.items())
            },
        }
    FILE.write_text(json.dumps(measured, indent=2) + "\n")
    sys.stdout.write(FILE.read_text())
    return 0


def _converse(system: System) -> int:
    """Have customers write and be answered; returns how many messages that were, theirs and ours."""
    messages = 0
    api, simulators = Client(system.base_url, system.identity.api_token), Client(system.simulator_url)
    last: list[str] = []
    for number in range(ROUNDS * CUSTOMERS):
        for place, provider in enumerate(PROVIDERS):
            phone = f"+5511{place}{number % CUSTOMERS:07d}0"
            text = f"{number} {WORDS}"
            written, _ = simulators.call("POST", "/customer", {"provider": provider, "from": phone, "text": text})
            order = {"provider": provider, "to": phone, "type": "text", "text": {"body": text}}
            status, accepted = api.call("POST", "/v1/messages", order)
            messages += (written == 200) + (status == 202)
            if status == 202:
                last = [*last[-len(PROVIDERS) :], accepted["id"]]
    give_up = time.monotonic() + DELIVERED_SECONDS
    while time.monotonic() < give_up:
        found = [api.call("GET", f"/v1/messages/{each}")[1]["status"] for each in last]
        if set(found) <= {"sent", "delivered", "read", "failed"}:
            break
        time.sleep(1)
    return messages


def _size(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum")
        found = connection.execute(SIZE).fetchone()
        return int(found[0]) if found else 0


if __name__ == "__main__":
    sys.exit(main())
