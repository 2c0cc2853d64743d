"""The sender: takes message ids from the queue and hands each message to its provider, once.

claim → the window again → provider.send → finish. What may safely be tried again goes back to the queue with back-off;
what may have been sent is uncertain and is never sent a second time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.back_off import back_off
from ventana.errors import NotConfigured, SendError, Uncertain, Unreachable
from ventana.http import transport
from ventana.messages import OutboundMessage, Receipt
from ventana.providers import provider_named
from ventana.schema.connection import Database
from ventana.schema.outbound import claim_outbound, finish_sent, finish_unsent
from ventana.secrets import SecretStore
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import count, log_bug, logger, measured

settings = Settings.from_environment()
secrets = SecretStore()
database = Database(settings, secrets)
queue = SendQueue(settings.required("send_queue_url"))
http = transport(settings.simulator_url)
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False  # a batch of one that must come again is no error of the function

FIRST_RETRY_SECONDS = 2
LONGEST_RETRY_SECONDS = 900


class TryAgain(Exception):
    """Tells the batch processor to give the entry, and what is behind it in its conversation, back to the queue."""


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deliver one batch; answers which entries are to come again."""
    return dict(process_partial_response(event, deliver, processor, context))


def deliver(record: SQSRecord) -> None:
    """Deliver the message whose id is the record's body. Raises TryAgain when it is to come again."""
    message_id = record.body
    claim = claim_outbound(
        database,
        message_id,
        timedelta(seconds=settings.lease_seconds),
        timedelta(seconds=settings.window_margin_seconds),
    )
    count(f"Outbound{claim.outcome.title().replace('_', '')}")
    if claim.outcome == "leased":
        raise TryAgain("another sender has this message")
    if claim.outcome != "claimed":
        logger.info("not_sent", extra={"message_id": message_id, "outcome": claim.outcome})
        return
    status_url = f"{settings.public_base_url}/webhooks/{claim.provider}/status?message_id={message_id}"
    try:
        receipt = _send(claim.message(message_id, status_url))
    except SendError as error:
        status = finish_unsent(database, message_id, error)
        code = error.provider_code or error.code
        logger.warning("unsent", extra={"message_id": message_id, "code": code, "status": status})
        if status == "queued":
            queue.delay(
                record.receipt_handle, back_off(claim.attempts or 1, FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
            )
            raise TryAgain("the provider did not take it yet") from error
        return
    status = finish_sent(database, message_id, receipt)
    logger.info("sent", extra={"message_id": message_id, "provider": claim.provider, "status": status})


def _send(message: OutboundMessage) -> Receipt:
    """Call the provider; whatever is neither a receipt nor a SendError may have been sent."""
    try:
        credentials = secrets.of(message.provider, settings.secret_id(message.provider))
        return provider_named(message.provider).send(message, credentials, http)
    except SendError:
        raise
    except NotConfigured as error:
        raise Unreachable(str(error)) from error
    except Exception as error:
        log_bug("send_failed", error, message_id=message.id)
        raise Uncertain(f"sending ended in {type(error).__name__}") from error
