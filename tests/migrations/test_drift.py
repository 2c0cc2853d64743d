"""What somebody changed by hand, or in the folder, is named by `verify` with what was expected and what is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.migrations.drift_cases import CHANGES, VIEW
from tests.migrations.test_history import BASELINE, SEED, VERSIONS, pg_dump, up
from ventana.schema.migrate import FOLDER, Ahead, Drift, MigrationError, run
from ventana.schema.migrate.__main__ import main

LONGEST = 300
"""Nobody reads more of one difference than that."""


def verify(dsn: str) -> tuple[list[str], list[str]]:
    """The differences that `verify` names, and what it says beside them."""
    said: list[str] = []
    try:
        run("verify", dsn, say=said.append)
    except Drift as drift:
        first, *named = str(drift).splitlines()
        assert first == "the database is not what the ledger says:"
        return [line.strip() for line in named], said
    return [], said


def test_nothing_is_named_where_nothing_was_changed(database_url: str) -> None:
    assert verify(database_url)[0] == []


def groups() -> list[list[tuple[str, str]]]:
    """The changes, in as few databases as there are changes to one component."""
    found: list[dict[str, tuple[str, str]]] = []
    for change, expected in CHANGES:
        name = expected.split(": expected")[0]
        group = next((each for each in found if name not in each), None)
        if group is None:
            group = {}
            found.append(group)
        group[name] = change, expected
    return [list(each.values()) for each in found]


@pytest.mark.parametrize("group", groups(), ids=lambda group: f"{len(group)} changes")
def test_what_was_changed_by_hand_is_named(database_url: str, group: list[tuple[str, str]]) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        (view,) = connection.execute("select pg_get_viewdef(%s::regclass)", [VIEW]).fetchone() or ("",)
        for change, _ in group:
            connection.execute(change.replace("{view}", view.replace("24:00:00", "12:00:00")).encode())
    named, _ = verify(database_url)
    assert sorted(named) == sorted(expected for _, expected in group)
    assert max(map(len, named)) <= LONGEST


def test_what_the_eye_does_not_see_is_no_difference(database_url: str) -> None:
    """Pasted by hand, with other indentation and line ends."""
    with psycopg.connect(database_url) as connection:
        (text,) = connection.execute(
            "select pg_get_functiondef('delivery_rank_v1(text)'::regprocedure)"
        ).fetchone() or ("",)
        connection.execute(text.replace("\n", "\r\n\t ").encode())
    assert verify(database_url)[0] == []


@pytest.mark.parametrize("changed_too", [False, True])
def test_what_is_not_ours_is_told_and_no_error(database_url: str, changed_too: bool) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("""
            create index vip_idx on kommo_conversations (contact_email);
            alter table kommo_conversations add column vip boolean;
            alter table kommo_messages add constraint short check (length(content) < 10000) not valid;
            create function greet() returns trigger language plpgsql as 'begin return new; end';
            create trigger greeted after insert on kommo_conversations for each row execute function greet();
            create policy users_read on kommo_messages for select using (role <> 'system');
            create rule forgotten as on delete to events do instead nothing;
            create function delivery_rank_v1(p_status integer) returns integer language sql as 'select 0';
            create table crm (id integer primary key, constraint check_valid_provider check (id > 0));
            create trigger trigger_update_last_user_message after insert on crm for each row execute function greet();
        """)
        if changed_too:
            connection.execute("drop index idx_messages_provider")
    named, said = verify(database_url)
    assert len(named) == changed_too
    assert sorted(line for line in said if line.startswith("not ours: ")) == [
        "not ours: column kommo_conversations.vip: `boolean`",
        "not ours: constraint short on kommo_messages: `CHECK (length(content) < 10000) NOT VALID`",
        "not ours: function delivery_rank_v1(p_status integer): `returns integer language sql volatile`",
        "not ours: index vip_idx: `CREATE INDEX vip_idx ON kommo_conversations USING btree (contact_email)`",
        "not ours: policy users_read on kommo_messages: `for select using (role <> 'system'::text)`",
        "not ours: rule forgotten on events: `CREATE RULE forgotten AS`",
        "not ours: trigger greeted on kommo_conversations: `CREATE TRIGGER greeted AFTER INSERT ON"
        " kommo_conversations FOR EACH ROW EXECUTE FUNCTION greet()`",
    ]


def test_the_report_and_the_command_line_say_so_too(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--dsn", database_url]) == 0
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table kommo_conversations drop constraint check_valid_provider")
        connection.execute("alter table kommo_messages disable trigger trigger_update_last_user_message")
    capsys.readouterr()
    assert main(["verify", "--dsn", database_url]) == 1
    said = capsys.readouterr()
    assert "  MISSING  check_valid_provider\n" in said.out
    assert "  DIFFERS  trigger_update_last_user_message\n" in said.out
    first, *named = said.err.splitlines()
    assert first == "migrate verify: the database is not what the ledger says:"
    assert [line.split(":")[0] for line in named] == [
        "  constraint check_valid_provider on kommo_conversations",
        "  trigger trigger_update_last_user_message on kommo_messages",
    ]


def test_a_version_that_is_under_way_is_not_taken_for_drift(empty_database: str) -> None:
    """Some of its steps are done, so that neither what was nor what will be is there; all else is compared."""
    up(empty_database, SEED)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(
            "insert into kommo_conversations (provider, phone) values ('meta', '+5511'), ('meta', '+5511')"
        )
        with pytest.raises((psycopg.errors.UniqueViolation, MigrationError), match="idx_meta_conversation_phone"):
            up(empty_database, VERSIONS[2])
        named, said = verify(empty_database)
        assert named == []
        assert [line for line in said if "not ours" in line] == []
        assert f"under way, so that what it changes was not compared: {VERSIONS[2]}; go on with `up`" in said
        connection.execute("drop index idx_messages_provider")
    assert [line.split(":")[0] for line in verify(empty_database)[0]] == ["index idx_messages_provider"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in FOLDER.glob("*.sql"):
        if path.name.startswith(("2024", "2025")):
            shutil.copy(path, tmp_path)
    return tmp_path


def edited(folder: Path) -> None:
    path = folder / f"{SEED}.sql"
    path.write_text(path.read_text().replace("('twilio', 2), ('meta', 3)", "('meta', 2), ('twilio', 3)"))


def missing(folder: Path) -> None:
    for path in folder.glob(f"{SEED}.*"):
        path.unlink()


def missing_below(folder: Path) -> None:
    for path in folder.glob(f"{BASELINE}.*"):
        path.unlink()


def out_of_order(folder: Path) -> None:
    for suffix in (".sql", ".revert.sql"):
        (folder / f"20240601_late{suffix}").write_text("select 1;")


def renamed(folder: Path) -> None:
    for path in folder.glob(f"{SEED}.*"):
        path.rename(folder / path.name.replace("support", "help"))


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (edited, Drift, f"{SEED} was edited after it was applied: applied .{{64}}, file .{{64}}; restore the file"),
        (missing, Ahead, f"the ledger has {SEED}, which the folder lacks"),
        (missing_below, Drift, f"the ledger has {BASELINE} where the folder has {SEED}"),
        (out_of_order, Drift, f"the ledger has {SEED} where the folder has 20240601_late"),
        (renamed, Drift, f"the ledger has {SEED} where the folder has {SEED.replace('support', 'help')}"),
    ],
)
def test_what_was_changed_in_the_folder_is_named(
    empty_database: str, folder: Path, change: Callable[[Path], None], kind: type[Drift], words: str
) -> None:
    run("up", empty_database, folder=folder, say=lambda line: None)
    before = pg_dump(empty_database)
    change(folder)
    for action in ("verify", "up", "plan", "revert"):
        with pytest.raises(kind, match=words):
            run(action, empty_database, folder=folder, say=lambda line: None)
    assert pg_dump(empty_database) == before
