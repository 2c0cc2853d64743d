"""From nothing to the first answer: a webhook function in a process of its own imports, reads its secret, connects,
verifies, commits and answers. Beside it a process that imports psycopg, connects and commits one row."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg

from infra.local.postgres import Postgres
from tests.benchmarks.figures import Row, row
from tests.benchmarks.ingest import FLOOR_TABLE
from tests.benchmarks.population import CONVERSATIONS, MESSAGES, populate
from tests.benchmarks.secrets_server import keeping_secrets
from tests.benchmarks.start_artefact import measure_artefacts
from tests.benchmarks.system import KINDS, server
from tests.benchmarks.timing import rounds_of
from tests.benchmarks.webhooks import Kind, event_of

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "ventana"
SECONDS = 60.0
FLOOR = "psycopg"
ONE_ROW = (
    "insert into floor (provider, provider_message_id, address, customer, content, payload)"
    " values ('meta', gen_random_uuid()::text, 'address', 'customer', 'Hola', jsonb_build_object())"
)
CHILD = """
import os
from time import perf_counter
event = {event!r}
started = perf_counter()
import app
answer = app.handler(event, None)
print("\\n", (perf_counter() - started) * 1000, {resident}, answer["statusCode"])
"""
FLOOR_CHILD = f"""
import os
from time import perf_counter
started = perf_counter()
import psycopg
connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
connection.execute({ONE_ROW!r})
print("\\n", (perf_counter() - started) * 1000, {{resident}}, 200)
"""
# What is resident now; the most that ever was would count the process that it was forked from.
RESIDENT = f"int(open('/proc/self/statm').read().split()[1]) * {os.sysconf('SC_PAGESIZE')} / 1e6"
if not Path("/proc/self/statm").exists():
    RESIDENT = "__import__('resource').getrusage(0).ru_maxrss / 1e6"
TEXTS = {f"{kind.provider}_webhook": kind for kind in KINDS if kind.name.endswith(" text")}


def measure_first(part: str, rounds: int, conversations: int = CONVERSATIONS) -> list[Row]:
    """First requests of the sources and, where there are any, of the built artefacts."""
    with server() as postgres, keeping_secrets() as aws:
        with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
            connection.execute(FLOOR_TABLE)
            populate(connection, conversations, conversations * MESSAGES // CONVERSATIONS)
        environment = {
            **aws,
            "DATABASE_URL": postgres.dsn(),
            "PUBLIC_BASE_URL": "https://ventana.example",
            **{f"{kind.provider.upper()}_SECRET_ID": kind.provider for kind in TEXTS.values()},
        }
        return [
            *_of_sources(part, rounds, postgres, environment),
            *measure_artefacts(part, rounds, postgres.places.state, environment),
        ]


def _of_sources(part: str, rounds: int, postgres: Postgres, environment: Mapping[str, str]) -> list[Row]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in (FLOOR, *TEXTS)}
    with tempfile.TemporaryDirectory(prefix="ventana-bench-") as bytecode:
        for counts in rounds_of(rounds, SECONDS):
            for name, starts in found.items():
                start = _start(name, {**environment, "PYTHONPYCACHEPREFIX": bytecode})
                if counts:
                    starts.append(start)
    floors = found.pop(FLOOR)
    return [
        row(part, f"{name} {figure}", unit, [start[column] for start in starts], [floor[column] for floor in floors])
        for column, (figure, unit) in enumerate((("first request", "ms"), ("resident", "MB")))
        for name, starts in found.items()
    ]


def _start(name: str, environment: Mapping[str, str]) -> tuple[float, float]:
    """Milliseconds to the answer, and megabytes that are resident then."""
    program = FLOOR_CHILD if name == FLOOR else CHILD
    event = first_event(TEXTS[name]) if name in TEXTS else {}
    path = os.pathsep.join([str(ROOT / "functions" / name), str(LAYER)])
    said = subprocess.run(
        [sys.executable, "-P", "-c", program.format(resident=RESIDENT, event=event)],
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if said.returncode:
        raise SystemExit(f"{name} does not start: {said.stderr.strip().splitlines()[-1]}")
    milliseconds, megabytes, status = said.stdout.strip().splitlines()[-1].split()
    if status != "200":
        raise SystemExit(f"{name} refused its first request: {said.stdout}")
    return float(milliseconds), float(megabytes)


def first_event(kind: Kind) -> dict[str, object]:
    """A webhook that has not been sent before."""
    (identities,) = kind.identities(1)
    return event_of(kind.request(identities))
