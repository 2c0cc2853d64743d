"""The migrator: asked directly, and as the custom resource that CloudFormation waits for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.functions.loopback import Quiet, serving
from ventana.schema.migrate import FOLDER, Drift
from ventana.schema.migrate import load as load_folder

Load = Callable[[str], Any]
VERSIONS = [migration.version for migration in load_folder(FOLDER)]


@pytest.fixture
def migrator(load: Load, monkeypatch: pytest.MonkeyPatch, empty_database: str) -> Any:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    return load("migrator")


@pytest.fixture
def cloudformation() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address that CloudFormation gives for answers, and what was put there."""
    answers: list[dict[str, Any]] = []

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
    assert migrator.handler({"action": "plan"}, None)["pending"] == VERSIONS
    answer = migrator.handler({"action": "up", "to": VERSIONS[1]}, None)
    assert (answer["done"], answer["missing"]) == (VERSIONS[:2], [])
    assert "  present  check_valid_provider" in answer["report"]
    assert migrator.handler({"action": "up"}, None)["done"] == VERSIONS[2:]
    assert migrator.handler({"action": "verify"}, None)["missing"] == []
    assert migrator.handler({"action": "revert"}, None)["done"] == VERSIONS[-1:]


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_deployment_migrates_and_answers(
    migrator: Any, cloudformation: tuple[str, list[dict[str, Any]]], kind: str
) -> None:
    url, answers = cloudformation
    migrator.handler(resource(url, kind), None)
    assert [(answer["Status"], answer["RequestId"]) for answer in answers] == [("SUCCESS", "request")]
    assert migrator.handler({"action": "plan"}, None)["pending"] == []


def test_a_deletion_touches_nothing(
    migrator: Any, cloudformation: tuple[str, list[dict[str, Any]]], empty_database: str
) -> None:
    migrator.handler({"action": "up"}, None)
    url, answers = cloudformation
    migrator.handler(resource(url, "Delete"), None)
    assert answers[0]["Status"] == "SUCCESS"
    assert migrator.handler({"action": "plan"}, None)["pending"] == []


def test_a_failure_is_answered_with_its_reason(
    migrator: Any, cloudformation: tuple[str, list[dict[str, Any]]], empty_database: str
) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute("create table kommo_messages (id integer)")
    url, answers = cloudformation
    migrator.handler(resource(url, "Create"), None)
    assert answers[0]["Status"] == "FAILED"
    assert "kommo_messages" in answers[0]["Reason"]
    assert len(json.dumps(answers[0])) < 4096


def test_an_unreachable_database_is_answered_as_well(
    load: Load, cloudformation: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
    url, answers = cloudformation
    load("migrator").handler(resource(url, "Update"), None)
    assert answers[0]["Status"] == "FAILED"


def test_a_release_that_rolls_back_meets_a_newer_schema(
    migrator: Any, cloudformation: tuple[str, list[dict[str, Any]]], empty_database: str
) -> None:
    migrator.handler({"action": "up"}, None)
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            "insert into ventana_meta.schema_migrations (version, checksum, state)"
            " values ('99990101_x', '0', 'applied')"
        )
    url, answers = cloudformation
    migrator.handler(resource(url, "Update"), None)
    assert answers[0]["Status"] == "SUCCESS"
    with pytest.raises(Drift, match="99990101_x, which the folder lacks"):
        migrator.handler({"action": "up"}, None)
