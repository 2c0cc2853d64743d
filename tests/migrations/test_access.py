"""Who may do what: functions are not for everybody, and the application's role gets what it needs, by rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

import ventana.schema
from tests.conftest import application_role, as_application
from tests.migrations.test_drift import verify
from tests.migrations.test_history import VERSIONS, up
from tests.schema.recording import HELLO, outcomes
from ventana.schema.connection import Database
from ventana.schema.migrate import MigrationError, access, catalog, run
from ventana.settings import Settings

CALLED = {
    name
    for path in Path(ventana.schema.__file__).parent.glob("*.py")
    if not path.name.startswith("backfill")
    for name in re.findall(r"\b(\w+_v\d+)\(", path.read_text())
}
"""Every versioned function that the application's statements name."""
FUNCTIONS = """
select p.proname, p.prosecdef, p.provolatile, coalesce(p.proconfig, '{}'),
       exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0),
       has_function_privilege(%s, p.oid, 'execute')
  from pg_proc p where p.pronamespace = 'public'::regnamespace
"""


def grant(dsn: str, role: str | None = None) -> str:
    said: list[str] = []
    run("grant", dsn, say=said.append, role=role or application_role())
    return "\n".join(said)


@pytest.fixture
def new_role(connection: psycopg.Connection) -> Iterator[str]:
    """The name of a role that nobody has made yet."""
    name = f"role_{uuid4().hex}"
    yield name
    if connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone():
        connection.execute(SQL("drop owned by {0}; drop role {0}").format(Identifier(name)))


def test_each_function_is_closed_and_safe(connection: psycopg.Connection) -> None:
    """Whoever writes a migration that fails here: end it with `revoke execute on function … from public`.

    A function that the application calls, and that writes, is `security definer set search_path from current`, after
    the line with set_config of 20261122_16_least_privilege.
    """
    found = connection.execute(FUNCTIONS, [application_role()]).fetchall()
    assert [name for name, _, _, _, everybody, _ in found if everybody] == []
    as_owner = {name: config for name, definer, _, config, _, _ in found if definer}
    assert {name for name, config in as_owner.items() if "search_path=public, pg_temp" not in config} == set()
    # A former version too: during a deployment the release before still calls it.
    # So that whoever writes a conversation need not be able to write its words, how many there are, what is watched.
    of_triggers = {"keep_customer_words", "note_conversation_count", "watch_window"}
    callable_once = {name.rpartition("_v")[0] for name in as_owner.keys() - of_triggers}
    assert callable_once <= {name.rpartition("_v")[0] for name in CALLED}
    callable_ones = {name for name, _, _, _, _, may in found if may}
    assert callable_ones >= CALLED
    assert {name for name, definer, kind, _, _, may in found if may and not definer and kind == "v"} == set()


def test_it_is_granted_once(connection: psycopg.Connection, database_url: str, new_role: str) -> None:
    assert f"made the role {new_role}" in grant(database_url, new_role)
    before = connection.execute("select xmin::text from pg_class union all select xmin::text from pg_proc").fetchall()
    assert grant(database_url, new_role) == f"{new_role} may read and call what is ours, as before"
    after = connection.execute("select xmin::text from pg_class union all select xmin::text from pg_proc").fetchall()
    assert sorted(before) == sorted(after)


def test_a_role_begins_with_settings_that_an_administrator_may_change(
    connection: psycopg.Connection, database_url: str, new_role: str
) -> None:
    grant(database_url, new_role)
    connection.execute(SQL("alter role {} password {}").format(Identifier(new_role), new_role))
    connection.execute(SQL("alter role {} set statement_timeout = '9s'").format(Identifier(new_role)))
    connection.execute(SQL("alter role {} reset lock_timeout").format(Identifier(new_role)))
    grant(database_url, new_role)
    with psycopg.connect(make_conninfo(database_url, user=new_role, password=new_role)) as other:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
        values = [other.execute(SQL("show {}").format(SQL(name))).fetchone() for name in names]
        assert values == [("9s",), ("4s",), ("10s",), ("UTC",)]


TOO_MUCH = [
    ("insert, update on kommo_messages", "table_privilege(%s, 'kommo_messages', 'insert, update')"),
    ("all on events", "table_privilege(%s, 'events', 'insert, update, delete, truncate, trigger')"),
    ("update (status) on kommo_conversations", "any_column_privilege(%s, 'kommo_conversations', 'update')"),
    ("create on schema public", "schema_privilege(%s, 'public', 'create')"),
    ("usage on schema ventana_archive", "schema_privilege(%s, 'ventana_archive', 'usage')"),
    ("delete on ventana_meta.schema_migrations", "table_privilege(%s, 'ventana_meta.schema_migrations', 'delete')"),
    ("execute on function join_windows_v1", "function_privilege(%s, 'join_windows_v1(uuid, uuid)', 'execute')"),
]
"""What was granted, and what `has_…` is to deny afterwards."""


