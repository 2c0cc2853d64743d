"""Whether the database has what this release calls, asked with the application's own connection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import LiteralString

from ventana import schema
from ventana.schema.connection import Database

CALLED = re.compile(r"\b([a-z_]+_v\d+)\(")
OF_THE_MIGRATOR = frozenset({"migrate", "backfill", "backfill_words"})
"""What works as the owner of the tables, and not as the application."""

# By name: a function of one version has one signature.
MISSING: LiteralString = """
select called.name, p.oid is not null as there
  from unnest(%s::text[]) called(name)
  left join lateral (
       select f.oid from pg_proc f
        where f.proname = called.name and pg_function_is_visible(f.oid)
        order by has_function_privilege(f.oid, 'execute') desc limit 1
  ) p on true
 where p.oid is null or not has_function_privilege(p.oid, 'execute')
 order by called.name
"""
READABLE: LiteralString = """
select c.oid is not null and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
  from pg_namespace n join pg_class c on c.relnamespace = n.oid
 where n.nspname = 'ventana_meta' and c.relname = 'schema_migrations'
"""
UNFINISHED: LiteralString = (
    "select version from ventana_meta.schema_migrations where state = 'running' order by version"
)


@dataclass(frozen=True, slots=True)
class Missing:
    """A function that the code calls; it is not there, or not for this role."""

    name: str
    there: bool


@dataclass(frozen=True, slots=True)
class _Version:
    version: str


def missing_functions(database: Database) -> list[Missing]:
    """What the code calls and cannot have. Raises StorageUnavailable."""
    return database.all(Missing, MISSING, (sorted(called_functions()),))


def unfinished_versions(database: Database) -> list[str]:
    """Migrations that began and did not end, where this role may know. Raises StorageUnavailable."""
    if not database.value(READABLE):
        return []
    return [each.version for each in database.all(_Version, UNFINISHED)]


def called_functions() -> frozenset[str]:
    """The SQL functions that the statements of this package call: nobody has to keep a list of them."""
    return frozenset(name for text in _statements() for name in CALLED.findall(text))


def _statements() -> Iterator[str]:
    for module in iter_modules(schema.__path__):
        if module.name not in OF_THE_MIGRATOR:
            yield from _texts(vars(import_module(f"{schema.__name__}.{module.name}")).values())


def _texts(values: Iterable[object]) -> Iterator[str]:
    yield from (value for value in values if isinstance(value, str))
