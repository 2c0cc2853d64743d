"""How two catalogs differ, in words that a person can act on: what was expected, and what is there."""

from __future__ import annotations

import re
from itertools import takewhile

from ventana.schema.migrate.catalog import Catalog

SHOWN = 100
"""How much of a definition is shown: the line in which it begins to differ, around that place."""
BEFORE = 30
ACCESS, EVERYBODY = "access to ", "everybody"
INDEXED = re.compile(r" ON (?:ONLY )?(\w+) USING ")


def alike(expected: str, found: str | None) -> bool:
    """Whether two definitions say the same, wherever their lines end."""
    return found is not None and expected.split() == found.split()


def differences(expected: Catalog, found: Catalog) -> list[str]:
    """Each component that is not as it should be; of a table or function that is missing, that alone."""
    missing = {f"table {table_of(name, '')}" for name in expected if name.startswith("table ") and name not in found}
    return [
        f"{name}: " + _difference(definition, found.get(name, EVERYBODY if name.startswith(ACCESS) else None))
        for name, definition in expected.items()
        if not alike(definition, found.get(name))
        and (name in missing or f"table {table_of(name, definition)}" not in missing)
        and (name.removeprefix(ACCESS) == name or name.removeprefix(ACCESS) in found)
    ]


def additions(expected: Catalog, found: Catalog) -> list[str]:
    """What somebody has added to tables of ours, or beside functions of ours under the same name."""
    tables = {name.removeprefix("table ") for name in expected if name.startswith("table ")}
    functions = {name.partition("(")[0] for name in expected if name.startswith("function ")}
    return [
        f"{name}: {_shown(definition, 0)}"
        for name, definition in found.items()
        if name not in expected and (table_of(name, definition) in tables or name.partition("(")[0] in functions)
    ]


def table_of(name: str, definition: str) -> str | None:
    """The table that a component belongs to."""
    kind, _, rest = name.partition(" ")
    if kind == "table":
        return rest
    if kind == "column":
        return rest.partition(".")[0]
    if kind == "index":
        on = INDEXED.search(definition)
        return on[1] if on else None
    return rest.rpartition(" on ")[2] if " on " in rest and kind != "function" else None


def _difference(expected: str, found: str | None) -> str:
    if found is None:
        return f"expected {_shown(expected, 0)}, found nothing"
    ours, theirs = _words(expected), _words(found)
    same = sum(1 for _ in takewhile(lambda pair: pair[0][0] == pair[1][0], zip(ours, theirs, strict=False)))
    # Where one of them just ends, its end is shown.
    return f"expected {_shown(expected, ours[min(same, len(ours) - 1)][1])}, found " + _shown(
        found, theirs[min(same, len(theirs) - 1)][1]
    )


def _words(definition: str) -> list[tuple[str, int]]:
    """Each word, and where it is."""
    return [(word[0], word.start()) for word in re.finditer(r"\S+", definition)]


def _shown(definition: str, at: int) -> str:
    """The line at this place, in quotes; cut where it is long."""
    start = definition.rfind("\n", 0, at) + 1
    line = definition[start:].partition("\n")[0]
    first = 0 if len(line) <= SHOWN else max(0, min(at - start - BEFORE, len(line) - SHOWN))
    last = first + SHOWN
    return f"`{'…' if first else ''}{line[first:last]}{'…' if last < len(line) else ''}`"
