"""The sender: takes turns from the queues and hands messages to their provider, in order, at its pace, once.

claim → provider.send → finish, from the first message in line up to the one whose turn it is. What must wait a moment
is waited for here, what must wait longer comes back by the queue, what must wait long by the sweep. What may have been
sent is uncertain and is never sent a second time. Beside turns it takes indications, which nothing depends on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.back_off import back_off
from ventana.errors import Misconfigured, NotConfigured, SendError, StorageUnavailable, Uncertain
from ventana.http import transport
from ventana.messages import OutboundMessage, Receipt
from ventana.outbox import Outbox
from ventana.providers import PROVIDERS, indications_named, limits_named, provider_named
from ventana.schema.connection import Database
from ventana.schema.dispatch import (
    BUSY,
    CROWDED,
    Claim,
    claim_outbound,
    find_indicated,
    finish_sent,
    finish_unsent,
    leave_outbound,
    paces_json,
)
from ventana.secrets import SecretStore
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import count, log_bug, logger, measured, of_provider

settings = Settings.from_environment()
secrets = SecretStore()
database = Database(settings, secrets)
queue = SendQueue(settings.send_queue_urls())
outbox = Outbox(database, settings.event_bus_name)
CONNECT_SECONDS = 3.0
http = transport(settings.simulator_url, CONNECT_SECONDS, settings.provider_timeout_ms / 1000)
hasty = transport(settings.simulator_url, connect_seconds=1.0, read_seconds=2.0)  # for what nobody waits for
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False  # a batch of one that must come again is no error of the function
PACES = paces_json({name: limits_named(name).PACE for name in PROVIDERS})

FIRST_RETRY_SECONDS = 2
LONGEST_RETRY_SECONDS = 900
WAITED_FOR_SECONDS = 1.5  # what is due within this is waited for here: pace, mostly
QUEUED_FOR_SECONDS = 120.0  # what is due within this waits in the queue, and keeps its conversation's place there
RECEIVES = 40  # then a turn that waits is left to the sweep: the queue counts waits among the receives of the broken
BUSY_SECONDS = 1.0  # another sender's message is mostly on its way by then, long before its lease ends
IN_A_CROWD = 2  # so often a reply waits here for an address that others use up; then senders are for other addresses
LONGEST_CROWDED_SECONDS = 30
LONGEST_PAUSE_SECONDS = 60  # before a turn is tried again that failed for a reason of ours
FINISH_AGAIN_SECONDS = 0.5
CALLS_A_SEND = 3  # as many as a provider's send makes at most
SPARE_MS = 1_000
SEND_MS = round(CALLS_A_SEND * (CONNECT_SECONDS * 1000 + settings.provider_timeout_ms))
NEEDED_MS = SEND_MS + 2 * settings.database_timeout_ms + SPARE_MS
"""What claiming, sending and finishing one message may take."""
INDICATED_FOR_SECONDS = 20.0  # whoever sees "typing" later sees it after the answer

Result = TypeVar("Result")


class TryAgain(Exception):
    """Tells the batch processor to give the turn, and what is behind it in its conversation, back to the queue."""


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the entries of one batch; answers which of them are to come again."""

    def take(record: SQSRecord) -> None:
        try:
            take_entry(record, context)
        except TryAgain:
            raise
        except Exception as error:
            _give_back(record, error)
            raise TryAgain(f"it ended in {type(error).__name__}") from error

    try:
        return dict(process_partial_response(event, take, processor, context))
    finally:
        left = context.get_remaining_time_in_millis() - 2 * settings.database_timeout_ms
        outbox.publish_quietly(until=time.monotonic() + left / 1000)


def take_entry(record: SQSRecord, context: LambdaContext) -> None:
    """Send, or indicate, what the entry says. Raises TryAgain when it is to come again."""
    kind, _, message_id = record.body.rpartition(":")
    try:
        UUID(message_id)
    except ValueError:
        # Nobody but us writes here, and what was really to be sent gets another turn.
        logger.warning("no_turn", extra={"length": len(record.body)})
        return
    if kind:
        indicate(kind, message_id, record)
    else:
        take_turn(record, context)


def take_turn(record: SQSRecord, context: LambdaContext) -> None:
    """Send what is in line up to the message that the turn is for. Raises TryAgain when the turn is to come again."""
    lane = _lane(record)
    lease, margin = timedelta(seconds=settings.lease_seconds), timedelta(seconds=settings.window_margin_seconds)
    waits, known = 0, False
    while context.get_remaining_time_in_millis() > NEEDED_MS:
        claim = claim_outbound(database, record.body, lane, PACES, lease, margin)
        if claim.outcome == "wait":
            waits += 1
            if not _waited(record, lane, claim, in_a_crowd=waits > IN_A_CROWD):
                return
        elif claim.outcome == "claimed":
            if not known:  # all that is in line goes to one customer
                of_provider(claim.provider or "")
            waits, known = 0, True
            status = _deliver(claim, context)
            if claim.message_id == record.body and status != "queued":
                return
        else:
            logger.info("turn_over", extra={"message_id": record.body, "outcome": claim.outcome})
            return
    queue.delay(lane, record.receipt_handle, 0)
    raise TryAgain("there is no time left for another message")


