"""The spill drain: records what webhooks let wait while the database did not answer, in order per conversation.

What cannot be recorded yet goes back to the queue with back-off, together with what is behind it in its conversation.
An entry that is none of ours is parked: nothing comes again for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSEvent, SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.back_off import back_off
from ventana.breaker import Breaker
from ventana.errors import NotConfigured, StorageUnavailable
from ventana.messages import Parked
from ventana.schema.connection import Database
from ventana.schema.inbound import as_json, record_json, turns_of
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.spill import Spilled, read_entry
from ventana.spill_queue import ObjectGone, SpillQueue
from ventana.telemetry import count, log_bug, logger, measured, seconds

settings = Settings.from_environment()
database = Database(settings)
queue = SpillQueue(settings)
turns = SendQueue(settings.send_queue_urls(), call_seconds=2.0)
breaker = Breaker(settings.database_timeout_ms / 2000)

FIRST_RETRY_SECONDS = 1
LONGEST_RETRY_SECONDS = 120  # a thousand receives at this pace are more than a day
SPARE_MS = 3_000  # for what follows the last statement


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Record one batch; answers which entries are to come again."""
    records = list(SQSEvent(event).records)
    again: list[SQSRecord] = []
    held: set[str | None] = set()
    for record in records:
        group = record.attributes.message_group_id
        late = context.get_remaining_time_in_millis() < settings.database_timeout_ms + SPARE_MS
        if late or group in held or not _drain(record):
            held.add(group)
            again.append(record)
    if again:
        count("SpillPostponed", len(again))
        _postpone(again)
    logger.info("spill_drained", extra={"entries": len(records) - len(again), "again": len(again)})
    return {"batchItemFailures": [{"itemIdentifier": record.message_id} for record in again]}


def _drain(record: SQSRecord) -> bool:
    """Record an entry; False when it is to come again. A bug of ours holds up its own conversation, and no other."""
    try:
        entry = _read(record)
        with breaker.guarding():
            recorded = record_json(database, entry.items, entry.received_at)
    except (StorageUnavailable, NotConfigured):
        return False
    except Exception as error:
        log_bug("drain_failed", error)
        return False
    for row in recorded:
        count(f"Spill{row.outcome.title()}")
    turns.put_quietly(turns_of(recorded), "recorded")
    count("SpillDrained", len(recorded))
    seconds("SpillAge", (datetime.now(UTC) - entry.received_at).total_seconds())
    _forget(record.body)
    return True


def _read(record: SQSRecord) -> Spilled:
    """The entry of a record; parked where it is none, or where there is nothing left to read."""
    try:
        return read_entry(queue.body(record.body))
    except ValueError:
        reason = "no spill entry"
    except ObjectGone:
        reason = "spilled object is gone"
    logger.warning("spill_parked", extra={"reason": reason})
    return Spilled(datetime.now(UTC), [as_json(Parked("unknown", reason, record.body.encode()))])


def _forget(message: str) -> None:
    try:
        queue.forget(message)
    except StorageUnavailable as error:
        logger.warning("spilled_object_left", extra={"reason": str(error)})


def _postpone(records: list[SQSRecord]) -> None:
    """Without an answer from the queue they come again after its own visibility time-out."""
    try:
        queue.postpone({record.receipt_handle: _back_off(record) for record in records})
    except StorageUnavailable as error:
        logger.warning("not_postponed", extra={"entries": len(records), "reason": str(error)})


def _back_off(record: SQSRecord) -> int:
    return back_off(int(record.attributes.approximate_receive_count), FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
