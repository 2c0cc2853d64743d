"""One warm worker process of a function: started, watched, and started again when it dies."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infra.local.child import die_with_parent, end
from infra.local.runtime_api import Invocation, RuntimeApi

INIT_SECONDS = 10.0
"""What AWS allows a function for its imports, apart from its own timeout."""
LONGEST_PAUSE = 2.0
# AWS's own runtime client where it exists (Linux), else ours, which speaks the same API.
CLIENT = "awslambdaric" if find_spec("awslambdaric") else "infra.local.bootstrap"


@dataclass(frozen=True)
class Program:
    """What a worker runs: `handler` ("app.handler") in `folder`, with exactly this environment, logging to `log`."""

    function: str
    folder: Path
    handler: str
    environment: Mapping[str, str]
    log: Path
    client: str = CLIENT
    isolated: bool = False
    """Whether it imports from its environment's PYTHONPATH alone, and nothing that is installed here."""


class Worker:
    """A process that takes one event at a time."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._api = RuntimeApi()
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._ends = 0
        self._stopping = False
        # The thread that forks must outlive the child (child.py), so each worker has one of its own.
        self._supervisor = threading.Thread(target=self._supervise, name=f"worker-{program.function}", daemon=True)
        self._supervisor.start()

    def run(self, event: bytes, timeout: float) -> Invocation:
        """Have one event handled; the outcome is in the invocation, a timeout or a crash included."""
        invocation = Invocation(event, timeout, self._program.function)
        self._api.hand_over(invocation)
        if not invocation.started.wait(INIT_SECONDS) and not invocation.done.is_set():
            self._give_up(invocation, "Runtime.InitError", f"not ready after {INIT_SECONDS:g} seconds")
        elif not invocation.done.wait(timeout):
            self._give_up(invocation, "Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds")
        return invocation

    def begun(self, seconds: float) -> bool:
        """Wait so long for the process to have its imports behind it."""
        return self._api.begun.wait(seconds)

    def stop(self) -> None:
        """End the process and do not start another."""
        with self._changed:
            self._stopping = True
            process = self._process
            self._changed.notify_all()
        if process is not None:
            end(process)
        self._supervisor.join(5)
        self._api.close()

    def _give_up(self, invocation: Invocation, kind: str, text: str) -> None:
        invocation.finish(error={"errorType": kind, "errorMessage": text})
        with self._changed:
            ends = self._ends
            if self._process is not None:
                self._process.kill()
            # The next event may not be handed over before the death of this process is known.
            self._changed.wait_for(lambda: self._ends != ends or self._stopping, 5)

    def _supervise(self) -> None:
        pause = 0.0
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, pause):
                    return
                self._api.worker_starts()
                self._process = process = self._start()
            code = process.wait()
            self._api.worker_ended(code)
            with self._changed:
                self._ends += 1
                self._changed.notify_all()
            # A function that cannot start is not started again in a tight loop.
            pause = 0.0 if self._api.served else min(LONGEST_PAUSE, pause * 2 or 0.1)

    def _start(self) -> subprocess.Popen[bytes]:
        program = self._program
        with program.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *(["-S"] if program.isolated else []), "-m", program.client, program.handler],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.folder,
                env={**program.environment, "AWS_LAMBDA_RUNTIME_API": self._api.address},
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
