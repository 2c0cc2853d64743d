"""`make run` from outside: what it leaves, what it keeps, and what it says when it cannot start."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra.local.client import Client
from tests.local.answering import wait_until
from tests.local.running import remove, run_once, running, wait_until_none

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run") / "state"
    yield folder
    remove(folder)


def counts(dsn: str) -> tuple[int, int]:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "select (select count(*) from kommo_conversations), (select count(*) from kommo_messages)"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def assert_one_line(stderr: str, *words: str) -> None:
    assert stderr.startswith("make run: ")
    assert stderr.count("\n") == 1
    for word in words:
        assert word in stderr


def test_a_second_run_keeps_the_data_of_one_that_was_killed(state: Path) -> None:
    with running(state) as first:
        first.wait_for("Ctrl-C ends it")
        assert counts(first.runtime["dsn"]) == (3, 6)
        meanwhile = run_once(state)
        assert meanwhile.returncode == 1
        assert_one_line(meanwhile.stderr, "runs already", str(first.process.pid))
        first.end(signal.SIGKILL)
        second = run_once(state)
        assert second.returncode == 0, second.stderr
    assert second.stdout.count("→ read") == 2
    assert wait_until_none(state) == set()
    with running(state) as third:
        assert third.runtime["secrets"] == first.runtime["secrets"]
        assert third.runtime["api_token"] == first.runtime["api_token"]
        third.wait_for("Ctrl-C ends it")
        assert counts(third.runtime["dsn"]) == (3, 18)
        assert third.end(signal.SIGTERM) == 0
    assert wait_until_none(state) == set()
    assert not (state / "runtime.json").exists()


def test_templates_are_there_when_the_link_is(state: Path) -> None:
    """Or soon after: on AWS as well it takes a tick of the reconciler's clock, and here it is asked at once."""
    with running(state) as up:
        up.wait_for("Look at it in the console")
        api = Client(up.runtime["base_url"], up.runtime["api_token"])

        def names() -> list[str]:
            return [each["name"] for each in api.call("GET", "/v1/templates?provider=meta")[1]["templates"]]

        wait_until(lambda: names() == ["confirmar_visita", "pedido_listo", "retomar_consulta"], 60)
        assert up.end(signal.SIGTERM) == 0


def test_a_database_of_ones_own_wins(state: Path, empty_database: str) -> None:
    ran = run_once(state, DATABASE_URL=empty_database)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert counts(empty_database) == (3, 6)
    assert not (state / "postgres").exists()
    assert wait_until_none(state) == set()


def test_a_port_that_is_taken_is_one_line(state: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        ran = run_once(state, PORT=port)
    assert ran.returncode == 1
    assert_one_line(ran.stderr, port, "in use", "set PORT")
    assert wait_until_none(state) == set()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PORT": "soon"}, ("'soon' is no port",)),
        ({"PORT": "99999"}, ("99999",)),
        ({"DATABASE_URL": "postgresql://u:geheim@127.0.0.1:1/x"}, ("DATABASE_URL cannot be reached", "refused")),
        ({"DATABASE_URL": "geheim"}, ("DATABASE_URL is not like postgresql://",)),
    ],
)
def test_what_cannot_work_is_one_line_without_secrets(
    state: Path, variables: dict[str, str], words: tuple[str, ...]
) -> None:
    ran = run_once(state, **variables)
    assert ran.returncode == 1
    assert_one_line(ran.stderr, *words)
    assert "geheim" not in ran.stderr
    assert wait_until_none(state) == set()


def test_a_state_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = run_once(tmp_path / "file" / "state")
    assert ran.returncode == 1
    assert_one_line(ran.stderr, "cannot write to")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    ran = run_once(tmp_path / "state")
    assert ran.returncode == 1
    assert_one_line(ran.stderr, "cannot write to", "Permission denied")
