"""How large each artefact is, zipped and unzipped, as `make artefact-sizes` found it; zipped beside its limit."""

from __future__ import annotations

import json
import sys

from infra.artefacts import RESULT
from tests.benchmarks.figures import Row, row

PART = "size"
KB = 1000


def measure(rounds: int = 1) -> list[Row]:
    """Rows of what was built last; none, and a line that says how to build it, where nothing was."""
    if not RESULT.is_file():
        sys.stderr.write(f"{PART}: no sizes of artefacts: make artefact-sizes builds and measures them\n")
        return []
    found = json.loads(RESULT.read_text("utf-8"))["artefacts"]
    rows = []
    for artefact in sorted(found, key=lambda each: -int(each["zipped"])):
        name, zipped, unzipped = artefact["name"], artefact["zipped"] / KB, artefact["unzipped"] / KB
        rows.append(row(PART, f"{name} zipped", "kB", [zipped], limit=artefact["limit"] / KB))
        rows.append(row(PART, f"{name} unzipped", "kB", [unzipped]))
    return rows
