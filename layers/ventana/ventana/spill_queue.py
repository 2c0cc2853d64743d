"""The spill queue: a FIFO queue of SQS, and beside it a bucket of S3 for entries that no queue message can hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from ventana.errors import StorageUnavailable
from ventana.settings import Settings
from ventana.spill import LARGEST, Entry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Result = TypeVar("Result")
FOLDER = "spill/"
MOST_MESSAGES = 10  # that SQS takes, or changes, in one call


class ObjectGone(Exception):
    """A message tells of an object that is not in the bucket: recorded before, or expired."""


class SpillQueue:
    """The queue and the bucket that settings name; safe to make at import.

    Every call is tried twice, and waits no longer than the settings' spill_timeout_ms each time.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.required("spill_queue_url")
        self._bucket = settings.spill_bucket or ""
        self._timeout = settings.spill_timeout_ms / 1000

    def put(self, entries: Sequence[Entry]) -> None:
        """Queue every entry. Raises StorageUnavailable unless all of them are safe; all may be put again."""
        for batch in _batches([self._as_message(entry) for entry in entries]):
            refused = self._send(
                [
                    {"Id": str(n), "MessageGroupId": e.group, "MessageDeduplicationId": e.ticket, "MessageBody": e.body}
                    for n, e in enumerate(batch)
                ]
            )
            refused = self._send(refused) if refused else refused
            if refused:
                raise StorageUnavailable(f"the spill queue did not take {len(refused)} of {len(batch)} entries")

    def body(self, message: str) -> str:
        """The entry of a message, fetched from the bucket where the message only tells of it.

        Raises ObjectGone, or StorageUnavailable when the bucket does not answer.
        """
        key = _key_in(message)
        if key is None:
            return message
        try:
            found = _called(lambda: self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except StorageUnavailable as error:
            if "NoSuchKey" in str(error):
                raise ObjectGone(key) from error
            raise
        return str(found, "ascii", "replace")

    def forget(self, message: str) -> None:
        """Delete what a recorded message has in the bucket. One that is left behind expires."""
        key = _key_in(message)
        if key is not None:
            _called(lambda: self._s3.delete_object(Bucket=self._bucket, Key=key))

    def postpone(self, seconds: Mapping[str, int]) -> None:
        """Let received messages, by their receipt handles, come again no earlier than in so many seconds."""
        entries: list[Any] = [
            {"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": of}
            for n, (handle, of) in enumerate(seconds.items())
        ]
        _called(lambda: self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries))

    def _as_message(self, entry: Entry) -> Entry:
        if len(entry.body) <= LARGEST:
            return entry
        # Named after its content, so that an entry that is put again takes its own place.
        key = f"{FOLDER}{sha256(entry.body.encode()).hexdigest()}.json"
        _called(lambda: self._s3.put_object(Bucket=self._bucket, Key=key, Body=entry.body.encode()))
        return Entry(entry.group, json.dumps({"object": key}))

    def _send(self, entries: list[Any]) -> list[Any]:
        """Send once; returns what was refused."""
        answer = _called(lambda: self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries))
        refused = {failure["Id"] for failure in answer.get("Failed", [])}
        return [entry for entry in entries if entry["Id"] in refused]

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


def _called(call: Callable[[], Result]) -> Result:
    """Call AWS, and once more when that fails. Raises StorageUnavailable."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        try:
            return call()
        except (BotoCoreError, ClientError):
            return call()
    except ClientError as error:
        raise StorageUnavailable(f"the spill queue refused: {error.response['Error'].get('Code')}") from error
    except BotoCoreError as error:
        raise StorageUnavailable(f"the spill queue refused: {type(error).__name__}") from error


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
