"""moto's server, with queues that bear several callers at once.

Its threads share a queue's list of messages: while one rebuilds the list without what it deletes, what another deletes
comes back, and what another adds is lost. And who waits spins where the messages that are there may not be given out.
"""

from __future__ import annotations

import sys
from functools import wraps

from moto.server import main
from moto.sqs.models import Queue

LOOK_AGAIN_SECONDS = 0.02

delete = Queue.delete_message


@wraps(delete)
def delete_alone(self: Queue, receipt_handle: str) -> None:
    """Delete a message while nobody else changes the list."""
    with self._messages_lock:
        delete(self, receipt_handle)


def wait_a_little(self: Queue, timeout: int) -> None:
    """Wait for a new message, or until one may have become visible again."""
    with self._messages_lock:
        self._messages_lock.wait(min(timeout, LOOK_AGAIN_SECONDS))


Queue.delete_message = delete_alone  # type: ignore[method-assign]
Queue.wait_for_messages = wait_a_little  # type: ignore[method-assign]

if __name__ == "__main__":
    main(sys.argv[1:])
