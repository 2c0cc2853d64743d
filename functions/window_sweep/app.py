"""The sweep: on a schedule, close windows, announce closing ones, give a turn to sends that nobody works on, end those
whose time is over, publish events, queue what is still to be fetched from providers, count, forget.

Each step works in bounded batches and stops in time; what is left is taken up by the next tick.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from ventana.fetch_queues import LookupQueue, MediaQueue
from ventana.outbox import EVENTS_A_CALL, Outbox
from ventana.schema.addresses import count_stopped
from ventana.schema.connection import Database
from ventana.schema.conversations import add_counts, statistics
from ventana.schema.dispatch import leave_outbound
from ventana.schema.lookups import queue_lookups
from ventana.schema.media import queue_media
from ventana.schema.sends import count_uncertain
from ventana.schema.statistics import count_events, finish_sweep
from ventana.schema.windows import forget, sweep_sends, sweep_windows
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import count, gauge, logger, measured

settings = Settings.from_environment()
database = Database(settings)
queue = SendQueue(settings.send_queue_urls())
media = MediaQueue(settings.media_queue_url) if settings.media_queue_url else None
lookups = LookupQueue(settings.lookup_queue_url) if settings.lookup_queue_url else None
outbox = Outbox(database, settings.required("event_bus_name"), call_seconds=5.0)

BATCH = 500
SENDS_BATCH = 100
EVENTS_BATCH = 5_000
KINDS = (
    "closing",
    "closed",
    "turn",
    "expired",
    "uncertain",
    "published",
    "media",
    "lookups",
    "counted",
    "forgotten",
    "left",
)
NEXT_TICK = timedelta(seconds=30)
QUEUE_SECONDS = 10.0  # for the turns of one batch
SPARE_MS = 15_000  # what the last batch and a look at everything else may still take when time runs out
LOOKUP_BATCH = 100  # a tick; fewer than one account's worker asks for in a minute
FETCH_AGAIN = timedelta(minutes=30)  # what is queued and was lost there; a double entry costs one look at its row


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Do one tick; returns how many of each were done, and whether anything was left for the next."""
    tick = dict.fromkeys(KINDS, 0)
    for step in (_sweep_windows, _sweep_sends, _publish, _fetch, _count, _forget):
        while step(tick):
            if context.get_remaining_time_in_millis() < SPARE_MS:
                tick["left"] = 1
                break
    for name, number in tick.items():
        count(f"Sweep{name.title()}", number)
    _report_statistics()
    finish_sweep(database, tick)
    logger.info("swept", extra=tick)
    return tick


def _sweep_windows(tick: dict[str, int]) -> bool:
    swept = sweep_windows(database, timedelta(minutes=settings.window_warning_minutes), BATCH)
    tick["closing"] += swept.closing
    tick["closed"] += swept.closed
    return swept.more


def _sweep_sends(tick: dict[str, int]) -> bool:
    """A queue that is away fails no tick: what was not queued is due again in the next."""
    swept = sweep_sends(database, SENDS_BATCH)
    for outcome, number in Counter(send.outcome for send in swept).items():
        tick[outcome] += number
    turns = [send.turn() for send in swept if send.outcome == "turn"]
    try:
        ticket = f"sweep-{int(time.time()) // 60}"
        taken = queue.put(turns, ticket, until=time.monotonic() + QUEUE_SECONDS)
    except (BotoCoreError, ClientError) as error:
        logger.warning("not_queued", extra={"error": type(error).__name__})
        taken = []
    for turn in turns:
        if turn not in taken:
            leave_outbound(database, turn.message_id, NEXT_TICK)
    return len(swept) == SENDS_BATCH and (bool(taken) or not turns)


def _publish(tick: dict[str, int]) -> bool:
    """A bus that is away fails no tick: the events wait."""
    try:
        published = outbox.publish()
    except (BotoCoreError, ClientError) as error:
        logger.warning("not_published", extra={"error": type(error).__name__})
        return False
    tick["published"] += published
    return published == EVENTS_A_CALL


def _count(tick: dict[str, int]) -> bool:
    """Before anything is forgotten: after a week without a sweep, what is forgotten next is not counted yet."""
    if tick["left"]:
        return False
    batch = count_events(database, EVENTS_BATCH)
    tick["counted"] += batch.counted
    return batch.behind


def _forget(tick: dict[str, int]) -> bool:
    if tick["left"]:
        return False
    tick["forgotten"] += (forgotten := forget(database, BATCH))
    return forgotten >= BATCH


def _fetch(tick: dict[str, int]) -> bool:
    """Nothing waits for files and phones: a queue that is away fails no tick, and one that is late leaves them."""
    if tick["left"]:
        return False
    try:
        if media:
            tick["media"] += media.put(queue_media(database, BATCH, FETCH_AGAIN))
        if lookups:
            due = queue_lookups(database, LOOKUP_BATCH, FETCH_AGAIN)
            tick["lookups"] += lookups.put(due, ticket=str(int(time.time()) // 60))
    except (BotoCoreError, ClientError) as error:
        logger.warning("not_queued", extra={"error": type(error).__name__})
    return False  # one look a tick, so that a backlog does not fill the queues faster than it is worked off


def _report_statistics() -> None:
    add_counts(database)
    for row in statistics(database):
        for name, value in asdict(row).items():
            if name != "provider":
                gauge(f"Conversations{name.title().replace('_', '')}", value, provider=row.provider)
    gauge("AddressesStopped", count_stopped(database))
    gauge("UncertainSends", count_uncertain(database, timedelta(seconds=settings.settle_after_seconds)))
