"""Makes visible what was published to the event bus: a queue behind it gets everything, and this reads the queue."""

from __future__ import annotations

import json
import threading
from typing import Any

from infra.local.aws import Aws

KEPT = 10_000


class BusObserver:
    """The events that arrived on the bus since the start, oldest first."""

    def __init__(self, aws: Aws, queue_url: str) -> None:
        self._sqs, self._url = aws.sqs, queue_url
        self._events: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="bus", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stopping.set()

    def events(self) -> list[dict[str, Any]]:
        """What has arrived, as EventBridge hands it to a target: `detail-type`, `detail`, `source`, `time`, `id`."""
        with self._lock:
            return list(self._events)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read(wait_seconds=10)
            except Exception:  # the services are going down
                self._stopping.wait(1)

    def _read(self, wait_seconds: int) -> None:
        reply = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds)
        messages = reply.get("Messages", [])
        with self._lock:
            self._events.extend(json.loads(message["Body"]) for message in messages)
            del self._events[:-KEPT]
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
