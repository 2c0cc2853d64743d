"""What a migration asked of those who worked beside it: for each step its seconds, the longest stalls, the failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg

from tests.benchmarks.migrate_load import Statement

LIMIT_MS = 250.0
"""The longest that a writer may stall (design §7)."""
STEPS = """
select s.version, s.name, extract(epoch from s.finished_at)::float
  from ventana_meta.schema_steps s where s.finished_at > to_timestamp(%s) order by s.finished_at
"""
FIRST = """
select extract(epoch from min(started_at))::float from ventana_meta.schema_migrations
 where finished_at > to_timestamp(%s)
"""


@dataclass(frozen=True)
class Step:
    """Something that lasted from `began` to `ended`, seconds since the epoch."""

    version: str
    name: str
    began: float
    ended: float


@dataclass(frozen=True)
class Row:
    """One step and the load beside it. Milliseconds are those of the longest statement that fell mostly into it."""

    version: str
    step: str
    seconds: float
    statements: int
    writer_ms: float
    writer: str
    reader_ms: float
    failed: int

    @property
    def holds(self) -> bool:
        """Whether no writer stalled too long and nothing failed."""
        return self.writer_ms <= LIMIT_MS and not self.failed


def steps(dsn: str, began: float, ended: float) -> list[Step]:
    """What a run did, without a gap: each step, by the ledger, lasts from the end of the one before."""
    with psycopg.connect(dsn) as connection:
        (first,) = connection.execute(FIRST, [began]).fetchone() or (began,)
        done = [Step("", "connect and rehearse", began, first)]
        for version, name, finished in connection.execute(STEPS, [began]):
            done.append(Step(version, name, done[-1].ended, finished))
    return [*done, Step("", "report", done[-1].ended, ended)]


def rows(during: Sequence[Step], statements: Iterable[Statement]) -> list[Row]:
    """Each statement belongs to the step that it shared most time with."""
    shares: list[list[Statement]] = [[] for _ in during]
    for statement in statements:
        together = [_together(step, statement) for step in during]
        if max(together) > 0:
            shares[together.index(max(together))].append(statement)
    return [_row(step, share) for step, share in zip(during, shares, strict=True)]


def _together(step: Step, statement: Statement) -> float:
    return min(step.ended, statement.began + statement.seconds) - max(step.began, statement.began)


def _row(step: Step, share: list[Statement]) -> Row:
    writes = [statement for statement in share if statement.kind != "read"]
    longest = max(writes, key=lambda statement: statement.seconds, default=None)
    return Row(
        version=step.version,
        step=step.name,
        seconds=round(step.ended - step.began, 2),
        statements=len(share),
        writer_ms=round(longest.seconds * 1000, 1) if longest else 0.0,
        writer=longest.kind if longest else "",
        reader_ms=round(max((s.seconds for s in share if s.kind == "read"), default=0.0) * 1000, 1),
        failed=sum(statement.error is not None for statement in share),
    )


def table(found: Iterable[Row]) -> str:
    """The rows for a person; those that a writer felt are marked."""
    lines = [("version", "step", "s", "statements", "writer ms", "reader ms", "failed", "")]
    lines += [
        (
            row.version.split("_twilio")[0],
            row.step[:60],
            f"{row.seconds:.2f}",
            str(row.statements),
            f"{row.writer_ms:.1f}",
            f"{row.reader_ms:.1f}",
            str(row.failed),
            "" if row.holds else f"OVER {LIMIT_MS:g}: {row.writer}",
        )
        for row in found
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(8)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 2 <= column <= 6 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
