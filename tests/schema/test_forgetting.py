"""Events are forgotten when they have been published for a week, in small batches, and never before they were."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from tests.schema.conftest import AtOnce, read_so_far, rows
from tests.schema.sending import DAY, HOUR, NOW, SECOND, conversation
from ventana.schema.connection import Database
from ventana.schema.events import claim_events, finish_events
from ventana.schema.windows import forget

LEASE = timedelta(minutes=1)
FILL = """
insert into events (name, detail, occurred_at, published_at)
select 'MessageReceived', jsonb_build_object('n', n), %s, %s from generate_series(1, %s) n
"""


def published(database: Database, number: int, at: datetime = NOW) -> None:
    rows(database, FILL, at, at, number)


def left(database: Database) -> int:
    return int(rows(database, "select count(*) from events")[0][0])


@pytest.mark.parametrize(
    ("age", "remembered"), [(timedelta(0), True), (7 * DAY - SECOND, True), (7 * DAY, True), (7 * DAY + SECOND, False)]
)
def test_published_events_are_kept_for_seven_days(database: Database, age: timedelta, remembered: bool) -> None:
    conversation(database)
    (event,) = claim_events(database, 10, LEASE, NOW)
    finish_events(database, [event.id])
    rows(database, "update events set published_at = %s", NOW)
    assert forget(database, 100, NOW + age) == (0 if remembered else 1)
    assert left(database) == (1 if remembered else 0)


def test_what_was_not_published_is_never_forgotten(database: Database) -> None:
    """Neither what nobody took, nor what somebody took and did not confirm: both are published later."""
    conversation(database)
    conversation(database)
    assert len(claim_events(database, 1, LEASE, NOW)) == 1
    assert forget(database, 100, NOW + 400 * DAY) == 0
    assert len(claim_events(database, 10, LEASE, NOW + 400 * DAY)) == 2


def test_the_oldest_go_first_and_no_more_than_asked_for(database: Database) -> None:
    for hours in (3, 1, 2):
        published(database, 3, NOW + hours * HOUR)
    assert forget(database, 4, NOW + 8 * DAY) == 4
    assert rows(database, "select published_at, count(*) from events group by 1 order by 1") == [
        (NOW + 2 * HOUR, 2),
        (NOW + 3 * HOUR, 3),
    ]


def test_sweeps_at_once_forget_each_once(database: Database, at_once: AtOnce) -> None:
    published(database, 40)
    assert sum(at_once([lambda own: forget(own, 15, NOW + 8 * DAY)] * 4)) <= 40
    while forget(database, 15, NOW + 8 * DAY):
        pass
    assert left(database) == 0


def test_confirming_what_was_forgotten_is_no_error(database: Database) -> None:
    finish_events(database, [str(uuid4())])
    assert left(database) == 0


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_batch_reads_what_it_deletes(database: Database, connection: psycopg.Connection, analyzed: bool) -> None:
    """Also by a plan that was made before there was anything, among many that are younger and a backlog of old ones."""
    for _ in range(8):
        forget(database, 20, NOW)
    published(database, 2_000, NOW - 8 * DAY)
    published(database, 20_000)
    rows(database, FILL, NOW - 9 * DAY, None, 2_000)
    if analyzed:
        connection.execute("analyze events")
    before = read_so_far(database, "events")
    assert forget(database, 20, NOW) == 20
    assert read_so_far(database, "events") - before <= 3 * 20


def test_the_release_before_goes_on_as_it_did(database: Database) -> None:
    """Its sweep, as the application's role, while this release is being deployed."""
    published(database, 1)
    assert database.value("select forget_v1(10, %s)", (NOW + 8 * DAY,)) == 0
    assert left(database) == 1
