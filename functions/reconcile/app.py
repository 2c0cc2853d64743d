"""The reconciler: on a schedule, ask providers which messages they took for us, and record those that never arrived.

It reads a provider's list page by page, stops in time and keeps its place; the next run goes on there. An event with
{"grace_seconds": 0} looks at the last minute as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.errors import NotConfigured, StorageUnavailable, VentanaError
from ventana.http import paced, transport
from ventana.providers import listing_named
from ventana.providers.base import Page
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.reconcile import Cursor, find_cursor, finish_listing, keep_place, known_messages
from ventana.secrets import SecretStore
from ventana.settings import Settings
from ventana.telemetry import count, logger, measured

settings = Settings.from_environment()
secrets = SecretStore()
database = Database(settings, secrets)
http = transport(settings.simulator_url)

FIRST_LOOK = timedelta(hours=24)
OVERLAP = timedelta(minutes=10)  # for lists that show a message late, and clocks that differ
GRACE_SECONDS = 60  # a webhook that is still on its way tells more than the list does, so it goes first
PLACE_LASTS = timedelta(hours=1)
BATCH = 50  # a statement holds its customers' rows, and webhooks wait for those
SPARE_MS = 60_000  # what a page with files, one request each, may still take when time runs out


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, dict[str, Any]]:
    """Do one run; returns for each provider how many messages were listed and recovered, and what went wrong."""
    until = datetime.now(UTC) - timedelta(seconds=event.get("grace_seconds", GRACE_SECONDS))
    return {provider: _run(provider, until, context) for provider in settings.reconcile_providers}


def _run(provider: str, until: datetime, context: LambdaContext) -> dict[str, Any]:
    run: dict[str, Any] = {"listed": 0, "recovered": 0, "parked": 0, "left": 0}
    try:
        _reconcile(provider, until, run, context)
    except VentanaError as error:
        run["failed"] = error.code
        logger.warning("reconcile_failed", extra={"provider": provider, "code": error.code, "reason": str(error)})
        if not isinstance(error, NotConfigured):
            count("ReconcileFailed")
        if isinstance(error, StorageUnavailable):
            raise
    finally:
        _report(provider, run)
    return run


def _report(provider: str, run: dict[str, Any]) -> None:
    count("ReconcileListed", run["listed"])
    count("ReconcileRecovered", run["recovered"])
    count("InboundParked", run["parked"])
    if run["recovered"]:
        logger.warning("messages_recovered", extra={"provider": provider, "recovered": run["recovered"]})
    logger.info("reconciled", extra={"provider": provider, **run})


def _reconcile(provider: str, until: datetime, run: dict[str, Any], context: LambdaContext) -> None:
    """Read the list until it ends or the time does. What goes wrong half-way leaves the cursor at the last page."""
    listing = listing_named(provider)
    if listing is None:
        raise NotConfigured(f"{provider} has no list of messages: take it out of RECONCILE_PROVIDERS")
    credentials = secrets.of(provider, settings.secret_id(provider))
    since, until, place = _stretch(find_cursor(database, provider), until)

    def known(ids: Iterable[str]) -> set[str]:
        return known_messages(database, provider, ids)

    pages = listing.missed(since, until, credentials, paced(http, listing.CALLS_PER_SECOND), known, place)
    while context.get_remaining_time_in_millis() > SPARE_MS:
        page = next(pages)
        _record(page, run)
        if page.place is None:
            finish_listing(database, provider, until)
            return
        keep_place(database, provider, since, until, page.place)
    run["left"] = 1


def _stretch(cursor: Cursor, until: datetime) -> tuple[datetime, datetime, str | None]:
    """What to list: the rest of an unfinished run, or all since the last one. A place is not good for ever."""
    lasting = cursor.updated_at and cursor.updated_at > datetime.now(UTC) - PLACE_LASTS
    if lasting and cursor.listing_since and cursor.listing_until:
        return cursor.listing_since, cursor.listing_until, cursor.place
    since = cursor.checked_until - OVERLAP if cursor.checked_until else until - FIRST_LOOK
    return since, until, None


def _record(page: Page, run: dict[str, Any]) -> None:
    run["listed"] += page.listed
    for start in range(0, len(page.items), BATCH):
        recorded = record_inbound(database, page.items[start : start + BATCH])
        run["recovered"] += sum(row.outcome == "recorded" for row in recorded)
        run["parked"] += sum(row.outcome == "parked" for row in recorded)
