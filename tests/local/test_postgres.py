"""The embedded Postgres: private, durable, and back at once after any kind of end."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra.local import places
from infra.local.postgres import APPLICATION_ROLE, Postgres, PostgresFailed, application_dsn

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def postgres(state: Path) -> Iterator[Postgres]:
    made = Postgres(state, durable=False)  # faster, and a process that dies loses nothing all the same
    yield made
    made.stop()
    made.places.remove()


def kept(postgres: Postgres) -> list[tuple[int]]:
    with psycopg.connect(postgres.dsn()) as connection:
        return connection.execute("select n from kept order by n").fetchall()


def keep(postgres: Postgres, number: int) -> None:
    with psycopg.connect(postgres.dsn()) as connection:
        connection.execute("create table if not exists kept (n int)")
        connection.execute("insert into kept values (%s)", [number])


def pid_of(postgres: Postgres) -> int:
    return int((postgres.places.data / "postmaster.pid").read_text().splitlines()[0])


def test_data_survives_every_kind_of_end(postgres: Postgres, state: Path) -> None:
    postgres.start()
    keep(postgres, 1)
    postgres.stop()
    postgres.start()
    keep(postgres, 2)
    os.kill(pid_of(postgres), signal.SIGKILL)
    postgres.stop()  # nothing is left to stop, but a zombie would count as a server that lives
    again = Postgres(state, durable=False)
    started = time.monotonic()
    again.start()
    assert time.monotonic() - started < 10
    assert kept(again) == [(1,), (2,)]
    again.stop()


def test_the_server_ends_with_the_process_that_started_it(postgres: Postgres, state: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the kernel tells children of their parent's death on Linux only")
    script = (
        "import sys, time; from pathlib import Path; from infra.local.postgres import Postgres;"
        "postgres = Postgres(Path(sys.argv[1])); postgres.start(); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(state)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.kill()
    postgres.start()  # on the same data, without waiting for anything
    keep(postgres, 1)
    assert kept(postgres) == [(1,)]


def test_nobody_comes_in_without_the_password(postgres: Postgres) -> None:
    postgres.start()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.dsn().replace(postgres._password, "wrong")).close()
    assert (postgres.places.state / "postgres.password").stat().st_mode & 0o777 == 0o600


def test_it_listens_on_loopback_only_and_is_as_we_want_it(state: Path) -> None:
    postgres = Postgres(state)
    postgres.start()
    with psycopg.connect(postgres.dsn()) as connection:
        for setting, value in {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "server_encoding": "UTF8",
            "fsync": "on",
            "synchronous_commit": "on",
            "TimeZone": "UTC",
        }.items():
            assert connection.execute("select current_setting(%s)", [setting]).fetchone() == (value,)
    postgres.stop()
    postgres.places.remove()


@as_root
def test_root_hands_it_to_nobody(postgres: Postgres) -> None:
    postgres.start()
    nobody = pwd.getpwnam("nobody").pw_uid
    assert Path(f"/proc/{pid_of(postgres)}").stat().st_uid == nobody
    assert postgres.places.data.stat().st_uid == nobody


@as_root
def test_it_lives_elsewhere_where_nobody_may_not_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    postgres = Postgres(tmp_path / "closed" / "state", durable=False)
    (tmp_path / "closed").mkdir(mode=0o700)
    try:
        postgres.start()
        elsewhere = Path((postgres.places.state / "postgres.elsewhere").read_text().strip())
        assert postgres.places.data.is_relative_to(elsewhere)
        assert elsewhere.parent == Path("/var/tmp")
        keep(postgres, 1)
    finally:
        postgres.stop()
        postgres.places.remove()
    assert not elsewhere.exists()


@as_root
def test_the_programs_are_copied_where_nobody_may_not_enter(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = places._anyone_may_enter
    monkeypatch.setattr(places, "_anyone_may_enter", lambda path: "site-packages" not in str(path) and entered(path))
    monkeypatch.setattr(places, "_elsewhere", lambda state: Path("/var/tmp") / f"ventana-test-{os.getpid()}")
    try:
        postgres.start()
        keep(postgres, 1)
        assert kept(postgres) == [(1,)]
    finally:
        postgres.stop()
        postgres.places._base = places._elsewhere(tmp_path) / "postgres"
        postgres.places.remove()


@as_root
def test_what_somebody_else_put_there_is_not_used(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    link = tmp_path / "link"
    link.symlink_to(theirs)
    for path in (theirs, link):
        with pytest.raises(PermissionError, match="somebody else"):
            places._own_directory(path)


def test_data_of_another_version_is_refused_in_one_line(postgres: Postgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres.places.data / "PG_VERSION").write_text("12\n")
    with pytest.raises(PostgresFailed, match="is of PostgreSQL 12, ours is 18: run `make clean`"):
        postgres.start()


def test_broken_data_is_one_line(postgres: Postgres) -> None:
    postgres.start()
    postgres.stop()
    (postgres.places.data / "global" / "pg_control").unlink()
    with pytest.raises(PostgresFailed) as caught:
        postgres.start()
    assert "did not start" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PostgresFailed, match="cannot run in"):
        Postgres(tmp_path / "file" / "state").start()


def test_the_application_has_a_role_of_its_own(postgres: Postgres, state: Path, tmp_path: Path) -> None:
    """Made once, with a password that is kept; where somebody else made it, it is left alone."""
    postgres.start()
    for _ in range(2):
        with psycopg.connect(application_dsn(postgres.dsn(), state)) as connection:
            assert connection.execute("select current_user").fetchone() == (APPLICATION_ROLE,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(application_dsn(postgres.dsn(), tmp_path))
    with psycopg.connect(application_dsn(postgres.dsn(), state)) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
