"""The contact lookup: asks a provider for the phone and name behind a contact, one account at a time and not too fast.

claim → lookup → record → finish. The queue is FIFO with a group for each account, so calls for one never overlap, and
each invocation lasts as long as two calls must be apart. What failed is put off in the table, and the sweep comes back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.errors import AskedTooMuch, NotConfigured, StorageUnavailable, Unavailable
from ventana.fetch_queues import LookupQueue
from ventana.http import transport
from ventana.messages import Customer, IdentityChange
from ventana.providers import contacts_named
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.lookups import Contact, claim_lookup, finish_lookup, pause_lookups, postpone_lookup
from ventana.secrets import SecretStore
from ventana.settings import Settings
from ventana.telemetry import count, log_bug, logger, measured

settings = Settings.from_environment()
secrets = SecretStore()
database = Database(settings, secrets)
http = transport(settings.simulator_url)
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False

SECONDS_A_CALL = 0.5
"""Two calls a second of the seven that the strictest provider allows: the others are for answers, which are urgent."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(days=1)


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look up the contacts of one batch; answers which entries are to come again."""
    return dict(process_partial_response(event, learn, processor, context))


def learn(record: SQSRecord) -> None:
    """Ask for the contact that the record means, unless its phone is known by now or its account pauses.

    Raises StorageUnavailable where the database is away: then the entry, and its account, wait in the queue.
    """
    contact = LookupQueue.read(record.body)
    outcome: str = claim_lookup(database, contact)
    if outcome == "needed":
        outcome = _learnt(contact)
    count(f"Lookup{outcome.title()}")
    logger.info("contact_lookup", extra={"provider": contact.provider, "outcome": outcome})


def _learnt(contact: Contact) -> str:
    try:
        with _paced():
            change = _asked(contact)
    except AskedTooMuch as error:
        pause_lookups(database, contact, error.pause, LONGEST_PAUSE)
        logger.error("lookups_paused", extra={"provider": contact.provider, "reason": str(error)})
        return "paused"
    except Unavailable as error:
        postpone_lookup(database, contact, FIRST_PAUSE, LONGEST_PAUSE)
        logger.warning("lookup_postponed", extra={"provider": contact.provider, "reason": str(error)})
        return "postponed"
    if change is not None:
        record_inbound(database, [change])
    finish_lookup(database, contact)
    return "unknown" if change is None or change.customer.phone is None else "found"


def _asked(contact: Contact) -> IdentityChange | None:
    """Raises Unavailable, whatever it is that went wrong."""
    try:
        contacts = contacts_named(contact.provider)
        if contacts is None:
            return None
        credentials = secrets.of(contact.provider, settings.secret_id(contact.provider))
        return contacts.lookup(Customer(contact_id=contact.contact_id), credentials, http)
    except (Unavailable, StorageUnavailable):
        raise
    except NotConfigured as error:
        raise Unavailable(str(error)) from error
    except Exception as error:
        log_bug("lookup_failed", error, provider=contact.provider)
        raise Unavailable(f"asking ended in {type(error).__name__}") from error


@contextmanager
def _paced() -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        time.sleep(max(0.0, SECONDS_A_CALL - (time.monotonic() - started)))