def test_what_somebody_granted_beside_is_taken_back(connection: psycopg.Connection, database_url: str) -> None:
    role = application_role()
    connection.execute("create schema ventana_archive")
    for granted, _ in TOO_MUCH:
        connection.execute(f"grant {granted} to {role}".encode())
    assert "changes" in grant(database_url)
    for _, question in TOO_MUCH:
        assert connection.execute(f"select has_{question}".encode(), [role]).fetchone() == (False,), question
    assert connection.execute("select has_table_privilege(%s, 'events', 'select')", [role]).fetchone() == (True,)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("grant insert on events to public", "write to events"),
        ("grant create on schema public to public", "create objects in the schema public"),
        ("grant execute on function opt_out_v1 to public", r"call opt_out_v1\(\)"),
    ],
)
def test_what_everybody_was_granted_is_told(
    connection: psycopg.Connection, database_url: str, statement: str, told: str
) -> None:
    connection.execute(statement.encode())
    with pytest.raises(MigrationError, match=f"{application_role()} may also {told}: somebody granted that to PUBLIC"):
        grant(database_url)


def test_a_role_that_may_do_all_is_refused(connection: psycopg.Connection, database_url: str) -> None:
    (owner,) = connection.execute("select current_user").fetchone() or ("",)
    with pytest.raises(MigrationError, match="who owns the tables: take another role"):
        grant(database_url, owner)


def test_where_we_may_make_no_role_an_administrator_is_told_how(empty_database: str) -> None:
    owner, missing = f"owner_{uuid4().hex}", f"role_{uuid4().hex}"
    with psycopg.connect(empty_database, autocommit=True) as admin:
        admin.execute(SQL("create role {0}; grant create on schema public to {0}").format(Identifier(owner)))
        admin.execute(SQL("grant create on database {} to {}").format(Identifier(admin.info.dbname), Identifier(owner)))
        dsn = make_conninfo(empty_database, options=f"-c role={owner}")
        with pytest.raises(MigrationError, match=f"an administrator runs: create role .{missing}. login") as told:
            run("up", dsn, say=lambda line: None, role=missing)
        admin.execute(str(told.value).partition("runs: ")[2].encode())
        assert "changes" in grant(dsn, missing)
        admin.execute(SQL("alter role {} reset lock_timeout").format(Identifier(missing)))
        assert f'an administrator runs: alter role "{missing}" set lock_timeout' in grant(dsn, missing)
        for role in (missing, owner):
            admin.execute(SQL("drop owned by {0} cascade; drop role {0}").format(Identifier(role)))


def test_rows_that_are_secured_can_be_read(connection: psycopg.Connection, database_url: str) -> None:
    """As on Supabase; the policy for it is ours, and no difference."""
    connection.execute("alter table kommo_conversations enable row level security")
    connection.execute("insert into kommo_conversations (kommo_chat_id) values ('chat-1')")
    with psycopg.connect(as_application(database_url)) as application:
        assert application.execute("select count(*) from kommo_conversations").fetchone() == (0,)
        application.commit()
        assert "1 changes" in grant(database_url)
        assert application.execute("select count(*) from kommo_conversations").fetchone() == (1,)
    assert grant(database_url).endswith("as before")
    named, said = verify(database_url)
    assert named == []
    assert not any("policy" in line for line in said)


def test_new_functions_are_closed_to_whom_defaults_let_in(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Supabase, where its REST API could call each of them."""
    anybody = f"anon_{uuid4().hex}"
    for module in (access, catalog):
        monkeypatch.setattr(module, "EVERYBODY", (anybody,))
    with psycopg.connect(empty_database, autocommit=True) as admin:
        admin.execute(SQL("create role {}").format(Identifier(anybody)))
        admin.execute(
            SQL("alter default privileges in schema public grant all on functions to {0}").format(Identifier(anybody))
        )
        up(empty_database, VERSIONS[VERSIONS.index("20261122_16_least_privilege") - 1])
        question = "select has_function_privilege(%s, 'record_inbound_v2(jsonb, timestamptz)', 'execute')"
        before = admin.execute(question, [anybody]).fetchone()
        up(empty_database, "20261122_16_least_privilege")
        after = admin.execute(question, [anybody]).fetchone()
        assert (before, after) == ((True,), (False,))
        assert verify(empty_database)[0] == []
        admin.execute(SQL("grant execute on function record_inbound_v2 to {}").format(Identifier(anybody)))
        assert len(verify(empty_database)[0]) == 1
        admin.execute(SQL("drop owned by {0}; drop role {0}").format(Identifier(anybody)))


def test_tables_may_be_in_a_schema_of_their_own(empty_database: str, new_role: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as admin:
        admin.execute("create schema shop")
        dsn = make_conninfo(empty_database, options="-c search_path=shop")
        run("up", dsn, say=lambda line: None, role=new_role)
        assert verify(dsn)[0] == []
        assert grant(dsn, new_role).endswith("as before")
        admin.execute(SQL("alter role {} password {}").format(Identifier(new_role), new_role))
        database = Database(Settings(database_url=make_conninfo(empty_database, user=new_role, password=new_role)))
        assert outcomes(database, [HELLO]) == ["recorded"]
        database.close()
        assert admin.execute("select count(*) from shop.kommo_messages").fetchone() == (1,)
        admin.execute(SQL("drop owned by {}").format(Identifier(new_role)))


def test_a_role_needs_a_name(database_url: str) -> None:
    with pytest.raises(MigrationError, match="say which role the application has"):
        run("grant", database_url, say=lambda line: None)
    with pytest.raises(MigrationError, match="too long"):
        grant(database_url, "r" * 60)


def test_nothing_is_granted_before_there_is_anything(empty_database: str) -> None:
    with pytest.raises(MigrationError, match="run `up` before `grant`"):
        grant(empty_database)
