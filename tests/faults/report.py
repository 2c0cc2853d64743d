"""What came of each fault: a row of figures, and the table of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.faults.load import Sent

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DRAINED_WITHIN_SECONDS = 60.0
SPILLED = re.compile(r'"InboundSpilled":\[([\d.,]+)\]')
FOUND = "select provider_message_id, count(*) from kommo_messages where provider_message_id = any(%s) group by 1"


@dataclass(frozen=True)
class Row:
    """Messages of one phase. `lost`: acknowledged and not in the table; `doubled`: there more than once."""

    fault: str
    sent: int
    acknowledged: int
    spilled: int
    stored: int
    lost: int
    doubled: int
    slowest_kommo_s: float
    slowest_s: float
    drain_s: float


def settled(dsn: str, fault: str, sent: Iterable[Sent], spilled: int) -> Row:
    """Wait until everything that was acknowledged in this phase is stored, or for a minute."""
    requests = [request for request in sent if request.phase == fault]
    every = {one for request in requests for one in request.ids}
    promised = {one for request in requests if request.acknowledged for one in request.ids}
    began, found = time.monotonic(), _stored(dsn, every)
    while promised - set(found) and time.monotonic() - began < DRAINED_WITHIN_SECONDS:
        time.sleep(0.1)
        found = _stored(dsn, every)
    return Row(
        fault=fault,
        sent=len(every),
        acknowledged=len(promised),
        spilled=spilled,
        stored=len(found),
        lost=len(promised - set(found)),
        doubled=sum(number > 1 for number in found.values()),
        slowest_kommo_s=round(max((r.seconds for r in requests if r.provider == "kommo"), default=0.0), 2),
        slowest_s=round(max((r.seconds for r in requests), default=0.0), 2),
        drain_s=round(time.monotonic() - began, 1),
    )


def spilled_so_far(state: Path) -> int:
    """Items that webhooks have let wait, by the metrics in their logs."""
    # Not line by line: two processes may write at once, and their lines become one.
    told = [SPILLED.findall(log.read_text("utf-8")) for log in (state / "logs").glob("*Webhook.log")]
    return sum(int(float(number)) for every in told for values in every for number in values.split(","))


def table(rows: Sequence[DataclassInstance]) -> str:
    """The figures for a person: a line for each, under the names of its fields."""
    return aligned([names(rows), *([str(value) for value in astuple(row)] for row in rows)])


def names(rows: Sequence[DataclassInstance]) -> list[str]:
    """What the figures of each row are called."""
    return [re.sub("_s$", " s", field.name).replace("_", " ") for field in fields(rows[0])]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of cells, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _stored(dsn: str, ids: set[str]) -> dict[str, int]:
    with psycopg.connect(dsn) as connection:
        return dict(connection.execute(FOUND, [list(ids)]).fetchall())
