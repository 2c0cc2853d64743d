"""What a cold start costs: import and construct of each webhook function, in a process of its own with compiled
bytecode, beside `import psycopg`; then the same with its first request, as sources and as built (first_request.py)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.figures import Row, row
from tests.benchmarks.first_request import measure_first
from ventana.providers import PROVIDERS

PART = "start"
LIMIT = 1.75
"""Times the floor (design §7)."""
ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "ventana"
FLOOR = "psycopg"
CHILD = """
import sys
from time import perf_counter
known = len(sys.modules)
started = perf_counter()
import {module}
print((perf_counter() - started) * 1000, len(sys.modules) - known)
"""


def measure(rounds: int = 15) -> list[Row]:
    """Imports, and first requests in half as many rounds, because one of them takes as long as several imports."""
    return [*_imports(rounds), *measure_first(PART, max(1, rounds // 2))]


def _imports(rounds: int) -> list[Row]:
    """Interleave floor and functions; a first round compiles everything."""
    functions = [f"{provider}_webhook" for provider in PROVIDERS]
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in (FLOOR, *functions)}
    with tempfile.TemporaryDirectory(prefix="ventana-bench-") as bytecode:
        for number in range(-1, rounds):
            for name, starts in found.items():
                start = _start(name, bytecode)
                if number >= 0:
                    starts.append(start)
    floors = found.pop(FLOOR)
    rows = []
    for column, (figure, unit, limit) in enumerate((("import", "ms", LIMIT), ("modules", "modules", None))):
        floor = [start[column] for start in floors]
        for name, starts in found.items():
            rows.append(row(PART, f"{name} {figure}", unit, [start[column] for start in starts], floor, limit))
    return rows


def _start(name: str, bytecode: str) -> tuple[float, int]:
    """Milliseconds and modules of one start, as Lambda does it: the function's folder first, then the layer."""
    module = FLOOR if name == FLOOR else "app"
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "functions" / name), str(LAYER)]),
        "PYTHONPYCACHEPREFIX": bytecode,
        "AWS_REGION": "us-east-1",
        "DATABASE_SECRET_ID": "database",
        **{f"{provider.upper()}_SECRET_ID": provider for provider in PROVIDERS},
    }
    said = subprocess.run(
        [sys.executable, "-P", "-c", CHILD.format(module=module)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if said.returncode:
        raise SystemExit(f"{name} does not start: {said.stderr.strip().splitlines()[-1]}")
    milliseconds, modules = said.stdout.split()
    return float(milliseconds), int(modules)
