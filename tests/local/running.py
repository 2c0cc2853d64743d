"""`python -m infra.local` as a process of its own, as `make run` starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.local.client import Client
from infra.local.permissions import CALLS
from infra.local.places import Places

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0


class Running:
    """One system that is up."""

    def __init__(self, process: subprocess.Popen[bytes], state: Path, output: Path) -> None:
        self.process, self.state, self._output = process, state, output
        self.runtime: dict[str, Any] = json.loads((state / "runtime.json").read_text())
        self.api = Client(self.runtime["base_url"], self.runtime["api_token"])
        self.simulators = Client(self.runtime["simulator_url"])

    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, words: str) -> str:
        """Wait until it has said this; all that it said."""
        give_up = time.monotonic() + START_SECONDS
        while words not in self.output():
            assert time.monotonic() < give_up, f"it never said {words!r}: {self.output()}"
            assert self.process.poll() is None, self.output()
            time.sleep(0.05)
        return self.output()

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(how)
        return self.process.wait(30)


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would point the system somewhere else."""
    ours = ("DATABASE_URL", "PORT", "VENTANA_STATE", "RUN_ONCE")
    return {**{name: value for name, value in os.environ.items() if name not in ours}, "PORT": "0", **more}


def run_once(state: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run until the story is told, or until it fails."""
    return subprocess.run(
        [sys.executable, "-m", "infra.local", "--once", "--state", str(state)],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=START_SECONDS * 2,
        check=False,
    )


@contextmanager
def running(state: Path, **more: str) -> Iterator[Running]:
    """A system that is up while the block runs."""
    output = state.with_name(f"{state.name}.output")
    with output.open("wb") as file:
        command = [sys.executable, "-m", "infra.local", "--state", str(state)]
        process = subprocess.Popen(command, cwd=ROOT, env=environment(**more), stdout=file, stderr=file)
    try:
        give_up = time.monotonic() + START_SECONDS
        while not (state / "runtime.json").exists():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < give_up, output.read_text()
            time.sleep(0.05)
        yield Running(process, state, output)
        assert denied(state) == [], "a role in template.yaml lacks what its function needs"
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def denied(state: Path) -> list[dict[str, Any]]:
    """What functions wanted of AWS and their roles do not allow."""
    calls = state / CALLS
    lines = calls.read_text("utf-8").splitlines() if calls.exists() else []
    return [call for call in map(json.loads, lines) if "denied" in call]


def remove(state: Path) -> None:
    """Delete what a system kept, also what root's Postgres kept outside its state directory."""
    Places(state).remove()


def processes_of(state: Path) -> set[int]:
    """Processes that write their output below the state directory: all that the system starts do."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str((folder / "fd" / "1").readlink()).startswith(f"{state.resolve()}{os.sep}"):
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def wait_until_none(state: Path) -> set[int]:
    """What is still there after a while."""
    give_up = time.monotonic() + 10
    while (left := processes_of(state)) and time.monotonic() < give_up:
        time.sleep(0.05)
    return left
