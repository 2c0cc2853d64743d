"""From what was measured in each round to rows: a median with its spread, beside the floor of the same rounds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEADINGS = ("part", "name", "value", "unit", "floor", "ratio", "min-max", "limit")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `limit` is the most that the ratio may be; the most of the value where no floor is."""

    part: str
    name: str
    value: float
    unit: str
    floor: float | None
    ratio: float | None
    min: float
    max: float
    limit: float | None

    @property
    def holds(self) -> bool:
        """Whether it is within its limit, if it has one."""
        return self.limit is None or (self.value if self.ratio is None else self.ratio) <= self.limit


def row(
    part: str,
    name: str,
    unit: str,
    rounds: Sequence[float],
    floors: Sequence[float] | None = None,
    limit: float | None = None,
) -> Row:
    """Sum up a figure of each round. Its ratio is the median of the ratios, each taken within one round."""
    return Row(
        part=part,
        name=name,
        value=round(median(rounds), 4),
        unit=unit,
        floor=round(median(floors), 4) if floors else None,
        ratio=round(median(a / b for a, b in zip(rounds, floors, strict=True)), 2) if floors else None,
        min=round(min(rounds), 4),
        max=round(max(rounds), 4),
        limit=limit,
    )


def table(rows: Iterable[Row]) -> str:
    """The rows as aligned text; those beyond their limit are marked."""
    lines = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    words = (0, 1, 3)
    return "".join(
        "  ".join(
            cell.ljust(width) if column in words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        + "\n"
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    limit = "" if row.limit is None else f"{'' if row.holds else 'OVER '}{row.limit:g}"
    return (
        row.part,
        row.name,
        _number(row.value),
        row.unit,
        "" if row.floor is None else _number(row.floor),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        f"{_number(row.min)}-{_number(row.max)}",
        limit,
    )


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"
