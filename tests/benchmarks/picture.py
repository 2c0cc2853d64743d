"""Draws what `make bench` found as a plain SVG of 800 pixels for light and dark pages: bars of ingest and of peers
beside their floors, and the curve of growth. What was not measured is left out.

    .venv/bin/python -m tests.benchmarks.picture
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from tests.benchmarks.figures import Row
from tests.benchmarks.sizes import number_of

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / ".local" / "bench.json"
PICTURE = Path(__file__).with_name("figures.svg")
WIDTH, MARGIN, LINE = 800, 24, 34
BARS_RIGHT = 560  # what a bar says stands behind it
CHART_HEIGHT, CHART_LEFT, CHART_RIGHT = 300, 70, 590
LABEL_GAP = 16
COLOURS = (
    ("#0969da", "#4493f8"),
    ("#bc4c00", "#db6d28"),
    ("#1a7f37", "#3fb950"),
    ("#8250df", "#ab7df8"),
    ("#bf3989", "#db61a2"),
)
"""Of the curves, on light and on dark pages; then again from the first."""
LIGHT = {".ground": "#ffffff", "text": "#1f2328", ".faint": "#59636e", ".ours": "#0969da", ".floor": "#9aa4af"}
DARK = {".ground": "#0d1117", "text": "#f0f6fc", ".faint": "#9198a1", ".ours": "#4493f8", ".floor": "#656c76"}


def main() -> int:
    """Draw the last measurement; 1 where there is nothing to draw."""
    if not MEASURED.is_file():
        sys.stderr.write("nothing was measured: make bench does\n")
        return 1
    drawn = picture([Row(**row) for row in json.loads(MEASURED.read_text("utf-8"))["rows"]])
    if drawn is None:
        sys.stderr.write("neither ingest nor growth was measured: make bench measures all parts\n")
        return 1
    PICTURE.write_text(drawn, "utf-8")
    return 0


def picture(rows: Sequence[Row]) -> str | None:
    """The picture of these rows; None where none of them is drawn."""
    top, body = MARGIN, ""
    for title, bars in (("One webhook in a warm handler, p50", _ingest(rows)), ("Beside peers, p50", _peers(rows))):
        if bars:
            drawn, height = _bars(title, bars)
            body += f'<g transform="translate(0 {top})">{drawn}</g>\n'
            top += height
    if curves := _curves(rows):
        body += f'<g transform="translate(0 {top})">{_chart("The more messages there are", curves)}</g>\n'
        top += CHART_HEIGHT + 90
    if not body:
        return None
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="13">\n'
        f"<title>What make bench measured</title>\n<style>{_style()}</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{top}"/>\n{body}</svg>\n'
    )


def _style() -> str:
    pages = []
    for page, (fills, grid) in enumerate(((LIGHT, "#d1d9e0"), (DARK, "#3d444d"))):
        rules = [f"{selector}{{fill:{colour}}}" for selector, colour in fills.items()]
        rules += [f".c{place}{{fill:{of[page]}}}.l{place}{{stroke:{of[page]}}}" for place, of in enumerate(COLOURS)]
        pages.append("".join(rules) + f".grid{{stroke:{grid}}}")
    lines = ".curve{fill:none;stroke-width:2}.title{font-size:16px;font-weight:600}"
    return f"{pages[0]}{lines}@media (prefers-color-scheme: dark){{{pages[1]}}}"


def _ingest(rows: Iterable[Row]) -> list[Row]:
    """Single messages and statuses: those that have a number to hold."""
    return [row for row in rows if row.part == "ingest" and row.name.endswith(" p50") and row.limit is not None]


def _peers(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.part == "peers" and row.name.endswith(" p50")]


def _bars(title: str, rows: Sequence[Row]) -> tuple[str, int]:
    """Horizontal bars, each with its floor beneath, and how high all of it is."""
    most = max(max(row.value, row.floor or 0) for row in rows)
    scale = (BARS_RIGHT - MARGIN) / (most or 1)
    lines = [_text(MARGIN, 4, title, "title"), _text(MARGIN, 24, "blue: measured; grey: its floor, one row", "faint")]
    for place, row in enumerate(rows):
        y = 46 + place * LINE
        lines += [
            _text(MARGIN, y, row.name.removesuffix(" p50")),
            _bar(y + 5, row.value * scale, 9, "ours"),
            _bar(y + 15, (row.floor or 0) * scale, 4, "floor"),
            _text(MARGIN + max(row.value, row.floor or 0) * scale + 8, y + 14, _said(row)),
        ]
    return "\n".join(lines), 46 + len(rows) * LINE + 20


def _said(row: Row) -> str:
    ratio = "" if row.ratio is None else f" · {row.ratio:.1f} times its floor"
    return f"{row.value:.2f} {row.unit}{ratio}"


def _bar(y: float, width: float, height: float, kind: str) -> str:
    return f'<rect x="{MARGIN}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="1" class="{kind}"/>'


def _curves(rows: Iterable[Row]) -> dict[str, list[tuple[int, float]]]:
    """Milliseconds of each figure of growth, by number of messages."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.part == "growth" and row.value > 0:
            name, _, size = row.name.rpartition(" at ")
            found.setdefault(name, []).append((number_of(size), row.value))
    return {name: sorted(points) for name, points in found.items()}


def _chart(title: str, curves: dict[str, list[tuple[int, float]]]) -> str:
    """Lines over two logarithmic axes, named at their ends."""
    sizes = sorted({size for points in curves.values() for size, _ in points})
    values = [value for points in curves.values() for _, value in points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    span = math.log10(sizes[-1] / sizes[0]) or 1

    def x(size: int) -> float:
        return CHART_LEFT + math.log10(size / sizes[0]) / span * (CHART_RIGHT - CHART_LEFT)

    def y(value: float) -> float:
        return 40 + (high - math.log10(value)) / (high - low) * CHART_HEIGHT

    lines = [_text(MARGIN, 4, title, "title"), _text(MARGIN, 24, "milliseconds, p50; both axes logarithmic", "faint")]
    for power in range(low, high + 1):
        at = y(10.0**power)
        lines.append(f'<path d="M{CHART_LEFT} {at:.1f}H{CHART_RIGHT}" class="grid"/>')
        lines.append(_text(CHART_LEFT - 8, at + 4, f"{10.0**power:g}", "faint", "end"))
    lines += [_text(x(size), CHART_HEIGHT + 62, f"{size:,}", "faint", "middle") for size in sizes]
    ends = dict(_apart({name: y(points[-1][1]) for name, points in curves.items()}))
    for place, (name, points) in enumerate(curves.items()):
        colour = place % len(COLOURS)
        path = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in points)
        lines.append(f'<polyline points="{path}" class="curve l{colour}"/>')
        lines += [f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3" class="c{colour}"/>' for size, value in points]
        label = f"{name}, {points[-1][1]:.3g} ms"
        lines.append(_text(CHART_RIGHT + 12, ends[name] + 4, label, f"c{colour}"))
    return "\n".join(lines)


def _apart(places: dict[str, float]) -> Iterator[tuple[str, float]]:
    """The same places from the top, none nearer to the one before than a line of text is high."""
    last = -math.inf
    for name, wanted in sorted(places.items(), key=lambda each: each[1]):
        last = max(wanted, last + LABEL_GAP)
        yield name, last


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{of_kind} text-anchor="{anchor}">{escape(text)}</text>'


if __name__ == "__main__":
    sys.exit(main())
