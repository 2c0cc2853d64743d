"""The functions of template.yaml, invoked as AWS invokes them: warm, by name, more of them when all are busy."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Mapping
from typing import Any

from infra.local.runtime_api import Invocation
from infra.local.worker import Program, Worker

THROTTLED_SECONDS = 15.0


class Function:
    """One function: at least one warm worker once it was needed, up to `concurrency` under load."""

    def __init__(self, program: Program, timeout: float, concurrency: int = 2) -> None:
        self.name = program.function
        self._program = program
        self._timeout = timeout
        self._concurrency = concurrency
        self._workers: list[Worker] = []
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Start the first worker before anybody waits for it."""
        self._free.put(self._free_worker())

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        """Have the event handled. Errors, timeouts and throttling are in the invocation, not raised."""
        body = json.dumps(event).encode()
        try:
            worker = self._free_worker()
        except queue.Empty:
            throttled = Invocation(body, self._timeout, self.name)
            throttled.finish(error={"errorType": "TooManyRequestsException", "errorMessage": "Rate Exceeded."})
            return throttled
        try:
            return worker.run(body, self._timeout)
        finally:
            self._free.put(worker)

    def stop(self) -> None:
        """End all workers."""
        with self._lock:
            self._concurrency = 0
            for worker in self._workers:
                worker.stop()

    def _free_worker(self) -> Worker:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            with self._lock:
                if len(self._workers) < self._concurrency:
                    self._workers.append(Worker(self._program))
                    return self._workers[-1]
        return self._free.get(timeout=THROTTLED_SECONDS)
