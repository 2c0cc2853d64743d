"""Measures Ventana beside its floors: prints one table and writes it as .local/bench.json.

    .venv/bin/python -m tests.benchmarks [--rounds N] [part …]

Every part runs on loopback, over a durable Postgres of its own in a temporary directory (TMPDIR picks the disk).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType

from tests.benchmarks.figures import Row, table

ROOT = Path(__file__).parents[2]
PARTS: Mapping[str, str] = {
    "ingest": "a warm webhook, from event to commit to answer",
    "round_trips": "how often a warm webhook waits for Postgres",
    "peers": "a text beside what others build: hand-rolled, pywa",
    "correctness": "what of it is stored: forged, doubled, a batch, around kill -9",
    "throughput": "messages committed a second by several handlers at once",
    "start": "import and construct of each webhook function, its first request, its memory",
    "growth": "ingest, reads and the sweep, the more messages there are",
    "sweep": "a thousand windows due among few and among many conversations",
    "outbox": "events published a second",
    "send": "from accepting a message to its receipt, without the provider's time",
    "size": "each artefact, packed",
    "cost": "what a million messages of each kind take of Lambda",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that were asked for, by default all."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help="; ".join(f"{k}: {v}" for k, v in PARTS.items()))
    parser.add_argument("--rounds", type=int, help="rounds of each part, in place of its own number")
    asked = parser.parse_args(arguments)
    unknown = [part for part in asked.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if asked.rounds is not None and asked.rounds < 1:
        parser.error("at least one round")
    # So that every `finally` runs: no process and no directory stays behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.path.insert(0, str(ROOT / "layers" / "ventana"))
    rows: list[Row] = []
    for part in asked.parts or PARTS:
        sys.stderr.write(f"{part}: {PARTS[part]} …\n")
        began = time.monotonic()
        module = import_module(f"tests.benchmarks.{part}")
        measure: Callable[..., list[Row]] = module.measure
        # What follows from rows that are there already is not measured again.
        rows += derived(module, rows) or (measure(asked.rounds) if asked.rounds else measure())
        sys.stderr.write(f"{part}: took {time.monotonic() - began:.0f} s\n")
    sys.stdout.write(table(rows))
    written = ROOT / ".local" / "bench.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=1) + "\n", "utf-8")
    return 0


def derived(module: ModuleType, rows: list[Row]) -> list[Row]:
    """What a part makes of the rows before it, if that is what it does."""
    return list(module.derive(rows)) if hasattr(module, "derive") else []


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
