"""The runner's laws, on folders of small migrations and a real server."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from ventana.schema.migrate import Drift, Locked, MigrationError, Outcome, run
from ventana.schema.migrate.__main__ import main

TABLE = ("create table fruit (name text);", "drop table fruit;")
COLUMN = ("alter table fruit add column colour text;", "alter table fruit drop column colour;")
INDEX = ("create index concurrently fruit_name_idx on fruit (name);", "drop index if exists fruit_name_idx;")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "1_fruit", TABLE)
    write(tmp_path, "2_colour", COLUMN)
    write(tmp_path, "3_index", INDEX)
    return tmp_path


def write(folder: Path, version: str, texts: tuple[str, str]) -> None:
    for suffix, text in zip((".sql", ".revert.sql"), texts, strict=True):
        (folder / f"{version}{suffix}").write_text(text + "\n")


def quietly(action: str, dsn: str, folder: Path, to: str | None = None) -> Outcome:
    return run(action, dsn, folder=folder, to=to, say=lambda line: None)


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def test_up_applies_once_and_then_changes_nothing(empty_database: str, folder: Path) -> None:
    assert quietly("up", empty_database, folder).done == ["1_fruit", "2_colour", "3_index"]
    before = rows(empty_database, "select version, checksum, finished_at from ventana_meta.schema_migrations")
    assert quietly("up", empty_database, folder).done == []
    assert rows(empty_database, "select version, checksum, finished_at from ventana_meta.schema_migrations") == before


def test_plan_changes_nothing(empty_database: str, folder: Path) -> None:
    assert quietly("plan", empty_database, folder).pending == ["1_fruit", "2_colour", "3_index"]
    assert rows(empty_database, "select from pg_namespace where nspname = 'ventana_meta'") == []


def test_up_stops_at_a_version(empty_database: str, folder: Path) -> None:
    assert quietly("up", empty_database, folder, "1_fruit").done == ["1_fruit"]
    assert quietly("plan", empty_database, folder).pending == ["2_colour", "3_index"]


def test_an_edited_applied_file_is_an_error_that_names_both_sums(empty_database: str, folder: Path) -> None:
    quietly("up", empty_database, folder)
    applied = rows(empty_database, "select checksum from ventana_meta.schema_migrations where version = '2_colour'")
    write(folder, "2_colour", (COLUMN[0].replace("text", "integer"), COLUMN[1]))
    for action in ("up", "plan", "verify", "revert"):
        with pytest.raises(Drift, match=str(applied[0][0])) as caught:
            quietly(action, empty_database, folder)
        assert "2_colour was edited" in str(caught.value)
        assert len(set(str(caught.value).split()) & {str(applied[0][0]) + ","}) == 1


def test_line_ends_are_no_edit(empty_database: str, folder: Path) -> None:
    quietly("up", empty_database, folder)
    path = folder / "1_fruit.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert quietly("up", empty_database, folder).done == []


def test_a_missing_or_inserted_file_is_drift(empty_database: str, folder: Path) -> None:
    quietly("up", empty_database, folder)
    write(folder, "1_later", ("select 1;", "select 1;"))
    with pytest.raises(Drift, match="2_colour where the folder has 1_later"):
        quietly("up", empty_database, folder)
    for suffix in (".sql", ".revert.sql"):
        (folder / f"1_later{suffix}").unlink()
        (folder / f"3_index{suffix}").unlink()
    with pytest.raises(Drift, match="3_index, which the folder lacks"):
        quietly("up", empty_database, folder)


def test_each_version_can_be_taken_back(empty_database: str, folder: Path) -> None:
    (folder / "2_colour.revert.sql").unlink()
    with pytest.raises(MigrationError, match=r"2_colour: missing 2_colour\.revert\.sql"):
        quietly("plan", empty_database, folder)


def test_a_version_that_left_something_else_leaves_nothing_behind(empty_database: str, folder: Path) -> None:
    """`if not exists` accepts whatever has the name; the runner does not."""
    write(folder, "2_colour", (COLUMN[0].replace("column", "column if not exists"), COLUMN[1]))
    quietly("up", empty_database, folder, "1_fruit")
    with psycopg.connect(empty_database) as connection:
        connection.execute("alter table fruit add column colour integer")
    with pytest.raises(
        MigrationError, match=r"2_colour ran, but left column fruit\.colour: expected `text`, found `integer`"
    ):
        quietly("up", empty_database, folder)
    assert quietly("plan", empty_database, folder).pending == ["2_colour", "3_index"]


def test_verify_names_what_was_taken_away_by_hand(empty_database: str, folder: Path) -> None:
    quietly("up", empty_database, folder)
    with psycopg.connect(empty_database) as connection:
        connection.execute("drop index fruit_name_idx")
    with pytest.raises(Drift, match="fruit_name_idx"):
        quietly("verify", empty_database, folder)


def test_an_interrupted_concurrent_index_is_rebuilt(empty_database: str, folder: Path) -> None:
    """A build that died leaves an invalid index under the right name, over which `if not exists` would succeed."""
    quietly("up", empty_database, folder, "2_colour")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("create index fruit_name_idx on fruit (name)")
        connection.execute("update pg_index set indisvalid = false where indexrelid = 'fruit_name_idx'::regclass")
        connection.execute(
            "insert into ventana_meta.schema_migrations (version, checksum, state) values ('3_index', %s, 'running')",
            [run_checksum(folder, "3_index")],
        )
    assert quietly("up", empty_database, folder).done == ["3_index"]
    assert rows(empty_database, "select indisvalid from pg_index where indexrelid = 'fruit_name_idx'::regclass") == [
        (True,)
    ]


def run_checksum(folder: Path, version: str) -> str:
    from ventana.schema.migrate import load

    return next(migration.checksum for migration in load(folder) if migration.version == version)


def test_eight_runners_at_once_apply_each_version_once(empty_database: str, folder: Path) -> None:
    outcomes: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(quietly("up", empty_database, folder).done)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[-1] == ["1_fruit", "2_colour", "3_index"]
    assert sorted(outcomes)[:-1] == [[]] * 7


def test_another_run_holds_the_lock(empty_database: str, folder: Path) -> None:
    with psycopg.connect(empty_database, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [0x56656E74616E61])
        with pytest.raises(Locked, match="another run holds the lock"):
            run("up", empty_database, folder=folder, say=lambda line: None, lock_seconds=0.5)
    assert quietly("up", empty_database, folder).done == ["1_fruit", "2_colour", "3_index"]


def test_revert_undoes_what_is_after_a_version(empty_database: str, folder: Path) -> None:
    quietly("up", empty_database, folder)
    assert quietly("revert", empty_database, folder).done == ["3_index"]
    assert quietly("revert", empty_database, folder, "1_fruit").done == ["2_colour"]
    assert quietly("revert", empty_database, folder, "1_fruit").done == []
    assert quietly("up", empty_database, folder).done == ["2_colour", "3_index"]


def test_a_refused_revert_changes_nothing(empty_database: str, folder: Path) -> None:
    write(folder, "2_colour", (COLUMN[0], "do $$ begin raise exception 'refused: 7 rows'; end $$;"))
    write(folder, "3_index", ("select 1;", "create table left_behind ();"))
    quietly("up", empty_database, folder)
    with pytest.raises(psycopg.errors.RaiseException, match="refused: 7 rows"):
        quietly("revert", empty_database, folder, "1_fruit")
    assert rows(empty_database, "select to_regclass('left_behind')") == [(None,)]
    assert quietly("plan", empty_database, folder).pending == []


def test_baseline_adopts_what_verifies(empty_database: str, folder: Path) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("create table fruit (name text)")
    with pytest.raises(Drift, match="run `baseline` to adopt"):
        quietly("up", empty_database, folder)
    assert quietly("baseline", empty_database, folder).done == ["1_fruit"]
    assert quietly("up", empty_database, folder).done == ["2_colour", "3_index"]
    with pytest.raises(MigrationError, match="has a ledger already"):
        quietly("baseline", empty_database, folder)


def test_baseline_refuses_a_database_that_does_not_verify(empty_database: str, folder: Path) -> None:
    with pytest.raises(
        Drift, match=r"not adopted, nothing was changed: 1_fruit differs in table fruit: .* found nothing"
    ):
        quietly("baseline", empty_database, folder)


def test_the_command_line_says_in_one_line_what_is_wrong(
    empty_database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--to", "nowhere", "--dsn", empty_database]) == 1
    assert "there is no version nowhere; the last one is" in capsys.readouterr().err
    assert main(["plan", "--dsn", "postgresql://127.0.0.1:1/nothing"]) == 1
    assert "connection" in capsys.readouterr().err
    assert main(["plan", "--dsn", empty_database]) == 0
    assert "pending; nothing was changed" in capsys.readouterr().out
