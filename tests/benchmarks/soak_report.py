"""What a soak has seen, minute by minute and table by table, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.soak_load import SAMPLE_SECONDS

MINUTE = 60.0
MEMORY_BYTES = 3_000_000
"""A handler may be so much larger at the end than after its first third; one leaked kilobyte a call is far more."""
DEAD_SHARE = 0.75
"""Dead rows among all of a table. Autovacuum looks once a minute: until then all customers may have written again."""
JUDGED_MINUTES = 5
"""A shorter run tells nothing of tables: autovacuum has hardly come."""
BLOAT = 1.5
"""Bytes of a row, of its table and indexes, against those after the first third: what is written between two vacuums
takes room of its own, most of it in indexes by time, and is there from the second vacuum on. That room is of a load and
not of a table: a few customers who write five hundred messages a second make one of ten thousand look large."""
SMALL_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its rows as they are counted (statistics have counted loaded ones twice), the rest by statistics."""

    live: int
    dead: int
    autovacuums: int
    table_bytes: int
    index_bytes: int

    @property
    def dead_share(self) -> float:
        """Dead rows among all."""
        return self.dead / max(1, self.live + self.dead)

    @property
    def bytes_a_row(self) -> float:
        """Of the table and its indexes, for each live row."""
        return (self.table_bytes + self.index_bytes) / max(1, self.live)


@dataclass(slots=True)
class Minute:
    """One line of the table."""

    minute: int
    per_second: float
    p50: float
    p99: float
    late_seconds: float
    refused: int
    resident_mb: float
    connections: int
    dead_rows: int
    autovacuums: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something that was looked at."""

    what: str
    good: bool
    said: str


@dataclass(slots=True)
class Observed:
    """Everything that was seen."""

    asked_per_second: float = 0.0
    resident: list[list[int]] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    minutes: list[Minute] = field(default_factory=list)
    at_start: dict[str, Table] = field(default_factory=dict)
    at_third: dict[str, Table] = field(default_factory=dict)
    at_end: dict[str, Table] = field(default_factory=dict)
    acknowledged: int = 0
    stored: int = 0
    refused: int = 0


def verdicts(seen: Observed) -> list[Verdict]:
    """What is to be said of it."""
    found = [
        Verdict(
            "nothing was lost",
            seen.stored == seen.acknowledged and not seen.refused,
            f"{seen.acknowledged} acknowledged, {seen.stored} stored, {seen.refused} refused",
        )
    ]
    rate = median(minute.per_second for minute in seen.minutes)
    found.append(
        Verdict("the load was kept up", rate >= 0.95 * seen.asked_per_second, f"{rate:.0f} a second, median minute")
    )
    for number, sizes in enumerate(seen.resident):
        warm = sizes[len(sizes) // 3 :]
        quarter = max(1, len(warm) // 4)
        grown = median(warm[-quarter:]) - median(warm[:quarter])
        a_minute = _slope(warm) * MINUTE / SAMPLE_SECONDS
        said = (
            f"{warm[-1] / 1e6:.1f} MB, {grown / 1e6:+.2f} MB since its first third, {a_minute / 1e3:+.1f} kB a minute"
        )
        found.append(Verdict(f"memory of handler {number} is flat", grown <= MEMORY_BYTES, said))
    settled = seen.connections[len(seen.connections) // 3 :]
    said = f"{min(settled)} to {max(settled)} open"
    found.append(Verdict("connections do not leak", max(settled) <= settled[0], said))
    early = len(seen.minutes) < JUDGED_MINUTES
    for name, table in seen.at_end.items():
        if table.live + table.dead >= SMALL_ROWS:
            said = f"{table.live} live, {table.dead} dead, {table.autovacuums} autovacuums"
            said += ", too early to judge" if early else ""
            found.append(Verdict(f"{name} is cleaned up", early or table.dead_share <= DEAD_SHARE, said))
            now, then, first = (tables[name].bytes_a_row for tables in (seen.at_end, seen.at_third, seen.at_start))
            said = f"{now:.0f} bytes a row with indexes, {then:.0f} after its first third, {first:.0f} at the start"
            found.append(Verdict(f"{name} does not bloat", early or now <= BLOAT * then, said))
    return found


def _slope(sizes: Sequence[int]) -> float:
    """Bytes a sample, by least squares."""
    if len(sizes) < 2:
        return 0.0
    middle, mean = (len(sizes) - 1) / 2, sum(sizes) / len(sizes)
    above = sum((place - middle) * (size - mean) for place, size in enumerate(sizes))
    return above / sum((place - middle) ** 2 for place in range(len(sizes)))
