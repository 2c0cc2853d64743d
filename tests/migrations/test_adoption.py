"""Databases that were there before the runner: adopted as they are, brought to the same end, or refused whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import application_role, as_application
from tests.migrations.test_history import BASELINE, SEED, pg_dump, up
from tests.schema.recording import HELLO, outcomes
from ventana.schema.connection import Database
from ventana.schema.migrate import Drift, run
from ventana.settings import Settings

HERE = Path(__file__).parent
BY_HAND = (HERE / "adopted" / "seed_by_hand.sql").read_text()
SUPABASE = (HERE / "adopted" / "supabase.sql").read_text()


def quietly(action: str, dsn: str) -> list[str]:
    return run(action, dsn, say=lambda line: None).done


@pytest.fixture
def kommo_only(empty_database: str) -> str:
    """A database that the Kommo-only system made, with a customer in it and no ledger."""
    up(empty_database, BASELINE)
    with psycopg.connect(empty_database) as connection:
        connection.execute("drop schema ventana_meta cascade")
        connection.execute("insert into kommo_conversations (kommo_chat_id, phone) values ('chat-1', '+5511987654321')")
        connection.execute(
            "insert into kommo_messages (conversation_id, role, content)"
            " select id, 'user', 'hola' from kommo_conversations"
        )
    return empty_database


def same_as_new(dsn: str, other: str) -> None:
    up(other)
    assert pg_dump(dsn) == pg_dump(other)
    run("verify", dsn, say=lambda line: None)


def test_the_kommo_only_schema(kommo_only: str, second_database: str) -> None:
    with pytest.raises(Drift, match="run `baseline` to adopt it"):
        up(kommo_only)
    assert quietly("baseline", kommo_only) == [BASELINE]
    up(kommo_only)
    same_as_new(kommo_only, second_database)


def test_the_seeds_migration_run_by_hand_with_other_details(kommo_only: str, second_database: str) -> None:
    """The same names; a view without zero rows, a trigger that takes now(), an index on the phone alone."""
    with psycopg.connect(kommo_only) as connection:
        connection.execute(BY_HAND)
    assert quietly("baseline", kommo_only) == [BASELINE]
    said: list[str] = []
    run("up", kommo_only, say=said.append)
    assert any("drops idx_twilio_conversation_phone, which is another" in line for line in said)
    same_as_new(kommo_only, second_database)
    with psycopg.connect(kommo_only) as connection:
        assert connection.execute("select phone, provider from kommo_conversations").fetchall() == [
            ("+5511987654321", "kommo")
        ]


@pytest.fixture
def supabase(kommo_only: str) -> Iterator[tuple[str, str, str]]:
    """The database as its owner and as a reader; roles belong to the server, so they have names of their own."""
    roles = f"owner_{uuid4().hex}", f"reader_{uuid4().hex}"
    with psycopg.connect(kommo_only, autocommit=True) as connection:
        connection.execute(SUPABASE.replace("the_owner", roles[0]).replace("the_reader", roles[1]))
        owner, reader = (make_conninfo(kommo_only, options=f"-c role={role}") for role in roles)
        yield kommo_only, owner, reader
        for role in roles:
            connection.execute(f"reassign owned by {role} to current_user; drop owned by {role}; drop role {role}")


def test_a_supabase_database_keeps_its_security(supabase: tuple[str, str, str]) -> None:
    """Row-level security and its roles stay; a role that is no superuser migrates what it owns."""
    admin, owner, reader = supabase
    assert quietly("baseline", owner) == [BASELINE]
    up(owner)
    run("verify", owner, say=lambda line: None)
    with psycopg.connect(admin) as connection:
        policies = connection.execute("select policyname from pg_policies order by 1").fetchall()
        assert policies == [("service writes",), ("users read",)]
        secured = connection.execute("select relrowsecurity from pg_class where relname = 'kommo_conversations'")
        assert secured.fetchone() == (True,)
        connection.execute("insert into events (name, detail, occurred_at) values ('x', '{}', now())")
    with psycopg.connect(reader) as connection:
        assert connection.execute("select count(*) from kommo_conversations").fetchone() == (1,)
        # Tables that came with the upgrade are no more open than those that were secured.
        assert connection.execute("select count(*) from events").fetchone() == (0,)
    with psycopg.connect(owner) as connection:
        assert connection.execute("select count(*) from events").fetchone() == (1,)


def test_a_supabase_database_serves_the_application(
    supabase: tuple[str, str, str], template: Callable[[], str]
) -> None:
    """Its role sees secured rows, and writes to them by what it may call, though the owner is no superuser."""
    admin, owner, _ = supabase
    template()  # which made the role
    quietly("baseline", owner)
    run("up", owner, say=lambda line: None, role=application_role())
    run("verify", owner, say=lambda line: None)
    database = Database(Settings(database_url=as_application(admin)))
    assert outcomes(database, [HELLO]) == ["recorded"]
    assert database.value("select count(*) from kommo_conversations") == 2
    assert database.value("select count(*) from events") == 1
    database.close()


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        ("alter table kommo_messages drop column sentiment", "column kommo_messages.sentiment: .* found nothing"),
        (
            "alter table kommo_messages alter column tokens_used type bigint",
            "column kommo_messages.tokens_used: expected `integer`, found `bigint`",
        ),
        ("drop table kommo_messages cascade", "table kommo_messages: .* found nothing"),
        ("drop index idx_kommo_messages_intent", "index idx_kommo_messages_intent: .* found nothing"),
    ],
)
def test_an_unknown_schema_is_refused_with_its_differences(kommo_only: str, statement: str, difference: str) -> None:
    with psycopg.connect(kommo_only) as connection:
        connection.execute("drop view kommo_conversation_stats")
        connection.execute(statement)
    before = pg_dump(kommo_only)
    with pytest.raises(
        Drift, match=rf"not adopted, nothing was changed: {BASELINE} differs in .*{difference}"
    ) as caught:
        quietly("baseline", kommo_only)
    assert "view kommo_conversation_stats" in str(caught.value)
    assert pg_dump(kommo_only) == before
    with psycopg.connect(kommo_only) as connection:
        assert connection.execute("select count(*) from ventana_meta.schema_migrations").fetchone() == (0,)


def test_what_the_seed_made_by_hand_and_well_is_adopted_whole(kommo_only: str) -> None:
    from tests.migrations.test_history import by_hand

    by_hand(kommo_only, SEED)
    assert quietly("baseline", kommo_only) == [BASELINE, SEED]
