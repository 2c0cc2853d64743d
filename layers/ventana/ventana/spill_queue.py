"""The spill queue: a FIFO queue of SQS, and beside it a bucket of S3 for entries that no queue message can hold."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from ventana.errors import StorageUnavailable
from ventana.settings import Settings
from ventana.snapshot import before_snapshot
from ventana.spill import LARGEST, Entry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Result = TypeVar("Result")
FOLDER = "spill/"
MOST_MESSAGES = 10  # that SQS takes, or changes, in one call
MOST_TRIES = 4
REST_SECONDS = 0.05  # before trying again


class ObjectGone(Exception):
    """A message tells of an object that is not in the bucket: recorded before, or expired."""


class SpillQueue:
    """The queue and the bucket that settings name; safe to make at import.

    A call waits for an answer no longer than the settings' spill_timeout_ms, and is tried again while there is time.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.required("spill_queue_url")
        self._bucket = settings.spill_bucket or ""
        self._timeout = settings.spill_timeout_ms / 1000
        before_snapshot(lambda: self._sqs)

    def put(self, entries: Sequence[Entry], until: float | None = None) -> None:
        """Queue every entry, by `until` (time.monotonic).

        Raises StorageUnavailable unless all of them are safe; all may be put again.
        """
        for batch in _batches([self._as_message(entry, until) for entry in entries]):
            left = [
                {"Id": str(n), "MessageGroupId": e.group, "MessageDeduplicationId": e.ticket, "MessageBody": e.body}
                for n, e in enumerate(batch)
            ]
            for _ in range(2):
                left = self._send(left, until) if left else left
            if left:
                raise StorageUnavailable(f"the spill queue did not take {len(left)} of {len(batch)} entries")

    def body(self, message: str) -> str:
        """The entry of a message, fetched from the bucket where the message only tells of it.

        Raises ObjectGone, or StorageUnavailable when the bucket does not answer.
        """
        key = _key_in(message)
        if key is None:
            return message
        try:
            found = self._called(lambda: self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except StorageUnavailable as error:
            if "NoSuchKey" in str(error):
                raise ObjectGone(key) from error
            raise
        return str(found, "ascii", "replace")

    def forget(self, message: str) -> None:
        """Delete what a recorded message has in the bucket. One that is left behind expires."""
        key = _key_in(message)
        if key is not None:
            self._called(lambda: self._s3.delete_object(Bucket=self._bucket, Key=key))

    def postpone(self, seconds: Mapping[str, int]) -> None:
        """Let received messages, by their receipt handles, come again no earlier than in so many seconds."""
        entries: list[Any] = [
            {"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": of}
            for n, (handle, of) in enumerate(seconds.items())
        ]
        self._called(lambda: self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries))

    def _as_message(self, entry: Entry, until: float | None) -> Entry:
        if len(entry.body) <= LARGEST:
            return entry
        # Named after its content, so that an entry that is put again takes its own place.
        key = f"{FOLDER}{sha256(entry.body.encode()).hexdigest()}.json"
        self._called(lambda: self._s3.put_object(Bucket=self._bucket, Key=key, Body=entry.body.encode()), until)
        return Entry(entry.group, json.dumps({"object": key}))

    def _send(self, entries: list[Any], until: float | None) -> list[Any]:
        """Send; returns what was refused."""
        answer = self._called(lambda: self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries), until)
        refused = {failure["Id"] for failure in answer.get("Failed", [])}
        return [entry for entry in entries if entry["Id"] in refused]

    def _called(self, call: Callable[[], Result], until: float | None = None) -> Result:
        """Call AWS, again while another answer could be waited for in time. Raises StorageUnavailable."""
        from botocore.exceptions import BotoCoreError, ClientError

        until = time.monotonic() + 2 * self._timeout if until is None else until
        tries = 0
        while True:
            tries += 1
            try:
                return call()
            except (BotoCoreError, ClientError) as error:
                if tries == MOST_TRIES or time.monotonic() + REST_SECONDS + self._timeout > until:
                    code = error.response["Error"].get("Code") if isinstance(error, ClientError) else None
                    raise StorageUnavailable(f"the spill queue refused: {code or type(error).__name__}") from error
            time.sleep(REST_SECONDS)

    @cached_property
    def _sqs(self) -> SQSClient:
        client: SQSClient = self._client("sqs")
        return client

    @cached_property
    def _s3(self) -> Any:
        return self._client("s3")

    def _client(self, service: str) -> Any:
        import boto3  # slow to import, and loaded already by whoever has read a secret
        from botocore.config import Config

        # No retries of its own: it would sleep up to a second before one.
        waits = Config(connect_timeout=self._timeout, read_timeout=self._timeout, retries={"total_max_attempts": 1})
        return boto3.client(service, config=waits)  # type: ignore[call-overload]  # a name of two


def spill_queue(settings: Settings) -> SpillQueue | None:
    """The spill queue, where settings name one."""
    return SpillQueue(settings) if settings.spill_queue_url else None


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Entries in order, as many together as one call takes."""
    batch, size = list[Entry](), 0
    for entry in entries:
        if batch and (len(batch) == MOST_MESSAGES or size + len(entry.body) > LARGEST):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += len(entry.body)
    if batch:
        yield batch


def _key_in(message: str) -> str | None:
    if not message.startswith('{"object":'):
        return None
    try:
        key = str(json.loads(message)["object"])
    except ValueError:
        return None
    return key if key.startswith(FOLDER) else None
