"""Each part of `make bench` in small: it runs, and says what it must; and what is made of rows, whichever there are.

What it found here means nothing: speed is measured by `make bench`, never asserted in a test.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from infra.local.postgres import Postgres
from tests.benchmarks import (
    cost,
    first_request,
    growth,
    outbox,
    picture,
    send,
    size,
    start_artefact,
    sweep,
    system,
    throughput,
)
from tests.benchmarks.__main__ import PARTS
from tests.benchmarks.figures import Row, row, table
from tests.benchmarks.sizes import named, sizes_of
from tests.benchmarks.timing import rounds_of

WITHOUT_FLOOR = ("waits for Postgres",)
SMALL: dict[str, Callable[[], list[Row]]] = {
    "throughput": lambda: throughput.measure(1, processes=(1, 2), each=5, transactions=5),
    "start": lambda: first_request.measure_first("start", 1, conversations=20),
    "growth": lambda: growth.measure(1, sizes=(300, 600)),
    "sweep": lambda: sweep.measure(1, sizes=(60, 120), due=20),
    "outbox": lambda: outbox.measure(1, events=25, published=50),
    "send": lambda: send.measure(1, messages=2),
}
INGEST = row("ingest", "meta text p50", "ms", [2.0, 2.2], [0.5, 0.55], 2.5)
PEER = row("peers", "hand-rolled <Starlette>, over HTTP p50", "ms", [1.0], [0.5])
GROWTH = [row("growth", f"ingest at {named(number)}", "ms", [2.0], [0.5]) for number in (10_000, 1_000_000)]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Servers that need not be durable, and no artefacts: eight processes less are started."""
    monkeypatch.setattr(system, "Postgres", lambda folder, durable: Postgres(folder, durable=False))
    monkeypatch.setattr(start_artefact, "BUILT", tmp_path / "artefacts")


@pytest.mark.slow
@pytest.mark.parametrize("part", SMALL)
def test_each_part_finds_something_beside_its_floor(
    part: str, hurried: None, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = SMALL[part]()

    assert rows
    assert {found.part for found in rows} == {part} <= PARTS.keys()
    assert len({found.name for found in rows}) == len(rows)
    for found in rows:
        assert 0 < found.min <= found.value <= found.max < math.inf, found
        if not found.name.endswith(WITHOUT_FLOOR):
            assert found.floor and found.floor > 0, found
            assert found.ratio is not None, found
    assert ("make artefacts" in capsys.readouterr().err) == (part == "start")


def test_what_a_million_messages_take_follows_from_ingest_alone() -> None:
    gigabyte_seconds, dollars = cost.derive([INGEST, PEER, *GROWTH])

    assert (gigabyte_seconds.unit, dollars.unit) == ("GB-seconds", "$")
    assert gigabyte_seconds.ratio == pytest.approx(4.0)
    assert gigabyte_seconds.floor and dollars.floor
    assert dollars.value > 0.2  # the requests alone
    assert cost.derive([PEER, *GROWTH]) == []


def test_sizes_are_those_of_the_last_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = tmp_path / "artefacts.json"
    artefact = {"name": "Api", "files": 1, "unzipped": 1222, "zipped": 723, "limit": 100_000}
    result.write_text(json.dumps({"artefacts": [artefact]}))
    monkeypatch.setattr(size, "RESULT", result)

    zipped, unzipped = size.measure()

    assert (zipped.name, zipped.value, zipped.limit, zipped.holds) == ("Api zipped", 0.723, 100, True)
    assert (unzipped.name, unzipped.value, unzipped.unit) == ("Api unzipped", 1.222, "kB")


def test_without_a_build_it_is_said_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(size, "RESULT", tmp_path / "artefacts.json")

    assert size.measure() == []
    assert "make artefact-sizes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([INGEST, PEER, *GROWTH], ["meta text", "hand-rolled <Starlette>, over HTTP", "ingest, 2 ms", "1,000,000"]),
        ([INGEST], ["meta text", "4.0 times its floor"]),
        ([PEER], ["hand-rolled <Starlette>, over HTTP"]),
        (GROWTH, ["10,000"]),
        (GROWTH[:1], ["10,000"]),
    ],
)
def test_the_picture_shows_what_was_measured(rows: list[Row], told: list[str]) -> None:
    drawn = picture.picture(rows)

    assert drawn is not None
    said = [element.text for element in ElementTree.fromstring(drawn).iter() if element.text]
    for words in told:
        assert any(words in text for text in said), words


def test_nothing_is_drawn_of_other_parts() -> None:
    assert picture.picture([]) is None
    assert picture.picture([row("size", "Api zipped", "kB", [1.0], limit=2.0)]) is None


def test_the_picture_is_drawn_from_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(picture, "MEASURED", tmp_path / "bench.json")
    monkeypatch.setattr(picture, "PICTURE", tmp_path / "figures.svg")
    assert picture.main() == 1
    rows = [{name: getattr(INGEST, name) for name in Row.__slots__}]
    (tmp_path / "bench.json").write_text(json.dumps({"rows": rows}))

    assert picture.main() == 0
    assert (tmp_path / "figures.svg").read_text("utf-8").startswith("<svg ")


def test_the_table_needs_no_floor() -> None:
    assert table([]).startswith("part")
    assert "OVER 2.5" in table([INGEST, *GROWTH])
    assert "OVER" not in table([row("size", "Api zipped", "kB", [1.0], limit=2.0)])


def test_sizes_are_written_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIZES", "1M, 10k,500,10k")

    assert [named(number) for number in sizes_of("SIZES", "1k")] == ["500", "10k", "1M"]


@pytest.mark.parametrize("text", ["10x", "many", ",", "0"])
def test_what_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SIZES", text)

    with pytest.raises(SystemExit, match="SIZES"):
        sizes_of("SIZES", "10k")


def test_rounds_end_when_their_time_is_over() -> None:
    assert list(rounds_of(9, seconds=0)) == [False, True, True, True]
    assert list(rounds_of(2, seconds=60)) == [False, True, True]
