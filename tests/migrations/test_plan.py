"""What `plan` says a step takes is what the server takes: its locks, its scans and its rewrites are looked at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.migrations.test_history import BASELINE, pg_dump, up
from ventana.schema.migrate import FOLDER, MigrationError, load, run
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
from ventana.schema.migrate.plan import BYTES_A_SECOND, INDEXES

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
def test_each_kind_of_statement_takes_what_is_said(empty_database: str, statement: str, kind: str) -> None:
    asked = demands(Step("a step", statement), {"fruit_name_idx": "fruit"})
    assert asked[0].kind == kind
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(WORLD)
        with connection.transaction(force_rollback=True):
            found = seen(connection, statement)
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


FOLDER_OF_FRUIT = {
    "1_fruit": "create table fruit (name text, price integer);\ncreate index fruit_price_idx on fruit (price);",
    "2_price": """
-- step: no fruit is free, for new rows
alter table fruit add column ripe boolean not null default false, add constraint paid check (price > 0) not valid;
-- step: no fruit is free, for all rows
alter table fruit validate constraint paid;
-- step: each name once
create unique index concurrently fruit_name_idx on fruit (name);
-- step: an id for each
alter table fruit add column id uuid not null default gen_random_uuid();
drop index fruit_price_idx;
""",
}


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    for version, sql in FOLDER_OF_FRUIT.items():
        (tmp_path / f"{version}.sql").write_text(sql)
        (tmp_path / f"{version}.revert.sql").write_text("select 1;")
    return tmp_path


def said_by(action: str, dsn: str, folder: Path, to: str | None = None, dry: bool = False) -> list[str]:
    lines: list[str] = []
    run(action, dsn, folder=folder, to=to, say=lines.append, dry=dry)
    return lines


def test_the_plan_says_for_each_step_what_it_takes(empty_database: str, fruit: Path) -> None:
    assert said_by("plan", empty_database, fruit, "1_fruit")[1:] == [
        "  fruit (one transaction, less than 1 s)",
        "    create table fruit: locks nothing",
        "1 pending; nothing was changed",
    ]
    said_by("up", empty_database, fruit, "1_fruit")
    plan = said_by("plan", empty_database, fruit)
    assert plan[0].startswith("would apply 2_price ")
    assert plan[1:] == [
        "  no fruit is free, for new rows (one transaction, less than 1 s)",
        "    add column, add constraint not valid on fruit: lock ACCESS EXCLUSIVE, neither scans nor rewrites",
        "  no fruit is free, for all rows (one transaction, less than 1 s)",
        "    validate constraint on fruit: lock SHARE UPDATE EXCLUSIVE, scans all of it",
        "  each name once (no transaction, beside writers, less than 1 s)",
        "    build index on fruit: lock SHARE UPDATE EXCLUSIVE, scans all of it twice",
        "  an id for each (one transaction, less than 1 s)",
        "    add column on fruit: lock ACCESS EXCLUSIVE, rewrites",
        "    drop index on fruit: lock ACCESS EXCLUSIVE, neither scans nor rewrites",
        "1 pending; nothing was changed",
    ]


def test_the_estimate_follows_the_size_of_the_table(
    empty_database: str, fruit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_by("up", empty_database, fruit, "1_fruit")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("insert into fruit select repeat('x', 100), n from generate_series(1, 20000) n")
        (size,) = connection.execute("select pg_table_size('fruit')").fetchone() or (0,)
    monkeypatch.setitem(BYTES_A_SECOND, "scans", size // 10)
    monkeypatch.setitem(BYTES_A_SECOND, "build index", size // 20)
    monkeypatch.setitem(BYTES_A_SECOND, "rewrites", size // 30)
    plan = said_by("plan", empty_database, fruit)
    told = [re.findall(r"\((.*), (about \d+|less than 1) s\)", line)[0] for line in plan if line.endswith(" s)")]
    assert told == [
        ("one transaction", "less than 1"),
        ("one transaction", "about 10"),
        ("no transaction, beside writers", "about 20"),
        ("one transaction", "about 30"),
    ]


def test_a_step_that_is_done_is_planned_no_more(empty_database: str, fruit: Path) -> None:
    said_by("up", empty_database, fruit, "1_fruit")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("insert into fruit values ('lime', 1), ('lime', 2)")
        with pytest.raises(MigrationError, match='unique index "fruit_name_idx": rows are there twice'):
            run("up", empty_database, folder=fruit, say=lambda line: None)
    assert [line for line in said_by("plan", empty_database, fruit) if line.endswith(" s)")] == [
        "  each name once (no transaction, beside writers, less than 1 s)",
        "  an id for each (one transaction, less than 1 s)",
    ]


def test_a_dry_run_changes_nothing_and_says_what_it_left_out(empty_database: str, fruit: Path) -> None:
    before = pg_dump(empty_database)
    assert said_by("up", empty_database, fruit, dry=True) == [
        "ran 1_fruit: fruit",
        "ran 2_price: no fruit is free, for new rows",
        "ran 2_price: no fruit is free, for all rows",
        "left out 2_price: each name once",
        "ran 2_price: an id for each",
        "2 pending; everything was taken back",
    ]
    assert pg_dump(empty_database) == before
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("select to_regnamespace('ventana_meta')").fetchone() == (None,)


def test_a_dry_run_finds_the_rows_that_a_step_would_refuse(empty_database: str, fruit: Path) -> None:
    """`up` would stop in the middle of the version; the dry run says so before."""
    said_by("up", empty_database, fruit, "1_fruit")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("insert into fruit values ('lime', 1), ('fig', 0)")
        before = pg_dump(empty_database)
        with pytest.raises(psycopg.errors.CheckViolation, match="paid"):
            said_by("up", empty_database, fruit, dry=True)
        assert pg_dump(empty_database) == before
        assert connection.execute("select count(*) from fruit").fetchone() == (2,)
    assert said_by("plan", empty_database, fruit)[-1] == "1 pending; nothing was changed"


def test_the_whole_folder_can_be_tried_on_a_database_in_use(empty_database: str) -> None:
    up(empty_database, BASELINE)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("insert into kommo_conversations (kommo_chat_id) values ('chat-1')")
    before = pg_dump(empty_database)
    lines: list[str] = []
    run("up", empty_database, dry=True, say=lines.append)
    assert lines[-1] == f"{len(load(FOLDER)) - 1} pending; everything was taken back"
    assert len(lines) == 1 + sum(len(migration.steps) for migration in load(FOLDER)[1:])
    assert pg_dump(empty_database) == before
