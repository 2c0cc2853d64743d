"""Makes everything that is stored older, which is what time does to a system at rest."""

from __future__ import annotations

import psycopg
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composed, Identifier

TIMES = """
select c.table_name, array_agg(c.column_name::text order by c.ordinal_position),
       bool_or(exists (select from pg_index i
                         join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
                        where i.indisunique and i.indrelid = to_regclass(quote_ident(c.table_name))
                          and a.attname = c.column_name))
  from information_schema.columns c
  join information_schema.tables t using (table_schema, table_name)
 where c.table_schema = current_schema() and c.data_type = 'timestamp with time zone' and c.is_generated = 'NEVER'
   and t.table_type = 'BASE TABLE'
 group by c.table_name order by c.table_name
"""
ANY_TIME = "{0} = {0} - make_interval(secs => %(seconds)s)"
WHOLE_HOUR = "{0} = date_trunc('hour', {0} - make_interval(secs => %(seconds)s), 'UTC')"
FAR = 3600 * 24 * 365 * 1000
LOCK_SECONDS = 5


class NotAged(Exception):
    """Nothing was changed; the message says why."""


def make_older(dsn: str, seconds: int) -> None:
    """Take so many seconds from every time in our tables; the migrations' ledger is elsewhere. Raises NotAged.

    In one transaction, without triggers, and with every table locked first: who works meanwhile sees all of it or none.
    """
    try:
        with psycopg.connect(dsn, row_factory=tuple_row) as connection:
            connection.execute(SQL("set local lock_timeout = {}").format(f"{LOCK_SECONDS}s"))
            connection.execute("set local session_replication_role = replica")
            tables = connection.execute(TIMES).fetchall()
            names = SQL(", ").join(Identifier(table) for table, _, _ in tables)
            connection.execute(SQL("lock table {} in exclusive mode").format(names))
            for table, columns, unique in tables:
                # Where no two may be alike, a row would meet the one whose time it takes: all go far away first.
                for step in (seconds + FAR, -FAR) if unique else (seconds,):
                    connection.execute(_older(table, columns), {"seconds": step})
    except psycopg.errors.InsufficientPrivilege:
        raise NotAged("the owner of this database may not switch triggers off: run on a database of our own") from None
    except psycopg.Error as error:
        raise NotAged(f"the database did not let us ({type(error).__name__}): try again") from error


def _older(table: str, columns: list[str]) -> Composed:
    changes = (SQL(WHOLE_HOUR if name == "hour" else ANY_TIME).format(Identifier(name)) for name in columns)
    return SQL("update {} set {}").format(Identifier(table), SQL(", ").join(changes))
