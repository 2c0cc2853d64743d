"""Reverts lose no rows: what a version has added is kept in a schema of its own, and comes back with the version."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from ventana.schema.migrate.folder import Migration
from ventana.schema.migrate.rehearse import Rehearsed

Say = Callable[[str], None]
SCHEMA = "ventana_archive"
KEY = """
select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
 where i.indrelid = %s::regclass and i.indisprimary order by array_position(i.indkey::int[], a.attnum::int)
"""
COLUMNS = """
select attname from pg_attribute
 where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum
"""
ARCHIVED = """
select relname from pg_class where relnamespace = to_regnamespace(%s) and starts_with(relname, %s) order by relname
"""


def archive_columns_and_tables(connection: psycopg.Connection, rehearsed: Rehearsed, say: Say) -> None:
    """Keep the tables and columns that reverting this version will drop, where they hold what `up` will not make."""
    version = rehearsed.migration.version
    tables = [name.split(" ")[1] for name in rehearsed.made if name.startswith("table ")]
    columns: dict[str, dict[str, str]] = {}
    for name, definition in rehearsed.made.items():
        kind, _, rest = name.partition(" ")
        table, _, column = rest.partition(".")
        if kind == "column" and table not in tables and name not in rehearsed.before:
            columns.setdefault(table, {})[column] = definition.partition(" default ")[2] or "null"
    for table in sorted(set(tables) - rehearsed.migration.anew):
        _keep(connection, version, table, SQL("select * from {}").format(Identifier(table)), say)
    for table, added in columns.items():
        wanted = SQL(", ").join(map(Identifier, [*_names(connection, KEY, table), *added]))
        told = SQL(" or ").join(
            SQL("{} is distinct from ").format(Identifier(column)) + SQL(default) for column, default in added.items()
        )
        _keep(
            connection, version, table, SQL("select {} from {} where {}").format(wanted, Identifier(table), told), say
        )


def unarchive(connection: psycopg.Connection, migration: Migration, say: Say) -> None:
    """Bring back what was archived when this version was reverted, and drop the archive."""
    prefix = f"{migration.version}__"
    if not _names(connection, "select nspname from pg_namespace where nspname = %s", SCHEMA):
        return
    run_companion(connection, migration.restore)
    for name in _names(connection, ARCHIVED, SCHEMA, prefix):
        table = name.removeprefix(prefix)
        kept = _names(connection, COLUMNS, f"{SCHEMA}.{_quoted(name)}")
        now = [column for column in _names(connection, COLUMNS, table) if column in kept]
        key = _names(connection, KEY, table)
        if len(now) == len(_names(connection, COLUMNS, table)):
            _insert(connection, name, table, key, now)
        else:
            _update(connection, name, table, key, [column for column in now if column not in key])
        connection.execute(SQL("drop table {}.{}").format(Identifier(SCHEMA), Identifier(name)))
        say(f"brought back what {migration.version} had in {table}")
    if not _names(connection, ARCHIVED, SCHEMA, ""):
        connection.execute(SQL("drop schema {}").format(Identifier(SCHEMA)))


def run_companion(connection: psycopg.Connection, sql: str | None) -> None:
    """Run what a version says itself about its rows, where it does."""
    if sql is not None:
        connection.execute(sql.encode())


def _keep(connection: psycopg.Connection, version: str, table: str, query: Composed, say: Say) -> None:
    if connection.execute(SQL("select exists ({})").format(query)).fetchone() != (True,):
        return
    connection.execute(SQL("create schema if not exists {}").format(Identifier(SCHEMA)))
    name = f"{version}__{table}"
    kept = connection.execute(SQL("create table {}.{} as {}").format(Identifier(SCHEMA), Identifier(name), query))
    say(f"archived {kept.rowcount} rows of {table} as {SCHEMA}.{name}")


def _insert(connection: psycopg.Connection, name: str, table: str, key: list[str], columns: list[str]) -> None:
    """A row that the migration has made meanwhile gives way to the archived one."""
    listed = SQL(", ").join(map(Identifier, columns))
    rest = [column for column in columns if column not in key]
    connection.execute(
        SQL("insert into {} ({}) overriding system value select {} from {}.{} on conflict ({}) do {}").format(
            Identifier(table),
            listed,
            listed,
            Identifier(SCHEMA),
            Identifier(name),
            SQL(", ").join(map(Identifier, key)),
            SQL("update set {}").format(
                SQL(", ").join(SQL("{} = excluded.{}").format(Identifier(each), Identifier(each)) for each in rest)
            )
            if rest
            else SQL("nothing"),
        )
    )
    for column in columns:
        row = connection.execute("select pg_get_serial_sequence(%s, %s)", (table, column)).fetchone()
        if row and row[0]:
            connection.execute(
                SQL("select setval(%s, coalesce((select max({}) from {}), 1))").format(
                    Identifier(column), Identifier(table)
                ),
                (row[0],),
            )


def _update(connection: psycopg.Connection, name: str, table: str, key: list[str], columns: list[str]) -> None:
    connection.execute(
        SQL("update {} t set {} from {}.{} a where {}").format(
            Identifier(table),
            SQL(", ").join(SQL("{} = a.{}").format(Identifier(each), Identifier(each)) for each in columns),
            Identifier(SCHEMA),
            Identifier(name),
            SQL(" and ").join(SQL("t.{} = a.{}").format(Identifier(each), Identifier(each)) for each in key),
        )
    )


def _names(connection: psycopg.Connection, query: str, *parameters: str) -> list[str]:
    return [str(name) for (name,) in connection.execute(query.encode(), parameters)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
