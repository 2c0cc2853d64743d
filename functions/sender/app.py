"""The sender: takes turns from the queues and hands messages to their provider, in order, at its pace, once.

claim → provider.send → finish, from the first message in line up to the one whose turn it is. What must wait a moment
is waited for here, what must wait longer comes back by the queue, what must wait long by the sweep. What may have been
sent is uncertain and is never sent a second time.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.back_off import back_off
from ventana.errors import Misconfigured, NotConfigured, SendError, Uncertain
from ventana.http import transport
from ventana.messages import OutboundMessage, Receipt
from ventana.outbox import Outbox
from ventana.providers import PROVIDERS, limits_named, provider_named
from ventana.schema.connection import Database
from ventana.schema.dispatch import Claim, claim_outbound, finish_sent, finish_unsent, leave_outbound, paces_json
from ventana.secrets import SecretStore
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import count, log_bug, logger, measured

settings = Settings.from_environment()
secrets = SecretStore()
database = Database(settings, secrets)
queue = SendQueue(settings.send_queue_urls())
outbox = Outbox(database, settings.event_bus_name)
http = transport(settings.simulator_url, read_seconds=settings.provider_timeout_ms / 1000)
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False  # a batch of one that must come again is no error of the function
PACES = paces_json({name: limits_named(name).PACE for name in PROVIDERS})

FIRST_RETRY_SECONDS = 2
LONGEST_RETRY_SECONDS = 900
WAITED_FOR_SECONDS = 1.5  # what is due within this is waited for here: pace, mostly
QUEUED_FOR_SECONDS = 120.0  # what is due within this waits in the queue, and keeps its conversation's place there
SPARE_MS = 3_000  # beside the provider's time-out: what claiming and finishing may take


class TryAgain(Exception):
    """Tells the batch processor to give the turn, and what is behind it in its conversation, back to the queue."""


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take the turns of one batch; answers which of them are to come again."""

    def take(record: SQSRecord) -> None:
        take_turn(record, context)

    try:
        return dict(process_partial_response(event, take, processor, context))
    finally:
        outbox.publish_quietly()


def take_turn(record: SQSRecord, context: LambdaContext) -> None:
    """Send what is in line up to the message that the turn is for. Raises TryAgain when the turn is to come again."""
    lane = _lane(record)
    lease, margin = timedelta(seconds=settings.lease_seconds), timedelta(seconds=settings.window_margin_seconds)
    while context.get_remaining_time_in_millis() > settings.provider_timeout_ms + SPARE_MS:
        claim = claim_outbound(database, record.body, lane, PACES, lease, margin)
        if claim.outcome == "wait":
            if not _waited(record, lane, timedelta(seconds=claim.wait_seconds or 0), claim.reason):
                return
        elif claim.outcome == "claimed":
            status = _deliver(claim)
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


def _waited(record: SQSRecord, lane: str, wait: timedelta, reason: str | None) -> bool:
    """Wait here, if that is soon over; otherwise give the turn back to the queue, or to the sweep (False)."""
    count("TurnsWaiting")
    seconds = wait.total_seconds()
    if seconds <= WAITED_FOR_SECONDS:
        time.sleep(seconds)
        return True
    logger.info("turn_waits", extra={"message_id": record.body, "seconds": round(seconds, 1), "reason": reason})
    if seconds <= QUEUED_FOR_SECONDS:
        queue.delay(lane, record.receipt_handle, math.ceil(seconds))
        raise TryAgain(reason)
    leave_outbound(database, record.body, wait)
    return False


def _deliver(claim: Claim) -> str | None:
    """Hand the claimed message to its provider and keep what became of it. Returns its delivery status."""
    message_id = claim.message_id or ""
    message = claim.message(f"{settings.public_base_url}/webhooks/{claim.provider}/status?message_id={message_id}")
    try:
        receipt = _send(message)
    except SendError as error:
        wait = timedelta(seconds=back_off(claim.attempts or 1, FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS))
        unsent = finish_unsent(database, message_id, error, wait)
        code = error.provider_code or error.code
        logger.warning("unsent", extra={"message_id": message_id, "code": code, "status": unsent.status})
        count(f"Send{type(error).__name__}")
        if unsent.stopped:
            count("AddressesStopped")
            logger.error("address_stopped", extra={"provider": claim.provider, "code": code, "reason": str(error)})
        return unsent.status
    status = finish_sent(database, message_id, receipt)
    count("Sent")
    logger.info("sent", extra={"message_id": message_id, "provider": claim.provider, "status": status})
    return status


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
