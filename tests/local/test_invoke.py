"""`make reconcile` beside a running system: what the providers took and no webhook told is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.local.running import ROOT, environment, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def invoke(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.local.invoke", *arguments]
    given = environment(VENTANA_STATE=str(state))
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120)


def test_a_message_whose_webhook_was_lost_is_recovered(tmp_path_factory: pytest.TempPathFactory) -> None:
    state = tmp_path_factory.mktemp("run") / "state"
    recipe = (ROOT / "infra/reconcile.mk").read_text()
    with running(state) as system:
        system.wait_for("Ctrl-C ends it")
        order = {"provider": "twilio", "from": "+5511987650009", "text": "¿Siguen abiertos?", "lose": True}
        _, written = system.simulators.call("POST", "/customer", order)
        arguments = ("Reconcile", '{"grace_seconds": 0}')
        assert "{} '{}'".format(*arguments) in recipe
        first, second = (json.loads(invoke(state, *arguments).stdout)["twilio"] for _ in range(2))
        assert (first["recovered"], second["recovered"]) == (1, 0)
        with psycopg.connect(system.runtime["dsn"]) as connection:
            found = connection.execute(
                "select content, metadata from kommo_messages where provider_message_id = %s", [written["message_id"]]
            ).fetchall()
        assert found == [("¿Siguen abiertos?", {"reconciled": True})]
        unknown = invoke(state, "Nobody")
        assert (unknown.returncode, unknown.stdout) == (1, "")


def test_without_a_running_system_one_line_says_so(tmp_path: Path) -> None:
    refused = invoke(tmp_path, "Reconcile")
    assert refused.returncode == 1
    assert refused.stderr == "Reconcile: no system runs here (FileNotFoundError): start one with `make run`\n"
