"""What a function's snapshot holds and what is renewed after it, under AWS's own runtime client, hooks and all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from infra.local.functions import Function
from infra.local.worker import Program

ROOT = Path(__file__).parents[2]
pytest.importorskip("awslambdaric", reason="AWS's runtime client, which runs the hooks, is for Linux alone")

PROBE = """
import os, random, sys
from ventana.schema.connection import Database
from ventana.secrets import SecretStore
from ventana.send_queue import SendQueue
from ventana.settings import Settings

reads = []
# Started on a clock that stands still: what is read again is so because of the hook.
store = SecretStore(lambda secret_id: reads.append(secret_id) or "{}", clock=lambda: 0.0)
theirs = SecretStore()
queue = SendQueue({"reply": "https://sqs.us-east-1.amazonaws.com/1/q"})
database = Database(Settings(database_url=os.environ["DATABASE_URL"]))
store.values("a")
session = database.value("select pg_backend_pid()")
random.seed(1)
chance = random.random()
random.seed(1)


def handler(event, context):
    store.values("a")
    return {
        "reads": len(reads),
        "same_session": database.value("select pg_backend_pid()") == session,
        "same_chance": random.random() == chance,
        "clients_are_made": "boto3" in sys.modules and "_client" in vars(queue),
    }
"""


def run(tmp_path: Path, database_url: str, kind: str) -> dict[str, object]:
    (tmp_path / "app.py").write_text(PROBE)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(ROOT / "layers" / "ventana"), str(ROOT)]),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
        "DATABASE_URL": database_url,
        "LANG": "C.UTF-8",
    }
    function = Function(Program("Probe", tmp_path, "app.handler", environment, tmp_path / "log"), 10.0)
    try:
        invocation = function.invoke({})
        assert invocation.error is None, invocation.error
        answer: dict[str, object] = json.loads(invocation.answer)
        return answer
    finally:
        function.stop()


def test_a_restored_copy_has_its_own_connection_secrets_and_chance_and_need_not_import(
    tmp_path: Path, database_url: str
) -> None:
    assert run(tmp_path, database_url, "snap-start") == {
        "reads": 2,
        "same_session": False,
        "same_chance": False,
        "clients_are_made": True,
    }


def test_without_a_snapshot_nothing_is_made_in_advance_or_twice(tmp_path: Path, database_url: str) -> None:
    assert run(tmp_path, database_url, "on-demand") == {
        "reads": 1,
        "same_session": True,
        "same_chance": True,
        "clients_are_made": False,
    }
