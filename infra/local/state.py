"""The state directory (.local): one system at a time, its logs, and `runtime.json`, which tells where everything is."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Any

from infra.local.identity import Identity, write_private


class LocalFailed(Exception):
    """The local system cannot start; the message is one line that says what to do."""


class State:
    """The directory, ours alone while `claim` holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self._runtime = self.folder / "runtime.json"
        self._lock: IO[str] | None = None

    def claim(self) -> None:
        """Make the directory and take its lock. Raises LocalFailed when somebody else has it, or nobody may write."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / "lock").open("a+")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalFailed(
                f"it runs already ({self._holder()}) on the state in {self.folder}: end that one first"
            ) from None
        except OSError as error:
            raise LocalFailed(f"cannot write to {self.folder}: {error.strerror}") from error
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}")
        self._lock.flush()
        for leftover in (self._runtime, *self.logs.iterdir()):  # of a run that was killed, and of the last one
            leftover.unlink(missing_ok=True)

    def release(self) -> None:
        """Let the next run have it."""
        self._runtime.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    def identity(self) -> Identity:
        """Secrets and addresses, the same in every run."""
        return Identity.kept(self.folder / "identity.json")

    def publish(self, content: dict[str, Any]) -> None:
        """Tell where everything is, now that all of it is up."""
        write_private(self._runtime, content)

    def _holder(self) -> str:
        pid = (self.folder / "lock").read_text().strip()
        return f"process {pid}" if pid else "another process"
