"""The functions of template.yaml, invoked as AWS invokes them: warm, by name, more of them when all are busy."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from infra.local.runtime_api import Invocation
from infra.local.worker import Program, Worker

THROTTLED_SECONDS = 15.0
GRACE_SECONDS = 0.1
"""A worker that is about to be free is sooner at hand than a new one, which has its imports before it."""
IDLE_SECONDS = 20.0


class Function:
    """One function: a warm worker once it was needed, up to `concurrency` while all are busy.

    Those beyond the first end when nothing was left for them to do for `idle` seconds.
    """

    def __init__(self, program: Program, timeout: float, concurrency: int = 2, idle: float = IDLE_SECONDS) -> None:
        self.name = program.function
        self._program, self._timeout, self._idle = program, timeout, idle
        self._concurrency = concurrency
        self._workers: list[Worker] = []
        self._free: list[tuple[Worker, float]] = []
        """With the time since when; the one that was busy last is taken first, so that the others become idle."""
        self._dismissing = self._stopped = False
        self._changed = threading.Condition()

    def warm(self) -> None:
        """Start the first worker before anybody waits for it."""
        with self._changed:
            if not self._workers:
                self._free.append((self._hire(), time.monotonic()))

    def begun(self, seconds: float) -> bool:
        """Wait so long for what `warm` has started to be ready for an event."""
        with self._changed:
            workers = list(self._workers[:1])
        return all(worker.begun(seconds) for worker in workers)

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        """Have the event handled. Errors, timeouts and throttling are in the invocation, not raised."""
        body = json.dumps(event).encode()
        worker = self._free_worker()
        if worker is None:
            throttled = Invocation(body, self._timeout, self.name)
            throttled.finish(error={"errorType": "TooManyRequestsException", "errorMessage": "Rate Exceeded."})
            return throttled
        try:
            return worker.run(body, self._timeout)
        finally:
            self._give_back(worker)

    def stop(self) -> None:
        """End all workers."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.stop()

    def _free_worker(self) -> Worker | None:
        """Whichever is free first; None when nobody was for too long."""
        with self._changed:
            if self._workers:
                self._changed.wait_for(self._decided, GRACE_SECONDS)
            if not self._decided() and len(self._workers) < self._concurrency:
                return self._hire()
            self._changed.wait_for(self._decided, THROTTLED_SECONDS)
            return self._free.pop()[0] if self._free and not self._stopped else None

    def _decided(self) -> bool:
        return bool(self._free) or self._stopped

    def _hire(self) -> Worker:
        self._workers.append(Worker(self._program))
        return self._workers[-1]

    def _give_back(self, worker: Worker) -> None:
        with self._changed:
            self._free.append((worker, time.monotonic()))
            self._changed.notify_all()
            if len(self._workers) > 1 and not self._dismissing:
                self._dismissing = True
                threading.Thread(target=self._dismiss, name=f"idle-{self.name}", daemon=True).start()

    def _dismiss(self) -> None:
        """End workers that have been idle for long, until one is left."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._stopped, self._idle / 4):
                    return
                long_ago = time.monotonic() - self._idle
                most = len(self._workers) - 1
                leaving = [worker for worker, since in self._free if since < long_ago][:most]
                self._free = [(worker, since) for worker, since in self._free if worker not in leaving]
                self._workers = [worker for worker in self._workers if worker not in leaving]
                self._dismissing = len(self._workers) > 1
            for worker in leaving:
                worker.stop()
            if not self._dismissing:
                return
