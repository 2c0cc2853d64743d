"""How things are, and how they went: one look at everything, for whoever leads the desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from ventana.api import overview_views as views
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.operations import Operations
from ventana.api.services import Services
from ventana.dead_letters import DeadLetterCount
from ventana.providers import PROVIDERS
from ventana.schema.addresses import count_stopped
from ventana.schema.connection import Database
from ventana.schema.conversations import ProviderStatistics, statistics
from ventana.schema.parked import count_parked
from ventana.schema.sends import count_held, count_uncertain
from ventana.schema.statistics import Flow, Step, failures, flows, open_windows, progress
from ventana.telemetry import logger

RANGES: dict[views.Range, tuple[Step, int]] = {"24h": ("hour", 24), "7d": ("hour", 7 * 24), "30d": ("day", 30)}
STEPS: dict[Step, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
CLOSING = timedelta(hours=1)
MOST = 1000
"""What is counted row by row is counted so far: who sees a thousand needs no more."""


def register(app: Api, services: Services) -> None:
    """Add the overview."""
    operations = Operations(app, "overview")

    @operations.get("/v1/overview", views.Overview)
    def show_overview(within: Annotated[views.Range, Query(alias="range")] = "24h") -> Response[Any]:
        """Show how all conversations are, and how messages went in a range of time.

        Hours and days are those of UTC; the last of them has only begun.
        """
        shown = asdict(_overview(services, within, datetime.now(UTC)))
        return answer(200, {("from" if name == "since" else name): value for name, value in shown.items()})


def _overview(services: Services, within: views.Range, now: datetime) -> views.Overview:
    database = services.database
    step, number = RANGES[within]
    begun = now.replace(minute=0, second=0, microsecond=0)
    if step == "day":
        begun = begun.replace(hour=0)
    since = begun - (number - 1) * STEPS[step]
    found = [_whole(flow) for flow in flows(database, since, step)]
    providers, last = statistics(database), progress(database)
    return views.Overview(
        range=within,
        since=since,
        to=now,
        step=step,
        providers=providers,
        windows=_windows(database, providers, now),
        series=_series([since + place * STEPS[step] for place in range(number)], found),
        funnel=_funnel(found),
        failures=failures(database, since),
        parked=count_parked(database, since, MOST),
        waiting=views.Stuck(
            count_uncertain(database, services.settle_after), count_held(database, MOST), count_stopped(database)
        ),
        dead_letters=_dead_letters(services),
        last_sweep={"at": last.swept_at, **(last.tick or {})} if last and last.swept_at else None,
        counted_to=last.counted_to if last else since,
    )


def _windows(database: Database, providers: Sequence[ProviderStatistics], now: datetime) -> list[views.Windows]:
    known = {each.provider: each for each in open_windows(database, [*PROVIDERS], now, CLOSING)}
    found = []
    for provider in providers:
        own = known.get(provider.provider)
        is_open, closing = (own.open, own.closing) if own else (0, 0)
        # The two were counted one after the other.
        found.append(views.Windows(provider.provider, is_open, closing, max(provider.total - is_open, 0)))
    return found


def _whole(flow: Flow) -> Flow:
    """What was read was delivered, and so on, also while the event that told so is still to be published."""
    delivered = max(flow.delivered, flow.read)
    sent = max(flow.sent, delivered)
    return replace(flow, delivered=delivered, sent=sent, accepted=max(flow.accepted, sent))


def _series(steps: Sequence[datetime], found: Sequence[Flow]) -> list[views.Point]:
    known = {(flow.at, flow.provider): flow for flow in found}
    rows = [known.get((at, provider), Flow(at, provider)) for at in steps for provider in PROVIDERS]
    return [views.Point(row.at, row.provider, row.received, row.sent, row.failed) for row in rows]


def _funnel(found: Sequence[Flow]) -> views.Funnel:
    names = ("accepted", "sent", "delivered", "read", "failed")
    return views.Funnel(*(sum(getattr(flow, name) for flow in found) for name in names))


def _dead_letters(services: Services) -> list[DeadLetterCount] | None:
    """Queues that are away hide nothing else."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return services.dead_letters.waiting()
    except (BotoCoreError, ClientError) as error:
        logger.warning("dead_letters_unknown", extra={"error": type(error).__name__})
        return None
