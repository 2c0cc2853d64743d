"""The FIFO queue between API and sender: it carries message ids, grouped by conversation so that order is kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class SendQueue:
    """The queue at `url`. A message id that is put in twice under the same `ticket` within 5 minutes is queued once."""

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _client(self) -> SQSClient:
        import boto3  # slow to import: only what queues pays for it

        return boto3.client("sqs")

    def put(self, message_id: str, conversation_id: str, ticket: str = "first") -> None:
        """Queue a message behind what waits in its conversation. Raises botocore's errors when the queue is away."""
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=message_id,
            MessageGroupId=conversation_id,
            MessageDeduplicationId=f"{message_id}:{ticket}",
        )

    def delay(self, receipt_handle: str, seconds: int) -> None:
        """Let a received entry come again no earlier than in so many seconds (at most 12 hours)."""
        self._client.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )
