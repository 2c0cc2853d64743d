"""Spoiling what a provider sent a little: the shapes that a reader forgets are one step away from the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

TWICE = "@twice@"
DIGITS = "@digits@"
STRANGE: list[Any] = [
    *(None, True, 0, -1, 2**63, 10**400, 1e308, 1e-400, DIGITS, "", " ", "\0", "\ud83d", "1e999", "x" * 5000),
    *([], {}, [[]], {"": {}}, [None], {"id": {}}),
]

STRANGE_TEXTS = ["", "0", "[", "]", "[]", "[0]", "[x]", "[add]", "id", "\0", "é", "9" * 400]


def spoilt_json(data: st.DataObject, payload: Any) -> bytes:
    """The payload with one to three places changed: types swapped, keys missing or doubled, things nested."""
    holder = {"payload": deepcopy(payload)}
    for _ in range(data.draw(st.integers(1, 3))):
        _spoil(data, holder)
    written = json.dumps(holder["payload"], separators=(",", ":"))
    return written.replace(f'"{DIGITS}"', "1" * 5000).replace(TWICE, "").encode()


def spoilt_pairs(data: st.DataObject, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The fields of a form with one to four of them dropped, repeated or changed in name or value."""
    pairs = list(pairs)
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(pairs) - 1))
        (key, value), strange = pairs[index], data.draw(st.sampled_from(STRANGE_TEXTS))
        new = [(key, strange), (key + strange, value), (strange + key, value), (key[:-3], value)]
        change = data.draw(st.sampled_from([*([pair] for pair in new), *([(key, value), pair] for pair in new), []]))
        pairs[index : index + 1] = change if change or len(pairs) > 1 else [(key, "")]
    return pairs


def _spoil(data: st.DataObject, holder: dict[str, Any]) -> None:
    """Walk to a place, most often deep inside, and change what is there."""
    node: Any = holder
    key: Any = "payload"
    while isinstance(node[key], dict | list) and node[key] and data.draw(st.integers(0, 7)):
        node = node[key]
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    change = data.draw(st.sampled_from(CHANGES))
    if change is None:
        node[key] = deepcopy(data.draw(st.sampled_from(STRANGE)))
    elif node is holder:
        node[key] = _swapped(node[key])
    else:
        change(node, key)


def _dropped(node: Any, key: Any) -> None:
    del node[key]


def _renamed(node: Any, key: Any) -> None:
    if isinstance(node, dict):
        node[key + "_of_tomorrow"] = node.pop(key)
    else:
        node.append(node.pop(key))


def _doubled(node: Any, key: Any) -> None:
    if isinstance(node, dict):
        node[TWICE + key] = {"another": "value"}
    else:
        node.append(deepcopy(node[key]))


def _nested(node: Any, key: Any) -> None:
    node[key] = [node[key]] if isinstance(node[key], dict) else {"nested": node[key]}


def _buried(node: Any, key: Any) -> None:
    for _ in range(70):
        node[key] = [node[key]]


def _swapped_in(node: Any, key: Any) -> None:
    node[key] = _swapped(node[key])


def _swapped(value: Any) -> Any:
    match value:
        case dict():
            return list(value.values())
        case list():
            return {str(index): item for index, item in enumerate(value)}
        case str():
            return int(value) if value.isascii() and value.isdigit() and len(value) < 4000 else [value]
        case None | bool():
            return str(value)
    return str(value)


CHANGES: list[Callable[[Any, Any], None] | None] = [
    *(None, _dropped, _renamed, _doubled, _nested, _buried, _swapped_in),
    *(None, _dropped, _nested, _swapped_in),
]
