"""The media worker: downloads one file of a message from its provider and keeps it in S3.

claim → media_source → download → put → finish. A message never waits for its files; what became of each is on its row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ventana.back_off import back_off
from ventana.download import Downloaded, download
from ventana.errors import FetchError, NotConfigured, StorageUnavailable, Unacceptable, Unavailable
from ventana.fetch_queues import MediaQueue
from ventana.http import streaming, transport
from ventana.providers import files_named
from ventana.schema.connection import Database
from ventana.schema.media import FileKey, MediaClaim, Stored, claim_media, finish_failed, finish_stored
from ventana.secrets import SecretStore
from ventana.settings import Settings
from ventana.telemetry import count, log_bug, logger, measured

settings = Settings.from_environment()
secrets = SecretStore()
database = Database(settings, secrets)
queue = MediaQueue(settings.required("media_queue_url"))
bucket = settings.required("media_bucket")
http = transport(settings.simulator_url)
stream = streaming(settings.simulator_url)
s3: Any = boto3.client("s3", config=Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 2}))
processor = BatchProcessor(EventType.SQS)
processor.raise_on_entire_batch_failure = False  # a batch of one that must come again is no error of the function

FIRST_RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 3600
IN_MEMORY = 8 * 1024 * 1024


class TryAgain(Exception):
    """Tells the batch processor to give the entry back to the queue."""


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Keep the files of one batch; answers which entries are to come again."""
    return dict(process_partial_response(event, keep, processor, context))


def keep(record: SQSRecord) -> None:
    """Keep the file that the record means. Raises TryAgain when it is to come again."""
    key = queue.read(record.body)
    claim = claim_media(database, key, timedelta(seconds=settings.lease_seconds))
    if claim.outcome == "leased" and claim.free_at:
        queue.delay(record.receipt_handle, _seconds_until(claim.free_at))
        raise TryAgain("another worker has this file, or it pauses")
    if claim.outcome != "claimed":
        logger.info("no_media", extra={"message_id": key.message_id, "place": key.place, "outcome": claim.outcome})
        return
    attempt = claim.attempts or 1
    try:
        stored = _stored(key, claim)
    except FetchError as error:
        pause = back_off(attempt, FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        state = finish_failed(database, key, attempt, error, timedelta(seconds=pause))
        _tell(key, claim, state, reason=str(error))
        if state == "pending":
            queue.delay(record.receipt_handle, pause)
            raise TryAgain("the file could not be had yet") from error
        return
    _tell(key, claim, finish_stored(database, key, attempt, stored), bytes=stored.size)


def _stored(key: FileKey, claim: MediaClaim) -> Stored:
    """Fetch and put. Raises FetchError, whatever it is that went wrong: no file may be lost by a bug of ours."""
    try:
        with _file() as into:
            downloaded = _downloaded(claim, into)
            name = f"media/{claim.conversation_id}/{key.message_id}/{key.place}"
            _put(name, downloaded, into)
            return Stored(f"s3://{bucket}/{name}", downloaded.content_type, downloaded.size)
    except (FetchError, StorageUnavailable):
        raise
    except NotConfigured as error:
        raise Unavailable(str(error)) from error
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"the copy could not be stored: {_code(error)}") from error
    except Exception as error:
        log_bug("media_failed", error, message_id=key.message_id)
        raise Unavailable(f"fetching ended in {type(error).__name__}") from error


def _downloaded(claim: MediaClaim, into: BinaryIO) -> Downloaded:
    provider = claim.provider or ""
    files = files_named(provider)
    if files is None:
        raise Unacceptable("this provider keeps no files")
    credentials = secrets.of(provider, settings.secret_id(provider))
    source = files.media_source(claim.media(), credentials, http)
    return download(source, claim.content_type or "", settings.media_max_bytes, into, stream)


def _put(name: str, downloaded: Downloaded, content: BinaryIO) -> None:
    s3.put_object(
        Bucket=bucket,
        Key=name,
        Body=content,
        ContentLength=downloaded.size,
        ContentType=downloaded.content_type,
        ContentDisposition="attachment",  # a link to it saves the file, and shows nothing in the name of our host
        ServerSideEncryption="AES256",
    )


@contextmanager
def _file() -> Iterator[BinaryIO]:
    with SpooledTemporaryFile(IN_MEMORY) as file:
        yield cast("BinaryIO", file)


def _tell(key: FileKey, claim: MediaClaim, state: str | None, **more: str | int) -> None:
    count(f"Media{(state or 'gone').title()}")
    level = logger.info if state == "stored" else logger.warning
    told = {"message_id": key.message_id, "place": key.place, "provider": claim.provider, "attempt": claim.attempts}
    level("media", extra={**told, "state": state, **more})


def _code(error: BotoCoreError | ClientError) -> str:
    return str(error.response["Error"].get("Code")) if isinstance(error, ClientError) else type(error).__name__


def _seconds_until(moment: datetime) -> int:
    return max(1, min(round((moment - datetime.now(UTC)).total_seconds()) + 1, LONGEST_RETRY_SECONDS))
