"""What a plan says a step takes is what the server takes: its locks, its scans and its rewrites are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from tests.conftest import _database as fresh_database
from ventana.schema.migrate import FOLDER, load
from ventana.schema.migrate.folder import Migration, Step
from ventana.schema.migrate.locks import (
    BESIDE,
    EVERYBODY,
    NONE,
    ROWS,
    SHARE,
    STRENGTH,
    UNKNOWN,
    WRITERS,
    Demand,
    demands,
)
from ventana.schema.migrate.plan import INDEXES

MODES = {
    "RowExclusiveLock": ROWS,
    "ShareUpdateExclusiveLock": BESIDE,
    "ShareLock": SHARE,
    "ShareRowExclusiveLock": WRITERS,
    "AccessExclusiveLock": EVERYBODY,
}
WORLD = """
create table fruit (id integer primary key, name text, price numeric(8, 2) check (price > 0));
create table basket (id integer primary key, fruit_id integer);
insert into fruit select n, 'fruit ' || n, n from generate_series(1, 1000) n;
insert into basket select n, n from generate_series(1, 1000) n;
create index fruit_name_idx on fruit (name);
create view named_fruit as select name from fruit where name <> '';
create function nothing() returns trigger language plpgsql as $$ begin return new; end; $$;
create trigger fruit_watched after insert on fruit for each row execute function nothing();
alter table fruit add constraint fruit_cheap check (price < 1000000) not valid;
"""
TABLES = """
select c.oid, c.relname, c.relfilenode, pg_stat_get_xact_numscans(c.oid) from pg_class c
 where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'v')
