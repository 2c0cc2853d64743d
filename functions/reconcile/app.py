"""The reconciler: on a schedule, ask providers which messages they took, for us and from us.

Customers' messages that never arrived are recorded: it reads a provider's list page by page, stops in time and keeps
its place; the next run goes on there. An event with {"grace_seconds": 0} looks at the last minute as well.

Sends whose answer was lost are settled: those that the provider has get its id, those that it has not go into line
again, and those of which it cannot tell are asked for later, ever more rarely.

Templates that they have approved are asked for once an hour; at once by an event with {"templates": true}.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.errors import NotConfigured, StorageUnavailable, Unreachable, VentanaError
from ventana.http import HttpReply, HttpRequest, Transport, paced, transport
from ventana.opt_out import with_preferences
from ventana.providers import PROVIDERS, listing_named, settling_named, templating_named
from ventana.providers.base import Page, Settling, Templating
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound, turns_of
from ventana.schema.reconcile import Cursor, find_cursor, finish_listing, keep_place, known_messages
from ventana.schema.settle import Unsettled, claim_unsettled, settle_listed, settle_message
from ventana.schema.templates import replace_templates, templates_refreshed_at
from ventana.secrets import ProviderSecrets, SecretStore
from ventana.send_queue import SendQueue, Turn
from ventana.settings import Settings
from ventana.telemetry import count, log_bug, logger, measured

settings = Settings.from_environment()
secrets = SecretStore()
database = Database(settings, secrets)
queue = SendQueue(settings.send_queue_urls())
http = transport(settings.simulator_url)

FIRST_LOOK = timedelta(hours=24)
OVERLAP = timedelta(minutes=10)  # for lists that show a message late, and clocks that differ
GRACE_SECONDS = 60  # a webhook that is still on its way tells more than the list does, so it goes first
PLACE_LASTS = timedelta(hours=1)
BATCH = 50  # a statement holds its customers' rows, and webhooks wait for those
SPARE_MS = 60_000  # what a page with files, one request each, may still take when time runs out
UNSETTLED_AT_ONCE = 5  # whoever claims them and stops leaves them for minutes
BEFORE_CLAIM = timedelta(seconds=30)  # clocks differ
ASK_MS = 30_000  # what one more question and what follows from its answer may take
REFRESH_AFTER = timedelta(minutes=58)  # an hour, for a clock that ticks each five minutes


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, dict[str, Any]]:
    """Do one run; returns for each provider how many messages were listed and recovered, and what went wrong.

    And under "sends" how many uncertain ones were settled, turned out to be untaken, and are still unsettled; under
    "templates" how many each provider has approved that was asked for them, or what went wrong.
    """
    until = datetime.now(UTC) - timedelta(seconds=event.get("grace_seconds", GRACE_SECONDS))
    runs = {provider: _run(provider, until, context) for provider in settings.reconcile_providers}
    return {**runs, "sends": _settle(context), "templates": _refresh(event.get("templates") is True, context)}


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
    items = with_preferences(page.items)
    for start in range(0, len(items), BATCH):
        recorded = record_inbound(database, items[start : start + BATCH])
        queue.put_quietly(turns_of(recorded), "recorded")
        run["recovered"] += sum(row.outcome == "recorded" for row in recorded)
        run["parked"] += sum(row.outcome == "parked" for row in recorded)


def _settle(context: LambdaContext) -> dict[str, int]:
    """Settle what can be settled with every provider that tells; one that is not set up has nothing to tell."""
    sends = {"settled": 0, "untaken": 0, "unsettled": 0}
    for provider in PROVIDERS:
        settling = settling_named(provider)
        if settling is None or provider not in settings.secret_ids:
            continue
        try:
            _settle_with(provider, settling, sends, context)
        except NotConfigured:
            continue
    count("Settled", sends["settled"])
    count("SettledUntaken", sends["untaken"])
    count("Unsettled", sends["unsettled"])
    if any(sends.values()):
        logger.info("sends_settled", extra=sends)
    return sends


def _settle_with(provider: str, settling: Settling, sends: dict[str, int], context: LambdaContext) -> None:
    credentials = secrets.of(provider, settings.secret_id(provider))
    asking = _in_time(paced(http, settling.CALLS_PER_SECOND), context)
    while context.get_remaining_time_in_millis() > ASK_MS:
        unsettled = claim_unsettled(database, provider, UNSETTLED_AT_ONCE)
        for send in unsettled:
            sends[_settled(send, settling, credentials, asking)] += 1
        if len(unsettled) < UNSETTLED_AT_ONCE:
            return


def _in_time(asking: Transport, context: LambdaContext) -> Transport:
    def call(request: HttpRequest) -> HttpReply:
        if context.get_remaining_time_in_millis() < ASK_MS:
            raise Unreachable("there is no time left to ask")
        return asking(request)

    return call


def _settled(send: Unsettled, settling: Settling, credentials: ProviderSecrets, asking: Transport) -> str:
    """Ask for one send and keep what the provider tells. Raises NotConfigured and StorageUnavailable."""

    def known(ids: Iterable[str]) -> set[str]:
        return known_messages(database, send.provider, ids)

    since, until = send.claimed_at - BEFORE_CLAIM, datetime.now(UTC)
    try:
        receipt = settling.find_taken(send.message(), since, until, credentials, asking, known)
    except (NotConfigured, StorageUnavailable):
        raise
    except VentanaError as error:
        logger.info("unsettled", extra={"message_id": send.message_id, "code": error.code, "reason": str(error)})
        return "unsettled"
    except Exception as error:
        log_bug("settle_failed", error, message_id=send.message_id)
        return "unsettled"
    if receipt is not None:
        settle_listed(database, send.message_id, receipt)
        return "settled"
    found = settle_message(database, send.message_id, "untaken", "listed")
    if found.status == "queued":
        queue.put_quietly([Turn(send.message_id, send.conversation_id, found.lane or "reply")], "untaken")
    return "untaken"


def _refresh(at_once: bool, context: LambdaContext) -> dict[str, int | str]:
    """Keep what providers have approved. Where one does not tell all, what it told before stays, and is asked again."""
    found: dict[str, int | str] = {}
    for provider in PROVIDERS:
        templating = templating_named(provider)
        if templating is None or provider not in settings.secret_ids:
            continue
        try:
            if at_once or _is_due(provider):
                found[provider] = _refresh_from(provider, templating, context)
        except NotConfigured:
            continue
        except StorageUnavailable:
            raise
        except VentanaError as error:
            found[provider] = error.code
            logger.warning("templates_failed", extra={"provider": provider, "code": error.code, "reason": str(error)})
        except Exception as error:
            found[provider] = "internal"
            log_bug("templates_failed", error, provider=provider)
    return found


def _is_due(provider: str) -> bool:
    last = templates_refreshed_at(database, provider)
    return last is None or last < datetime.now(UTC) - REFRESH_AFTER


def _refresh_from(provider: str, templating: Templating, context: LambdaContext) -> int:
    credentials = secrets.of(provider, settings.secret_id(provider))
    asking = _in_time(paced(http, templating.CALLS_PER_SECOND), context)
    number = replace_templates(database, provider, list(templating.offered(credentials, asking)))
    logger.info("templates_refreshed", extra={"provider": provider, "templates": number})
    return number
