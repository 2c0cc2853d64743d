"""The migrator: asked directly, and as the custom resource that CloudFormation waits for."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.functions.lambda_context import Context
from tests.functions.loopback import Quiet, serving
from ventana.schema.migrate import FOLDER, Drift, MigrationError, Unfinished
from ventana.schema.migrate import load as load_folder

Load = Callable[[str], Any]
Answers = list[dict[str, Any]]
VERSIONS = [migration.version for migration in load_folder(FOLDER)]


@pytest.fixture
def migrator(load: Load, monkeypatch: pytest.MonkeyPatch, empty_database: str) -> Any:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    return load("migrator")


@pytest.fixture
def cloudformation() -> Iterator[tuple[str, Answers]]:
    """The address that CloudFormation gives for answers, and what was put there."""
    answers: Answers = []

    class Handler(Quiet):
        def do_PUT(self) -> None:
            answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(Handler) as origin:
        yield f"{origin}/answer", answers


def resource(url: str, kind: str) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": url,
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Migration",
        "ResourceProperties": {"MigrationsHash": "1"},
    }


def test_asked_directly(migrator: Any) -> None:
    assert migrator.handler({"action": "plan"}, Context(900_000))["pending"] == VERSIONS
    answer = migrator.handler({"action": "up", "to": VERSIONS[1]}, Context(900_000))
    assert (answer["done"], answer["missing"]) == (VERSIONS[:2], [])
    assert "  present  check_valid_provider" in answer["report"]
    assert migrator.handler({"action": "up"}, Context(900_000))["done"] == VERSIONS[2:]
    assert migrator.handler({"action": "verify"}, Context(900_000))["missing"] == []
    assert migrator.handler({"action": "revert"}, Context(900_000))["done"] == VERSIONS[-1:]


def test_the_role_of_the_application_is_made(
    migrator: Any, cloudformation: tuple[str, Answers], monkeypatch: pytest.MonkeyPatch, empty_database: str
) -> None:
    url, answers = cloudformation
    role = f"role_{uuid4().hex}"
    monkeypatch.setenv("APPLICATION_ROLE", role)
    migrator.handler(resource(url, "Create"), Context(900_000))
    assert [answer["Status"] for answer in answers] == ["SUCCESS"]
    report = migrator.handler({"action": "grant"}, Context(900_000))["report"]
    assert report == [f"{role} may read and call what is ours, as before"]
    with psycopg.connect(empty_database, autocommit=True) as admin:
        admin.execute(f"drop owned by {role}; drop role {role}".encode())


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_deployment_migrates_and_answers(migrator: Any, cloudformation: tuple[str, Answers], kind: str) -> None:
    url, answers = cloudformation
    migrator.handler(resource(url, kind), Context(900_000))
    assert [(answer["Status"], answer["RequestId"]) for answer in answers] == [("SUCCESS", "request")]
    assert migrator.handler({"action": "plan"}, Context(900_000))["pending"] == []


def test_a_deletion_touches_nothing(migrator: Any, cloudformation: tuple[str, Answers], empty_database: str) -> None:
    migrator.handler({"action": "up"}, Context(900_000))
    url, answers = cloudformation
    migrator.handler(resource(url, "Delete"), Context(900_000))
    assert answers[0]["Status"] == "SUCCESS"
    assert migrator.handler({"action": "plan"}, Context(900_000))["pending"] == []


def test_a_failure_is_answered_with_its_reason(
    migrator: Any, cloudformation: tuple[str, Answers], empty_database: str
) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("create table kommo_messages (id integer)")
    url, answers = cloudformation
    migrator.handler(resource(url, "Create"), Context(900_000))
    assert answers[0]["Status"] == "FAILED"
    assert "kommo_messages" in answers[0]["Reason"]
    assert len(json.dumps(answers[0])) < 4096


def test_an_unreachable_database_is_answered_as_well(
    load: Load, cloudformation: tuple[str, Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
    url, answers = cloudformation
    load("migrator").handler(resource(url, "Update"), Context(900_000))
    assert answers[0]["Status"] == "FAILED"


@pytest.fixture
def old_transaction(empty_database: str) -> Iterator[psycopg.Connection]:
    """An index build waits for its end, as it would for a large table."""
    with psycopg.connect(empty_database) as old:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select 1")
        yield old


def test_a_deployment_without_enough_time_says_what_is_pending_and_how_to_finish_it(
    migrator: Any, cloudformation: tuple[str, Answers], old_transaction: psycopg.Connection
) -> None:
    url, answers = cloudformation
    migrator.handler(resource(url, "Update"), Context(55_000))
    assert answers[0]["Status"] == "FAILED"
    assert "still building idx_twilio_conversation_phone" in answers[0]["Reason"]
    more = f"{', '.join(VERSIONS[1:4])} and {len(VERSIONS) - 4} more up to {VERSIONS[-1]}"
    assert f"pending: {more}; go on by" in answers[0]["Reason"]
    assert "make migrate" in answers[0]["Reason"]
    with pytest.raises(Unfinished, match=r"still building .*; pending: .* make migrate"):
        migrator.handler({"action": "up", "to": VERSIONS[1]}, Context(47_000))
    old_transaction.rollback()
    migrator.handler(resource(url, "Update"), Context(900_000))
    assert answers[1]["Status"] == "SUCCESS"
    assert migrator.handler({"action": "verify"}, Context(900_000))["pending"] == []


def test_a_stack_that_rolls_back_half_way_keeps_what_was_done(
    migrator: Any,
    cloudformation: tuple[str, Answers],
    old_transaction: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The release before knows nothing of the version that is half done; it takes nothing back, and succeeds."""
    url, answers = cloudformation
    migrator.handler(resource(url, "Update"), Context(55_000))
    for path in FOLDER.glob(f"{VERSIONS[0]}*"):
        shutil.copy(path, tmp_path)
    with monkeypatch.context() as former:
        former.setattr(migrator, "FOLDER", tmp_path)
        migrator.handler(resource(url, "Update"), Context(900_000))
    assert [answer["Status"] for answer in answers] == ["FAILED", "SUCCESS"]
    old_transaction.rollback()
    assert migrator.handler({}, Context(900_000))["done"] == VERSIONS[1:]