def _lane(record: SQSRecord) -> str:
    """Whose turn it is: of the queue that it came from."""
    bulk = settings.bulk_queue_arn_end
    return "bulk" if bulk and (record.event_source_arn or "").endswith(bulk) else "reply"


def _give_back(record: SQSRecord, error: Exception) -> None:
    """Let what failed for a reason of ours come again soon, and not after the queue's own visibility time-out."""
    count("TurnsFailed")
    if isinstance(error, StorageUnavailable):
        logger.warning("turn_failed", extra={"code": error.code, "reason": str(error)})
    else:
        log_bug("turn_failed", error)
    try:
        queue.delay(_lane(record), record.receipt_handle, back_off(_receives(record), 1, LONGEST_PAUSE_SECONDS))
    except Exception as refused:
        logger.warning("not_postponed", extra={"error": type(refused).__name__})


def _receives(record: SQSRecord) -> int:
    return int(record.attributes.approximate_receive_count)


def _waited(record: SQSRecord, lane: str, claim: Claim, in_a_crowd: bool) -> bool:
    """Wait here, if that is soon over; otherwise give the turn back to the queue, or to the sweep (False)."""
    seconds = claim.wait_seconds or 0.0
    if claim.reason == BUSY:
        seconds = min(seconds, BUSY_SECONDS)
    # Bulk sends have senders of their own, which may as well wait here.
    away = in_a_crowd and claim.reason == CROWDED and lane == "reply"
    if away:
        seconds = max(seconds, back_off(_receives(record), FIRST_RETRY_SECONDS, LONGEST_CROWDED_SECONDS))
    elif seconds <= WAITED_FOR_SECONDS:
        time.sleep(max(0.0, seconds))
        return True
    count("TurnsWaiting")
    told = {"message_id": record.body, "seconds": round(seconds, 1), "reason": claim.reason}
    logger.info("turn_waits", extra=told)
    if seconds <= QUEUED_FOR_SECONDS and _receives(record) < RECEIVES:
        queue.delay(lane, record.receipt_handle, math.ceil(seconds))
        raise TryAgain(claim.reason)
    leave_outbound(database, record.body, timedelta(seconds=seconds))
    return False


def _deliver(claim: Claim, context: LambdaContext) -> str | None:
    """Hand the claimed message to its provider and keep what became of it. Returns its delivery status."""
    message_id = claim.message_id or ""
    message = claim.message(f"{settings.public_base_url}/webhooks/{claim.provider}/status?message_id={message_id}")
    try:
        receipt = _send(message)
    except SendError as error:
        return _finish_unsent(claim, error, context)
    status = _kept(lambda: finish_sent(database, message_id, receipt), context)
    count("Sent")
    logger.info("sent", extra={"message_id": message_id, "provider": claim.provider, "status": status})
    return status


def _finish_unsent(claim: Claim, error: SendError, context: LambdaContext) -> str | None:
    wait = timedelta(seconds=back_off(claim.attempts or 1, FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS))
    unsent = _kept(lambda: finish_unsent(database, claim.message_id or "", error, wait), context)
    code = error.provider_code or error.code
    logger.warning("unsent", extra={"message_id": claim.message_id, "code": code, "status": unsent.status})
    count(f"Send{type(error).__name__}")
    if unsent.stopped:
        count("AddressesStopped")
        logger.error("address_stopped", extra={"provider": claim.provider, "code": code, "reason": str(error)})
    return unsent.status


def _send(message: OutboundMessage) -> Receipt:
    """Call the provider; whatever is neither a receipt nor a SendError may have been sent."""
    try:
        credentials = secrets.of(message.provider, settings.secret_id(message.provider))
        return provider_named(message.provider).send(message, credentials, http)
    except SendError:
        raise
    except NotConfigured as error:
        raise Misconfigured(str(error)) from error
    except Exception as error:
        log_bug("send_failed", error, message_id=message.id)
        raise Uncertain(f"sending ended in {type(error).__name__}") from error


def _kept(finish: Callable[[], Result], context: LambdaContext) -> Result:
    """Keep a provider's answer, however often that takes: it is known nowhere else, and uncertain without it."""
    while True:
        try:
            return finish()
        except StorageUnavailable:
            if context.get_remaining_time_in_millis() < settings.database_timeout_ms + SPARE_MS:
                raise
            time.sleep(FINISH_AGAIN_SECONDS)


def indicate(kind: str, message_id: str, record: SQSRecord) -> None:
    """Show the customer at this message of theirs that we have read it, or write; if it fails, nothing is lost."""
    try:
        age = datetime.now(UTC).timestamp() - int(record.attributes.sent_timestamp) / 1000
        if kind == "typing" and age > INDICATED_FOR_SECONDS:
            return
        shown = find_indicated(database, message_id)
        indications = indications_named(shown.provider) if shown else None
        if shown is None or indications is None or kind not in indications.KINDS:
            return
        credentials = secrets.of(shown.provider, settings.secret_id(shown.provider))
        indications.indicate(kind, shown.provider_message_id, shown.business_address, credentials, hasty)
        count("Indicated")
    except Exception as error:
        code = error.code if isinstance(error, SendError) else type(error).__name__
        logger.info("not_indicated", extra={"message_id": message_id, "kind": kind, "code": code})
