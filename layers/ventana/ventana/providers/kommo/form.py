"""Kommo's nested form keys, `message[add][0][text]`, as a tree of dicts.

Indexes are dict keys like any other, so that `[999999999]` costs no more than `[0]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

from ventana.providers.base import RawRequest

Node: TypeAlias = dict[str, Any]
"""A tree: every value is a string or a Node. It is shared, so nobody changes it."""

MAX_FIELDS = 20_000
"""250 items of some thirty fields are the most that Kommo puts into one hook."""
MAX_DEPTH = 12

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")


def tree(request: RawRequest) -> Node:
    """Decode the form. Of repeated keys the last wins; a key that is no path stays as it is.

    Raises ValueError for more fields than Kommo would ever send.
    """
    return _decoded(request.body)


@lru_cache(maxsize=1)  # verifying and parsing read the same body, and decoding is most of their time
def _decoded(body: bytes) -> Node:
    root: Node = {}
    # Every key holds brackets: undoing them all at once halves the time that decoding takes.
    form = body.replace(b"%5B", b"[").replace(b"%5D", b"]").decode("utf-8", "replace")
    for key, value in parse_qsl(form, keep_blank_values=True, max_num_fields=MAX_FIELDS):
        *parents, last = _path(key)
        node = root
        for name in parents:
            child = node.get(name)
            if not isinstance(child, dict):
                child = node[name] = {}
            node = child
        node[last or (str(len(node)) if parents else key)] = value  # `tags[]` appends
    return root


def flat(node: Node) -> bytes:
    """Write a tree as a form again: decoding that gives the same tree."""
    return urlencode(list(_pairs(node))).encode()


def _pairs(node: Node, path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        key = f"{path}[{name}]" if path else name
        if isinstance(value, dict):
            yield from _pairs(value, key)
        else:
            yield key, value


def _path(key: str) -> list[str]:
    found = _KEY.fullmatch(key)
    if found is None or found[2].count("[") >= MAX_DEPTH:
        return [key]
    return [found[1], *found[2][1:-1].split("][")]
