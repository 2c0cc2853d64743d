"""What a million messages take of Lambda: measured milliseconds times memory, in GB-seconds, and in dollars with the
price of a request. Beside it the same for one row and one commit.

Milliseconds are those of this machine: Lambda gives as much of a processor as it gives memory. It bills whole ones.
What else a message costs is in `make cost`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from infra.cost.model import Declared
from infra.cost.prices import MILLION, PRICES
from tests.benchmarks import ingest
from tests.benchmarks.figures import Row, row
from tests.benchmarks.system import KINDS
from tests.benchmarks.webhooks import Kind

PART = "cost"
MB_A_GB = 1024
GB_SECOND, REQUEST = PRICES["lambda gb-second"].dollars, PRICES["lambda request"].dollars


def measure(rounds: int = 3) -> list[Row]:
    """From a measurement of ingest of its own, where none was made in this run."""
    return derive(ingest.measure(rounds))


def derive(rows: Iterable[Row]) -> list[Row]:
    """From what was measured of ingest."""
    memory = Declared.read().memory
    measured = {each.name: each for each in rows if each.part == ingest.PART}
    found = []
    for kind in KINDS:
        figure = measured.get(f"{kind.name} p50")
        if figure is not None and figure.floor is not None:
            gigabytes = memory[f"{kind.provider.title()}Webhook"] / MB_A_GB
            found += _rows(kind, figure, figure.floor, gigabytes)
    return found


def _rows(kind: Kind, figure: Row, floor: float, gigabytes: float) -> list[Row]:
    def seconds(milliseconds: float) -> float:
        return milliseconds / 1000 * gigabytes * MILLION / kind.size

    def dollars(milliseconds: float) -> float:
        return seconds(math.ceil(milliseconds)) * GB_SECOND + REQUEST * MILLION / kind.size

    spread = (figure.min, figure.value, figure.max)
    return [
        row(PART, f"million of {kind.name}", unit, [of(each) for each in spread], [of(floor)] * len(spread))
        for unit, of in (("GB-seconds", seconds), ("$", dollars))
    ]
