"""What `plan` prints, and what a dry run tries: both change nothing."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from tests.migrations.test_history import BASELINE, pg_dump, up
from ventana.schema.migrate import FOLDER, MigrationError, load, run
from ventana.schema.migrate.plan import BYTES_A_SECOND

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