"""
LOCKS = "select relation, mode from pg_locks where pid = pg_backend_pid() and granted and relation = any(%s)"


@dataclass
class Seen:
    """What a step did to the tables that were there before it: strongest lock of each, and how it was read."""

    locks: dict[str, str]
    scanned: set[str]
    rewritten: set[str]


def seen(connection: psycopg.Connection, sql: str) -> Seen:
    """Run a step in the transaction that is open, and look at what it took."""
    rows = connection.execute(TABLES).fetchall()
    names = {oid: name for oid, name, _, _ in rows}
    before = {name: (file, scans) for _, name, file, scans in rows}
    connection.execute(sql.encode())
    after = {name: (file, scans) for _, name, file, scans in connection.execute(TABLES)}
    locks: dict[str, str] = {}
    for oid, mode in connection.execute(LOCKS, [list(names)]):
        if mode in MODES:
            locks[names[oid]] = max(locks.get(names[oid], NONE), MODES[mode], key=STRENGTH.index)
    there = before.keys() & after.keys()
    rewritten = {name for name in there if before[name][0] != after[name][0]}
    return Seen(locks, {name for name in there if before[name][1] != after[name][1]} - rewritten, rewritten)


def told(asked: list[Demand], tables: set[str]) -> Seen:
    """What the plan says of the same tables."""
    asked = [each for each in asked if each.target in tables and each.lock != NONE]
    locks: dict[str, str] = {}
    for each in asked:
        locks[each.target] = max(locks.get(each.target, NONE), each.lock, key=STRENGTH.index)
    rewritten = {each.target for each in asked if each.work == "rewrites"}
    return Seen(locks, {each.target for each in asked if each.work == "scans"} - rewritten, rewritten)


@pytest.fixture(scope="module")
def fruit(server: str) -> Iterator[psycopg.Connection]:
    """A connection to a database in which each test takes back what it did."""
    with fresh_database(server, "template0") as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(WORLD)
        yield connection


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("create index fruit_price_idx on fruit (price)", "build index"),
        ('create unique index if not exists i on "fruit" (price)', "build index"),
        ("drop index fruit_name_idx", "drop index"),
        ("alter index fruit_name_idx rename to fruit_names", "rename index"),
        ("alter table fruit add column ripe boolean", "add column"),
        ("alter table fruit add column ripe boolean not null default false", "add column"),
        ("alter table fruit add ripe timestamptz not null default now() + interval '1 day'", "add column"),
        ("alter table fruit add column ripe uuid not null default gen_random_uuid()", "add column"),
        ("alter table fruit add column ripe timestamptz default clock_timestamp()", "add column"),
        ("alter table fruit add column ripe numeric(3, 1) default 1.5", "add column"),
        ("alter table fruit add column ripe text default 'no, never (yet)'", "add column"),
        ("alter table fruit add column number bigint generated always as identity", "add column"),
        ("alter table fruit add column number bigserial", "add column"),
        ("alter table fruit add column twice numeric generated always as (price * 2) stored", "add column"),
        ("alter table fruit add column kind text default 'x' check (kind <> '')", "add column"),
        ("alter table fruit add column kind text unique", "add column"),
        ("alter table fruit add column basket_id integer references basket (id)", "add column"),
        ("alter table only fruit drop column price", "drop column"),
        ("alter table fruit rename column price to costs", "rename"),
        ("alter table fruit alter column id type bigint", "change type"),
        ("alter table fruit alter column name set not null", "set not null"),
        ("alter table fruit alter id drop default", "change default"),
        ("alter table fruit alter column name set default 'x'", "change default"),
        ("alter table fruit alter column name set statistics 500", "change statistics"),
        ("alter table fruit add constraint c check (price > 0)", "add constraint"),
        ("alter table fruit add constraint c check (price > 0) not valid", "add constraint not valid"),
        ("alter table fruit add check (price > 0) not valid", "add constraint not valid"),
        ("alter table fruit validate constraint fruit_cheap", "validate constraint"),
        ("alter table fruit drop constraint fruit_cheap", "drop constraint"),
        ("alter table fruit add constraint u unique (name)", "add constraint"),
        ("alter table basket add constraint f foreign key (fruit_id) references fruit (id)", "add foreign key"),
        (
            "alter table basket add constraint f foreign key (fruit_id) references fruit (id) not valid",
            "add foreign key not valid",
        ),
        ("alter table fruit disable trigger fruit_watched", "switch trigger"),
        ("alter table fruit enable row level security", "row security"),
        ("alter table fruit set (fillfactor = 80)", "change settings"),
        ("alter table fruit set unlogged", "change storage"),
        ("create table crate (id integer primary key, fruit_id integer references fruit (id))", "create table"),
        ("create table crate (id integer); create index on crate (id)", "create table"),
        ("create trigger t before update on fruit for each row execute function nothing()", "create trigger"),
        (
            "create or replace trigger fruit_watched after insert on fruit for each row execute function nothing()",
            "create trigger",
        ),
        ("drop trigger fruit_watched on fruit", "drop trigger"),
        ("create policy p on fruit for select using (true)", "policy"),
        ("create view fruits as select id from fruit", "create view"),
        ("create or replace view named_fruit as select name from fruit", "replace view"),
        ("drop view named_fruit", "drop"),
        ("create or replace function nothing() returns trigger language plpgsql as 'begin end'", "function"),
        ("drop table basket", "drop"),
        ("comment on table fruit is 'sweet; mostly'", "comment"),
        ("comment on column fruit.name is 'it''s -- a name'", "comment"),
        ("comment on function nothing() is 'nothing'", "comment"),
        ("insert into fruit (id) values (0)", "write rows"),
        ("delete from basket where id = 1", "write rows"),
    ],
)
def test_each_kind_of_statement_takes_what_is_said(fruit: psycopg.Connection, statement: str, kind: str) -> None:
    asked = demands(Step("a step", statement), {"fruit_name_idx": "fruit"})
    assert asked[0].kind == kind
    with fruit.transaction(force_rollback=True):
        found = seen(fruit, statement)
    claimed = told(asked, {"fruit", "basket", "named_fruit"})
    assert found.locks == claimed.locks
    assert found.rewritten == claimed.rewritten
    if asked[0].work != "touches rows":
        assert found.scanned == claimed.scanned


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    for sql in ("do $$ begin alter table fruit set logged; end $$", "alter table fruit cluster on i", "vacuum full"):
        assert demands(Step("a step", sql))[0].lock == UNKNOWN


@pytest.fixture(scope="module")
def steps() -> list[tuple[Migration, Step]]:
    return [(migration, step) for migration in load(FOLDER) for step in migration.steps]


def test_every_step_takes_what_the_plan_says(empty_database: str, steps: list[tuple[Migration, Step]]) -> None:
    """And no step keeps writers out of a table that was there before while it reads or rewrites it."""
    indexes: dict[str, str] = {}
    with psycopg.connect(empty_database, autocommit=True) as connection:
        for migration, step in steps:
            where = f"{migration.version}: {step.name}"
            there = {name for _, name, _, _ in connection.execute(TABLES)}
            asked = demands(step, indexes)
            assert [each for each in asked if UNKNOWN in (each.lock, each.work)] == [], where
            keeping_out = [each for each in asked if each.lock in (SHARE, WRITERS, EVERYBODY) and each.target in there]
            assert [each for each in keeping_out if each.work != NONE] == [], where
            if step.index:
                assert [(each.lock, each.target in there) for each in asked] == [(BESIDE, True)], where
                connection.execute(step.sql.encode())
            else:
                claimed = told(asked, there)
                with connection.transaction():
                    found = seen(connection, step.sql)
                rows = {each.target for each in asked if each.lock == ROWS}
                assert {t: lock for t, lock in found.locks.items() if lock != ROWS} == {
                    t: lock for t, lock in claimed.locks.items() if lock != ROWS
                }, where
                assert found.rewritten == claimed.rewritten, where
                if not rows:
                    assert found.scanned == claimed.scanned, where
            indexes |= {str(name): str(table) for name, table in connection.execute(INDEXES)}
