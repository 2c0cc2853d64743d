"""Statements of a release as it sends them, kept so that later schemas can be tried with them.

    python -m tests.migrations.releases release_NAME

run at the release's commit writes `release_NAME/statements.json`: every statement that the modules of ventana.schema
hold, by module and name. `release_NAME/story.json` is written by hand: the release's last version (`schema`), what its
items look like (`items`), and `calls` of each statement, in an order that makes sense: a call has a name, a statement,
parameters `with` their places or `named`, and may be `unordered`, as its rows are. A parameter is as it stands, or
{"at": seconds since the story began}, {"iso": the same, as text}, {"seconds": of an interval}, {"json": …}, {"item":
its name, with what is different}, {"of": a call, "row": …, "column": …} or {"all": a call, "column": …}.
"""

from __future__ import annotations

import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

HERE = Path(__file__).parent
STATEMENT = re.compile(r"\s*(select|insert|update|delete|with)\s")
NO_SENDERS = {"backfill", "backfill_words", "exclusive", "migrate", "migrations", "report"}  # what only a migrator runs
UUIDS = re.compile(r"(?!0{8})[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # but for those that stories give
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
"""When stories begin: long ago, so that the trigger, which knows no later time than now, does not cap what follows."""


@dataclass
class Story:
    """A release's story: what was called, with what, and what the calls gave, the ids of one run made comparable."""

    folder: Path
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.statements: dict[str, str] = json.loads((self.folder / "statements.json").read_text())
        told = json.loads((self.folder / "story.json").read_text())
        self.calls: list[dict[str, Any]] = told["calls"]
        self.schema: str = told["schema"]
        self._items: dict[str, dict[str, Any]] = told["items"]
        self._names: dict[str, str] = {}

    def run(self, connection: psycopg.Connection) -> dict[str, Any]:
        """Call everything in order; what each call gave, by its name."""
        given: dict[str, Any] = {}
        with connection.cursor(row_factory=dict_row) as cursor:
            for call in self.calls:
                parameters = {name: self._value(value) for name, value in call.get("named", {}).items()}
                listed = [self._value(value) for value in call.get("with", [])]
                cursor.execute(self.statements[call["statement"]].encode(), parameters or listed)
                rows = cursor.fetchall() if cursor.description else []
                if call["statement"].startswith("inbound."):
                    rows.sort(key=lambda row: int(row["place"]))  # they come in the order of their locks
                self.results[call["name"]] = rows
                found = [self._comparable(row, f"{call['name']} {row.get('place', '')}") for row in rows]
                given[call["name"]] = sorted(found, key=str) if call.get("unordered") else found
        return given

    def _comparable(self, value: Any, where: str) -> Any:
        """A value without what differs between two runs: ids that the database made up, and the time of the run."""
        match value:
            case dict():
                return {name: self._comparable(inner, where) for name, inner in value.items()}
            case list():
                return [self._comparable(inner, where) for inner in value]
            case datetime():
                return "now" if value - START > timedelta(days=20) else (value - START).total_seconds()
            case UUID():
                return self._comparable(str(value), where)
            case str() if re.match(r"\d{4}-\d\d-\d\dT", value):
                return self._comparable(datetime.fromisoformat(value), where)
            case str():
                return UUIDS.sub(lambda found: self._names.setdefault(found[0], f"<{where}>"), value)
        return value

    def _value(self, given: Any) -> Any:
        """A parameter as the release would pass it."""
        match given:
            case {"at": int(seconds)}:
                return START + timedelta(seconds=seconds)
            case {"seconds": int(seconds)}:
                return timedelta(seconds=seconds)
            case {"json": inner}:
                return json.dumps(self._value(inner))
            case {"of": name, "column": column}:
                return str(self.results[name][given.get("row", 0)][column])
            case {"all": name, "column": column}:
                return [str(row[column]) for row in self.results[name]]
            case {"item": name, **changes}:
                return self._value({**self._items[name], **changes})
            case {"iso": seconds}:
                return (START + timedelta(seconds=seconds)).isoformat()
            case dict():
                return {name: self._value(inner) for name, inner in given.items()}
            case list():
                return [self._value(inner) for inner in given]
        return given


def statements() -> Iterator[tuple[str, str]]:
    """Every statement of the release that is checked out, by module and name."""
    import ventana.schema

    for found in pkgutil.iter_modules(ventana.schema.__path__):
        if found.ispkg or found.name in NO_SENDERS:
            continue
        module = vars(import_module(f"ventana.schema.{found.name}"))
        texts = {name: value for name, value in module.items() if name.isupper() and isinstance(value, str)}
        for name, text in texts.items():
            part = any(text in other for other in texts.values() if other != text)
            if STATEMENT.match(text) and not part:
                yield f"{found.name}.{name}", text.strip()


if __name__ == "__main__":
    target = HERE / sys.argv[1]
    target.mkdir(exist_ok=True)
    (target / "statements.json").write_text(json.dumps(dict(statements()), indent=2) + "\n")
