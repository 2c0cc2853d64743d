"""Carries messages from queues to functions, as Lambda's event source mapping for SQS does.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html: what a function took is deleted; what failed stays, comes
back after the visibility timeout and ends in the dead letter queue after too many receives (both done by the queue).
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from infra.local.aws import REGION, Aws
from infra.local.functions import Function
from infra.local.runtime_api import Invocation
from infra.local.template import QueueSource

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

WAIT_SECONDS = 10


class QueuePoller:
    """One thread for one queue: batches are taken one after the other, which keeps the order within a group."""

    def __init__(self, source: QueueSource, queue_url: str, function: Function, aws: Aws) -> None:
        self._source, self._url, self._function = source, queue_url, function
        self._sqs = aws.sqs
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name=f"queue-{source.function}", daemon=True)

    def start(self) -> None:
        """Begin to take messages."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more batches. A wait under way ends with the server, or at its own time."""
        self._stopping.set()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                self.take_batch(WAIT_SECONDS)
            except Exception:  # the services are going down, or were never there
                self._stopping.wait(1)

    def take_batch(self, wait_seconds: int = 0) -> int:
        """Receive once, have the function take what came, delete what it took. Returns how many were received."""
        received = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(10, self._source.batch_size),
            WaitTimeSeconds=wait_seconds,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = received.get("Messages", [])
        if messages:
            invocation = self._function.invoke(build_event(messages, self._source.queue_arn))
            _delete(self._sqs, self._url, messages, failed_ids(invocation, self._source.partial, messages))
        return len(messages)


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
