"""Carries messages from queues to functions, as Lambda's event source mapping for SQS does.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html: what a function took is deleted; what failed, or what its
worker died over, stays, comes back after the visibility timeout and ends in the dead letter queue after too many
receives (both done by the queue).
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from infra.local.aws import REGION, Aws
from infra.local.functions import Function
from infra.local.runtime_api import Invocation
from infra.local.template import QueueSource

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

WAIT_SECONDS = 10
BUSY_PAUSE_SECONDS = 0.1
MOST_AT_ONCE = 4
"""As many batches as a laptop shall work on for one queue, however many the template allows."""


class QueuePoller:
    """One queue: as many batches on their way as the source may have at once, each in a worker of its own.

    The queue holds back a group of which it has handed out a message, which keeps the order within each.
    """

    def __init__(self, source: QueueSource, queue_url: str, function: Function, aws: Aws) -> None:
        self._source, self._url, self._function = source, queue_url, function
        self._sqs = aws.sqs_of(source.function)
        self._stopping = threading.Event()
        self._most, self._under_way = at_once(source), 0
        self._changed = threading.Condition()
        self._asking = threading.Lock()
        self._thread = threading.Thread(target=self._poll, name=f"queue-{source.function}", daemon=True)

    def start(self) -> None:
        """Begin to take messages."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more batches. A wait under way ends with the server, or at its own time."""
        self._stopping.set()

    def take_batch(self, wait_seconds: int = 0) -> int:
        """Receive once, have the function take what came, delete what it took. Returns how many were received."""
        messages = self._receive(wait_seconds)
        if messages:
            self._hand_over(messages)
        return len(messages)

    def _poll(self) -> None:
        with suppress(Exception):  # Lambda looks at the queue as well; here nothing follows from it
            self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["VisibilityTimeout"])
        while not self._stopping.is_set():
            try:
                self._poll_once()
            except Exception:  # the services are going down, or were never there
                self._stopping.wait(1)

    def _poll_once(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._under_way < self._most)
            busy = self._under_way
        # A long wait sees only groups that were free when it began: whatever becomes free meanwhile would wait with it.
        messages = self._receive(0 if busy else WAIT_SECONDS)
        if messages:
            with self._changed:
                self._under_way += 1
            threading.Thread(target=self._carry, args=[messages], name=self._thread.name, daemon=True).start()
        elif busy:
            with self._changed:
                self._changed.wait_for(lambda: self._under_way < busy, BUSY_PAUSE_SECONDS)

    def _carry(self, messages: list[MessageTypeDef]) -> None:
        try:
            self._hand_over(messages)
        except Exception:  # not deleted, so it comes again
            self._stopping.wait(0.1)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _receive(self, wait_seconds: int) -> list[MessageTypeDef]:
        with self._asking:
            received = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(10, self._source.batch_size),
                WaitTimeSeconds=wait_seconds,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return received.get("Messages", [])

    def _hand_over(self, messages: list[MessageTypeDef]) -> None:
        invocation = self._function.invoke(build_event(messages, self._source.queue_arn))
        failed = failed_ids(invocation, self._source.partial, messages)
        with self._asking:
            _delete(self._sqs, self._url, messages, failed)


def at_once(source: QueueSource) -> int:
    """How many batches of a source are worked on at the same time here."""
    return min(source.concurrency, MOST_AT_ONCE)


def build_event(messages: list[MessageTypeDef], queue_arn: str) -> dict[str, Any]:
    """The event of Lambda for a batch of messages."""
    return {"Records": [_record(message, queue_arn) for message in messages]}


def failed_ids(invocation: Invocation, partial: bool, messages: list[MessageTypeDef]) -> set[str]:
    """Which messages were not taken, by Lambda's rules: all of them where the answer makes no sense."""
    everything = {message["MessageId"] for message in messages}
    if invocation.error is not None:
        return everything
    if not partial:
        return set()
    try:
        answer = json.loads(invocation.answer)
        failures = (answer or {}).get("batchItemFailures") or []
        failed = {item["itemIdentifier"] for item in failures}
    except (ValueError, TypeError, KeyError, AttributeError):
        return everything
    return failed if failed <= everything else everything


def _record(message: MessageTypeDef, queue_arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {
            name: {
                "dataType": value["DataType"],
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
            }
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _delete(sqs: SQSClient, url: str, messages: list[MessageTypeDef], failed: set[str]) -> None:
    taken = [message for message in messages if message["MessageId"] not in failed]
    if taken:
        sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(taken)],
        )
