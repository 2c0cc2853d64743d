"""The queues of what is fetched from providers after a message was stored: its files, and the phones of contacts.

Both are a convenience: the tables know what is due, and the sweep queues whatever was lost on the way here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, Any

from ventana.messages import InboundMessage, Item
from ventana.schema.inbound import Recorded
from ventana.schema.lookups import Contact
from ventana.schema.media import FileKey
from ventana.snapshot import before_snapshot
from ventana.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ENTRIES_A_CALL = 10


class _Queue:
    def __init__(self, url: str, call_seconds: float = 3.0) -> None:
        self._url, self._call_seconds = url, call_seconds
        before_snapshot(lambda: self._client)

    @cached_property
    def _client(self) -> SQSClient:
        import boto3  # slow to import: only what queues pays for it
        from botocore.config import Config

        half = self._call_seconds / 2
        return boto3.client(
            "sqs", config=Config(connect_timeout=half, read_timeout=half, retries={"total_max_attempts": 1})
        )

    def _put(self, entries: Iterable[dict[str, str]]) -> int:
        rest, taken = iter(entries), 0
        while some := list(islice(rest, ENTRIES_A_CALL)):
            batch: list[Any] = [{"Id": str(number), **entry} for number, entry in enumerate(some)]
            taken += len(self._client.send_message_batch(QueueUrl=self._url, Entries=batch).get("Successful", []))
        return taken

    def delay(self, receipt_handle: str, seconds: int) -> None:
        """Let a received entry come again no earlier than in so many seconds (at most 12 hours)."""
        self._client.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )


class MediaQueue(_Queue):
    """The queue of files at `url`; in no order, because they are independent of each other."""

    def put(self, files: Iterable[FileKey]) -> int:
        """Queue files; returns how many were taken. Raises botocore's errors when the queue is away."""
        return self._put({"MessageBody": json.dumps(asdict(file))} for file in files)

    def put_new(self, items: Sequence[Item], recorded: Sequence[Recorded], seconds_left: float) -> None:
        """Queue the files of those messages that were really inserted, if there is time, or leave them to the sweep."""
        files = new_files(items, recorded)
        if not files or seconds_left < self._call_seconds:
            return
        from botocore.exceptions import BotoCoreError, ClientError  # slow to import: most messages are without files

        try:
            self.put(files)
        except (BotoCoreError, ClientError) as error:
            logger.warning("files_not_queued", extra={"files": len(files), "error": type(error).__name__})

    @staticmethod
    def read(body: str) -> FileKey:
        """The file that an entry means."""
        return FileKey(**json.loads(body))


class LookupQueue(_Queue):
    """The FIFO queue of contacts at `url`: one after the other for each account, so that none is asked too fast."""

    def put(self, contacts: Iterable[Contact], ticket: str) -> int:
        """Queue contacts, once under the same `ticket` within 5 minutes; returns how many were taken."""
        return self._put(
            {
                "MessageBody": json.dumps(asdict(contact)),
                "MessageGroupId": _name(contact.provider, contact.business_address),
                "MessageDeduplicationId": _name(contact.provider, contact.business_address, contact.contact_id, ticket),
            }
            for contact in contacts
        )

    @staticmethod
    def read(body: str) -> Contact:
        """The contact that an entry means."""
        return Contact(**json.loads(body))


def new_files(items: Sequence[Item], recorded: Sequence[Recorded]) -> list[FileKey]:
    """The files of those messages that were really inserted."""
    return [
        FileKey(row.message_id, place)
        for row in recorded
        if row.outcome == "recorded" and row.message_id and isinstance(item := items[row.place], InboundMessage)
        for place in range(len(item.media))
    ]


def _name(*parts: str) -> str:
    """A name that SQS takes, whatever a provider's ids are made of."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
