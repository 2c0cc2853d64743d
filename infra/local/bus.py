"""Makes visible what was published to the event bus, and hands it on to those who listen.

A queue behind the bus gets everything, and this reads the queue.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.aws import Aws

KEPT = 10_000


class BusObserver:
    """The events that arrived on the bus since the start, oldest first. `hand_over` is told of each."""

    def __init__(
        self, aws: Aws, queue_url: str, hand_over: Callable[[Mapping[str, Any]], None] = lambda event: None
    ) -> None:
        self._sqs, self._url, self._hand_over = aws.sqs, queue_url, hand_over
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
        events = [json.loads(message["Body"]) for message in messages]
        with self._lock:
            self._events.extend(events)
            del self._events[:-KEPT]
        for event in events:
            self._hand_over(event)
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)  # type: ignore[arg-type]
