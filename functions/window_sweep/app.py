"""The sweep: on a schedule, close windows, announce closing ones, rescue stranded sends, publish events, queue what is
still to be fetched from providers, count.

Each step works in bounded batches and stops in time; what is left is taken up by the next tick.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import BotoCoreError, ClientError

from ventana.fetch_queues import LookupQueue, MediaQueue
from ventana.schema.connection import Database
from ventana.schema.conversations import statistics
from ventana.schema.events import Event, claim_events, finish_events
from ventana.schema.lookups import queue_lookups
from ventana.schema.media import queue_media
from ventana.schema.windows import rescue_sends, sweep_windows
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.telemetry import count, gauge, logger, measured

settings = Settings.from_environment()
database = Database(settings)
queue = SendQueue(settings.required("send_queue_url"))
media = MediaQueue(settings.media_queue_url) if settings.media_queue_url else None
lookups = LookupQueue(settings.lookup_queue_url) if settings.lookup_queue_url else None
bus = boto3.client("events")

BATCH = 500
EVENTS_A_CALL = 10  # as many as PutEvents takes
SPARE_MS = 5_000  # what a batch may still take when time runs out
EVENT_LEASE = timedelta(minutes=2)
ACCEPTED_FOR = timedelta(seconds=60)
QUEUED_FOR = timedelta(minutes=30)  # longer than all back-offs of one message
LOOKUP_BATCH = 100  # a tick; fewer than one account's worker asks for in a minute
FETCH_AGAIN = timedelta(minutes=30)  # what is queued and was lost there; a double entry costs one look at its row


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Do one tick; returns how many of each were done, and whether anything was left for the next."""
    kinds = ("closing", "closed", "requeued", "uncertain", "published", "media", "lookups", "left")
    tick = dict.fromkeys(kinds, 0)
    for step in (_sweep, _rescue, _publish, _fetch):
        while step(tick):
            if context.get_remaining_time_in_millis() < SPARE_MS:
                tick["left"] = 1
                break
    for name, number in tick.items():
        count(f"Sweep{name.title()}", number)
    _report_statistics()
    logger.info("swept", extra=tick)
    return tick


def _sweep(tick: dict[str, int]) -> bool:
    swept = sweep_windows(database, timedelta(minutes=settings.window_warning_minutes), BATCH)
    tick["closing"] += swept.closing
    tick["closed"] += swept.closed
    return BATCH in (swept.closing, swept.closed)


def _rescue(tick: dict[str, int]) -> bool:
    rescued = rescue_sends(database, ACCEPTED_FOR, QUEUED_FOR, BATCH)
    for send in rescued:
        if send.outcome == "stranded":
            queue.put(send.message_id, send.conversation_id, ticket=f"rescue-{int(time.time()) // 60}")
            tick["requeued"] += 1
        else:
            tick["uncertain"] += 1
    return False  # stranded rows stay due until a sender claims them: one look a tick


def _publish(tick: dict[str, int]) -> bool:
    events = claim_events(database, EVENTS_A_CALL, EVENT_LEASE)
    if not events:
        return False
    answer = bus.put_events(Entries=[_entry(event) for event in events])
    taken = [event.id for event, entry in zip(events, answer["Entries"], strict=True) if not entry.get("ErrorCode")]
    finish_events(database, taken)
    tick["published"] += len(taken)
    return len(taken) == EVENTS_A_CALL


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


def _entry(event: Event) -> Any:
    return {
        "Time": event.occurred_at,
        "Source": "ventana",
        "DetailType": event.name,
        "Detail": json.dumps({"event_id": event.id, **event.detail}, ensure_ascii=False),
        "EventBusName": settings.required("event_bus_name"),
    }


def _report_statistics() -> None:
    for row in statistics(database):
        for name, value in asdict(row).items():
            if name != "provider":
                gauge(f"Conversations{name.title().replace('_', '')}", value, provider=row.provider)
