"""Entries of queues that were given up, and their way back to where they came from.

Each queue takes an entry a second time without harm, which is what makes it safe to send first and delete afterwards:
a turn of the send queues sends nothing that is not due (claim_outbound_v2), an item of the spill queue is recorded once
(the unique index of provider's message ids), and for files and phones the tables say whether there is anything to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MOST = 100
ENTRIES_A_CALL = 10
HIDDEN_SECONDS = 60  # from others who would move the same, and from us if it cannot be moved now
MOVE_SECONDS = 8.0  # of the 15 s that the function has
CALL_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """Where entries end, and the queues that they came from; the first of these is told from no other by an entry."""

    name: str
    url: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadLetterCount:
    """How many entries wait in a dead letter queue, as far as SQS knows at this moment."""

    queue: str
    messages: int


@dataclass(frozen=True, slots=True)
class Redriven:
    """How many entries were moved back, and how many are still there."""

    queue: str
    moved: int
    left: int


def queues_of(text: str) -> dict[str, DeadLetterQueue]:
    """What DEAD_LETTER_QUEUES says: `name url source …`, separated by commas."""
    found = [part.split() for part in text.split(",") if part.strip()]
    return {name: DeadLetterQueue(name, url, tuple(sources)) for name, url, *sources in found}


class DeadLetters:
    """The dead letter queues that lead back to a queue of ours. Every call raises botocore's errors."""

    def __init__(self, queues: Mapping[str, DeadLetterQueue], clock: Callable[[], float] = time.monotonic) -> None:
        self._queues, self._clock = queues, clock

    @cached_property
    def _client(self) -> SQSClient:
        import boto3  # slow to import: only who looks at these queues pays for it
        from botocore.config import Config

        half = CALL_SECONDS / 2
        patience = Config(connect_timeout=half, read_timeout=half, retries={"total_max_attempts": 1})
        return boto3.client("sqs", config=patience)

    def __contains__(self, name: object) -> bool:
        return name in self._queues

    def waiting(self) -> list[DeadLetterCount]:
        """How many entries wait in each."""
        return [DeadLetterCount(name, self._count(queue)) for name, queue in self._queues.items()]

    def redrive(self, name: str) -> Redriven:
        """Move up to a hundred entries back, the oldest first, each deleted only when its queue has taken it.

        In the order of their groups; within some seconds, so that a few may be left although they could be moved.
        """
        queue, moved, until = self._queues[name], 0, self._clock() + MOVE_SECONDS
        while moved < MOST and self._clock() < until:
            entries: Sequence[Any] = self._client.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=min(ENTRIES_A_CALL, MOST - moved),
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=0,
                MessageSystemAttributeNames=["All"],
            ).get("Messages", [])
            if not entries:
                break
            taken = self._sent_back(queue, entries)
            if not taken:
                break
            self._delete(queue, taken)
            moved += len(taken)
        return Redriven(name, moved, self._count(queue))

    def _count(self, queue: DeadLetterQueue) -> int:
        """Those that somebody is just looking at count as well: they are there until they are deleted."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)["Attributes"]
        return sum(int(found.get(name, 0)) for name in names)

    def _sent_back(self, queue: DeadLetterQueue, entries: Sequence[Any]) -> list[Any]:
        """Those that their queue took. What it did not take stays where it is."""
        taken = []
        for source in queue.sources:
            own = [entry for entry in entries if _source_of(queue, entry) == source]
            if own:
                batch: list[Any] = [{"Id": str(place), **_again(entry)} for place, entry in enumerate(own)]
                answer = self._client.send_message_batch(QueueUrl=source, Entries=batch)
                taken += [own[int(each["Id"])] for each in answer.get("Successful", [])]
        return taken

    def _delete(self, queue: DeadLetterQueue, entries: Sequence[Any]) -> None:
        handles: list[Any] = [
            {"Id": str(place), "ReceiptHandle": entry["ReceiptHandle"]} for place, entry in enumerate(entries)
        ]
        self._client.delete_message_batch(QueueUrl=queue.url, Entries=handles)


def _source_of(queue: DeadLetterQueue, entry: Any) -> str:
    """SQS tells by its ARN from which queue an entry came; its URL ends as that does."""
    name = entry.get("Attributes", {}).get("DeadLetterQueueSourceArn", "").rpartition(":")[2]
    return next((url for url in queue.sources if name and url.endswith(f"/{name}")), queue.sources[0])


def _again(entry: Any) -> dict[str, Any]:
    """The same once more: under a new id, because within five minutes an old one would be taken and dropped."""
    group = entry.get("Attributes", {}).get("MessageGroupId")
    order = {"MessageGroupId": group, "MessageDeduplicationId": str(uuid4())} if group else {}
    return {"MessageBody": entry["Body"], **order}