def test_a_database_that_hangs_is_answered_in_time(
    migrator: Any, cloudformation: tuple[str, Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, answers = cloudformation
    over = threading.Event()
    monkeypatch.setattr(migrator, "run", lambda *arguments, **more: over.wait(30))
    migrator.handler(resource(url, "Create"), Context(25_200))
    over.set()
    assert answers[0]["Status"] == "FAILED"
    assert answers[0]["Reason"].startswith("the database does not answer; go on by deploying again")


@pytest.mark.parametrize("letter", ["x", "ñ", "🙂", '"'])
def test_a_reason_fits_whatever_its_letters_weigh(
    migrator: Any, cloudformation: tuple[str, Answers], monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    def fails(*arguments: object, **more: object) -> None:
        raise MigrationError(letter * 5000)

    url, answers = cloudformation
    monkeypatch.setattr(migrator, "run", fails)
    event = resource(url, "Update") | {"StackId": "s" * 300, "PhysicalResourceId": "p" * 1024}
    migrator.handler(event, Context(900_000))
    assert answers[0]["Reason"].startswith(letter * 100)
    assert len(json.dumps(answers[0])) <= 4096


def test_an_answer_is_sent_again_when_it_was_not_taken(migrator: Any) -> None:
    answers: Answers = []

    class Busy(Quiet):
        def do_PUT(self) -> None:
            answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(503 if len(answers) < 3 else 200)
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(Busy) as origin:
        migrator.handler(resource(f"{origin}/answer", "Delete"), Context())
    assert [answer["Status"] for answer in answers] == ["SUCCESS"] * 3


@pytest.mark.parametrize(
    "event", [{"action": "up", "dryrun": True}, {"action": "up", "dry_run": "true"}, {"action": ["up"]}, {"key1": "v"}]
)
def test_what_is_misspelled_is_not_done(migrator: Any, event: dict[str, Any]) -> None:
    with pytest.raises(MigrationError, match="not understood"):
        migrator.handler(event, Context())
    assert migrator.handler({"action": "plan"}, Context(900_000))["pending"] == VERSIONS


def test_a_dry_run_changes_nothing(migrator: Any) -> None:
    migrator.handler({"action": "up", "to": VERSIONS[0]}, Context(900_000))
    assert migrator.handler({"action": "up", "to": VERSIONS[2], "dry_run": True}, Context(900_000))["done"] == []
    with pytest.raises(MigrationError, match="only `up` has a dry run"):
        migrator.handler({"action": "revert", "dry_run": True}, Context(900_000))
    assert migrator.handler({"action": "plan"}, Context(900_000))["pending"] == VERSIONS[1:]


def test_a_revert_archives_when_asked(migrator: Any, empty_database: str) -> None:
    migrator.handler({"action": "up", "to": VERSIONS[1]}, Context(900_000))
    with psycopg.connect(empty_database) as connection:
        connection.execute("insert into kommo_conversations (provider, phone) values ('twilio', '+5511')")
    with pytest.raises(psycopg.errors.RaiseException, match="would orphan"):
        migrator.handler({"action": "revert"}, Context(900_000))
    assert migrator.handler({"action": "revert", "archive": True}, Context(900_000))["done"] == [VERSIONS[1]]


def test_a_release_that_rolls_back_meets_a_newer_schema(
    migrator: Any, cloudformation: tuple[str, Answers], empty_database: str
) -> None:
    migrator.handler({"action": "up"}, Context(900_000))
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            "insert into ventana_meta.schema_migrations (version, checksum, state)"
            " values ('99990101_x', '0', 'applied')"
        )
    url, answers = cloudformation
    migrator.handler(resource(url, "Update"), Context(900_000))
    assert answers[0]["Status"] == "SUCCESS"
    with pytest.raises(Drift, match="99990101_x, which the folder lacks"):
        migrator.handler({"action": "up"}, Context(900_000))
