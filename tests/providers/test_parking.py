"""What cannot be read is set aside by itself, and says no more than it may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ventana.messages import Item, Parked
from ventana.providers.parking import Notice, Poison, each, known, parked


def read(raw: dict[str, Any]) -> Iterator[Item]:
    """Two items for each unit; poison, a notice or a bug of ours for the rest."""
    if raw["n"] == 7:
        raise Poison("seven is no number")
    if raw["n"] == 8:
        raise Notice("eight")
    for number in range(raw["n"]):
        yield Parked("p", str(10 // (3 - number)), b"")


def park(why: Exception, raw: Any) -> Parked:
    return parked("p", why, json.dumps(raw).encode())


def test_item_that_nobody_foresaw_leaves_its_neighbours_alone() -> None:
    assert list(each([{"n": 2}, {"n": 4}, {}, "x", {"n": 0}, {"n": 7}, {"n": 8}, {"n": 1}], read, park)) == [
        Parked("p", "3", b""),
        Parked("p", "5", b""),
        Parked("p", "item not understood: ZeroDivisionError", b'{"n": 4}'),
        Parked("p", "item not understood: KeyError", b"{}"),
        Parked("p", "item is no object", b'"x"'),
        Parked("p", "seven is no number", b'{"n": 7}'),
        Parked("p", "notice: eight", b'{"n": 8}', kind="notice"),
        Parked("p", "3", b""),
    ]


def test_reason_takes_only_words_that_we_know_from_a_payload() -> None:
    assert known("flows", {"flows"}) == "flows"
    assert [known(word, {"flows"}) for word in ("ana", "", None, 7, ["flows"])] == ["other"] * 5
