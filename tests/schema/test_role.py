"""The application's role: it calls what is made for it and reads, and nothing else, whatever tables it has itself."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.schema.recording import HELLO
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.settings import Settings

DENIED = psycopg.errors.InsufficientPrivilege
TABLES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1"
COLUMN = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and attidentity = '' limit 1"
WRITES = (
    "insert into {} default values",
    "delete from {}",
    "truncate {}",
    "alter table {} add column x text",
    "drop table {}",
    "create trigger t after insert on {} for each row execute function update_kommo_message_counts()",
)


@pytest.fixture
def role(application_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(application_url, autocommit=True) as opened:
        yield opened


def test_it_reads_all_tables_and_writes_to_none(role: psycopg.Connection) -> None:
    tables = [name for (name,) in role.execute(TABLES)]
    assert len(tables) >= 12
    for table in tables:
        role.execute(f"select count(*) from {table}".encode())
        (column,) = role.execute(COLUMN, [table]).fetchone() or ("",)
        for write in (*WRITES, "update {} set " + f"{column} = {column}"):
            with pytest.raises(DENIED):
                role.execute(write.replace("{}", table).encode())


@pytest.mark.parametrize(
    "statement",
    [
        "create table public.mine (id integer)",
        "create function public.mine() returns integer language sql as 'select 1'",
        "create schema mine",
        "create or replace view active_conversations_by_provider as select 1",
        "select * from ventana_meta.migration_log",
        "delete from ventana_meta.schema_migrations",
        "select * from ventana_archive.anything",
        "create role other",
        "set role ventana",
        "select merge_conversations_v1(gen_random_uuid(), gen_random_uuid(), now())",
        "select opt_out_v1(gen_random_uuid(), true, 'x', now())",
        "select record_inbound_v1('[]')",
        "alter function record_inbound_v3 security invoker",
        "select pg_read_file('/etc/hostname')",
    ],
)
def test_it_can_do_nothing_else(connection: psycopg.Connection, role: psycopg.Connection, statement: str) -> None:
    connection.execute("create schema if not exists ventana_archive; create table ventana_archive.anything (id int)")
    (owner,) = connection.execute("select current_user").fetchone() or ("",)
    with pytest.raises(DENIED):
        role.execute(statement.replace("set role ventana", f"set role {owner}").encode())


def test_tables_and_functions_of_its_own_change_nothing(connection: psycopg.Connection, application_url: str) -> None:
    """What has the names of ours, first in the path of whoever calls, is neither written to nor called."""
    connection.execute("create schema hostile; grant usage, create on schema hostile to public")
    database = Database(Settings(database_url=application_url))

    def attack(session: psycopg.Connection) -> None:
        for schema in ("pg_temp", "hostile"):
            for table in ("kommo_conversations", "kommo_messages", "events", "parked_items"):
                session.execute(f"create table {schema}.{table} (like public.{table} including all)".encode())
            for signature in (
                "find_conversation_v1(text, jsonb) returns uuid",
                "conversation_of_v1(jsonb, timestamptz) returns uuid",
                "now() returns timestamptz",
                "lock_provider_messages_v1(text[]) returns void",
            ):
                session.execute(
                    f"create function {schema}.{signature} language plpgsql as"
                    " $$ begin raise exception 'called as %', current_user; end $$".encode()
                )
        session.execute("set search_path = pg_temp, hostile, public, pg_catalog")

    database.call(attack)
    try:
        (recorded,) = record_inbound(database, [HELLO])
        assert recorded.outcome == "recorded"
    finally:
        database.close()
    assert connection.execute("select count(*) from public.kommo_messages").fetchone() == (1,)
    assert connection.execute("select count(*) from public.events").fetchone() == (1,)
    assert connection.execute("select count(*) from hostile.kommo_messages").fetchone() == (0,)


def test_its_path_is_its_own_after_a_call(role: psycopg.Connection) -> None:
    role.execute("set search_path = pg_catalog, public")
    role.execute("select * from public.record_inbound_v3('[]')")
    assert role.execute("show search_path").fetchone() == ("pg_catalog, public",)
