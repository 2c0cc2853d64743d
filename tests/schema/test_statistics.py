"""Statistics by the hour are counted from published events: each event once, and a funnel that never widens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import psycopg
import pytest

from tests.schema.conftest import AtOnce, read_so_far, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    answer,
    claimed,
    conversation,
    report,
    sent,
    unsent,
    writes,
)
from ventana.errors import Rejected, Throttled, Uncertain
from ventana.messages import Customer, InboundMessage, StatusUpdate
from ventana.providers import PROVIDERS
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.schema.settle import cancel_message, retry_message, settle_message
from ventana.schema.statistics import (
    Counted,
    Failures,
    Flow,
    OpenWindows,
    count_events,
    failures,
    finish_sweep,
    flows,
    open_windows,
    progress,
)
from ventana.schema.windows import forget, sweep_sends

HOUR_0 = NOW.replace(minute=0, second=0)


def counted(database: Database) -> list[Flow]:
    """What there is when all has been published and counted."""
    if progress(database) is None:
        count_events(database, 1_000)
    found = progress(database)
    assert found
    rows(database, "update events set published_at = %s where published_at is null", found.counted_to)
    while count_events(database, 1_000, found.counted_to + MINUTE).behind:
        pass
    return flows(database, HOUR_0 - 400 * DAY, "hour")


def whole(found: list[Flow]) -> dict[str, int]:
    """The sums of all hours, without what is zero."""
    names = ("received", "accepted", "sent", "delivered", "read", "failed")
    sums = {name: sum(getattr(flow, name) for flow in found) for name in names}
    return {name: number for name, number in sums.items() if number}


def went(database: Database, at: datetime = NOW) -> str:
    """A message that the provider took, and has not reported on."""
    message_id = claimed(database, answer(database, conversation(database, at=at), at=at), at)
    sent(database, message_id, at)
    return message_id


def test_messages_count_for_their_hour(database: Database) -> None:
    customer = Customer(phone="+5511900000001")
    writes(database, customer, at=HOUR_0 + 59 * MINUTE)
    writes(database, customer, at=HOUR_0 + HOUR)
    writes(database, customer, at=HOUR_0 + 2 * HOUR - SECOND)
    assert counted(database) == [
        Flow(HOUR_0, "twilio", received=1),
        Flow(HOUR_0 + HOUR, "twilio", received=2),
    ]


ACCEPTED = {"received": 1, "accepted": 1}
SENT = {**ACCEPTED, "sent": 1}
DELIVERED = {**SENT, "delivered": 1}
READ = {**DELIVERED, "read": 1}


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ([], {"received": 1}),  # a provider has it, and has not said more
        (["sent"], SENT),
        (["sent", "delivered"], DELIVERED),
        (["sent", "delivered", "read"], READ),
        (["delivered"], DELIVERED),
        (["read"], READ),
        (["delivered", "read"], READ),
        (["sent", "read"], READ),
        (["failed"], {**ACCEPTED, "failed": 1}),
        (["sent", "failed"], {**SENT, "failed": 1}),
        (["failed", "sent", "read"], {**ACCEPTED, "failed": 1}),
        (["read", "failed"], READ),
        (["sent", "sent", "delivered", "delivered", "read", "read"], READ),
    ],
)
def test_who_is_told_of_the_last_step_is_told_of_those_before(
    database: Database, reported: list[str], expected: dict[str, int]
) -> None:
    """The provider's first word may be that it was read: then it was sent and delivered as well."""
    message_id = went(database)
    for status in reported:
        report(database, message_id, status, NOW + MINUTE)
    assert whole(counted(database)) == expected


@pytest.mark.parametrize("order", list(permutations(("sent", "delivered", "read"))))
def test_no_order_of_statuses_widens_the_funnel(database: Database, order: tuple[str, ...]) -> None:
    """Nor does counting in between, nor a provider's clock that runs backwards meanwhile."""
    message_id = went(database)
    for number, status in enumerate(order):
        report(database, message_id, status, NOW + (5 - number) * HOUR)
        for flow in counted(database):
            assert flow.accepted >= flow.sent >= flow.delivered >= flow.read
    assert whole(counted(database)) == READ


def test_what_is_delivered_later_counts_for_the_hour_in_which_it_was_sent(database: Database) -> None:
    message_id = went(database)
    report(database, message_id, "sent", NOW)
    before = counted(database)
    report(database, message_id, "delivered", NOW + 5 * HOUR)
    report(database, message_id, "read", NOW + 3 * DAY)
    assert (len(before), whole(before)) == (1, SENT)
    assert counted(database) == [Flow(HOUR_0, "twilio", received=1, accepted=1, sent=1, delivered=1, read=1)]


@pytest.mark.parametrize("order", list(permutations(("sent", "delivered", "read"))))
def test_events_that_are_published_in_any_order_come_to_the_same(database: Database, order: tuple[str, ...]) -> None:
    """Whoever had claimed one may have died: the sweep publishes it minutes after those that came behind it."""
    message_id = went(database)
    for number, status in enumerate(("sent", "delivered", "read")):
        report(database, message_id, status, NOW + number * HOUR)
    rows(database, "create table later as select * from events where detail ->> 'status' = any(%s)", list(order))
    rows(database, "delete from events where detail ->> 'status' = any(%s)", list(order))
    for status in order:
        rows(database, "insert into events select * from later where detail ->> 'status' = %s", status)
        counted(database)
    assert counted(database) == [Flow(HOUR_0, "twilio", received=1, accepted=1, sent=1, delivered=1, read=1)]


def test_what_ends_without_being_sent_was_accepted(database: Database) -> None:
    to = conversation(database)
    failed, cancelled, _expired = (answer(database, to, expires_in=10 * MINUTE) for _ in range(3))
    cancel_message(database, cancelled, "ana", NOW)
    claimed(database, failed)
    unsent(database, failed, Rejected("no such customer", "131026"))
    sweep_sends(database, 10, NOW + HOUR)
    assert whole(counted(database)) == {"received": 1, "accepted": 3, "failed": 2}
    assert failures(database, HOUR_0) == [Failures("twilio", "131026", 1), Failures("twilio", "expired", 1)]


def test_tries_are_no_failures_and_no_messages(database: Database) -> None:
    message_id = answer(database, conversation(database))
    for attempt in range(3):
        claimed(database, message_id, NOW + attempt * MINUTE)
        unsent(database, message_id, Throttled("slow down", "20429"), NOW + attempt * MINUTE)
    claimed(database, message_id, NOW + 10 * MINUTE)
    sent(database, message_id, NOW + 10 * MINUTE)
    report(database, message_id, "sent", NOW + 10 * MINUTE)
    assert whole(counted(database)) == SENT


def test_what_is_sent_again_after_it_failed_is_a_second_try(database: Database) -> None:
    message_id = claimed(database, answer(database, conversation(database)))
    unsent(database, message_id, Rejected("no such address", "63003"))
    retry_message(database, message_id, "ana", DAY, MINUTE, NOW)
    claimed(database, message_id)
    sent(database, message_id)
    report(database, message_id, "delivered")
    assert whole(counted(database)) == {"received": 1, "accepted": 2, "sent": 1, "delivered": 1, "failed": 1}


def test_what_was_uncertain_counts_when_it_is_settled(database: Database) -> None:
    message_id = claimed(database, answer(database, conversation(database)))
    unsent(database, message_id, Uncertain("the answer was lost"))
    assert whole(counted(database)) == {"received": 1}
    settle_message(database, message_id, "sent", "ana", timedelta(0), NOW + HOUR)
    assert whole(counted(database)) == SENT


def test_what_others_send_from_our_number_is_not_counted(database: Database) -> None:
    """An answer from a phone is no send of ours, although the provider reports on it."""
    customer, ours = Customer(phone="+5511900000001"), "+14155238886"
    writes(database, customer, ours)
    echo = InboundMessage("twilio", ours, "echo-1", customer, "text", "from the phone", sent_at=NOW, role="assistant")
    record_inbound(database, [echo], NOW)
    for status in ("delivered", "read"):
        record_inbound(database, [StatusUpdate("twilio", ours, "echo-1", status, NOW)], NOW)
    assert whole(counted(database)) == {"received": 1}


def test_a_customer_who_was_forgotten_meanwhile_stops_nothing(database: Database) -> None:
    went(database)
    rows(database, "delete from kommo_conversations")
    went(database)
    assert whole(counted(database))["received"] == 2


FILL = """
insert into events (name, detail, occurred_at, published_at)
select 'MessageReceived', '{"provider": "meta"}', %s, %s::timestamptz + n * %s::interval from generate_series(1, %s) n
"""


def start_at(database: Database, at: datetime) -> None:
    rows(
        database,
        "insert into sweep_progress (counted_to) values (%s)"
        " on conflict (one) do update set counted_to = excluded.counted_to",
        at,
    )


def received(database: Database) -> int:
    return sum(flow.received for flow in flows(database, HOUR_0 - 400 * DAY, "hour"))


def test_a_batch_is_bounded_and_the_rest_comes_next(database: Database) -> None:
    start_at(database, NOW)
    rows(database, FILL, NOW, NOW, SECOND, 25)
    batches = [count_events(database, 10, NOW + HOUR) for _ in range(4)]
    assert batches == [Counted(10, True), Counted(11, True), Counted(4, False), Counted(0, False)]
    assert received(database) == 25


def test_many_that_were_published_at_one_instant_hold_nothing_up(database: Database) -> None:
    start_at(database, NOW)
    rows(database, FILL, NOW, NOW, timedelta(0), 25)
    rows(database, FILL, NOW, NOW + MINUTE, timedelta(0), 25)
    while count_events(database, 10, NOW + HOUR).behind:
        pass
    assert received(database) == 50


def test_the_last_half_minute_waits(database: Database) -> None:
    """What was published then may not be committed yet, and would be passed over for ever."""
    start_at(database, NOW)
    rows(database, FILL, NOW, NOW, SECOND, 10)
    assert count_events(database, 100, NOW + 35 * SECOND + timedelta(microseconds=1)).counted == 5
    assert count_events(database, 100, NOW + 30 * SECOND).counted == 0, "a clock that goes back counts nothing again"
    assert count_events(database, 100, NOW + MINUTE).counted == 5
    assert received(database) == 10


def test_what_was_published_before_the_migration_is_not_counted(database: Database) -> None:
    rows(database, FILL, NOW, NOW, SECOND, 10)
    assert count_events(database, 100, datetime.now(UTC) + HOUR).counted == 0


def test_sweeps_at_once_count_each_event_once(database: Database, at_once: AtOnce) -> None:
    start_at(database, NOW)
    rows(database, FILL, NOW, NOW, SECOND, 400)

    def sweep(own: Database) -> int:
        total = 0
        for _ in range(200):
            batch = count_events(own, 7, NOW + DAY)
            total += batch.counted
            if not batch.behind:
                break
        return total

    assert sum(at_once([sweep] * 4)) == 400
    assert received(database) == 400


def test_a_sweep_that_dies_has_counted_nothing(database: Database, database_url: str) -> None:
    start_at(database, NOW)
    rows(database, FILL, NOW, NOW, SECOND, 10)
    with psycopg.connect(database_url) as dying:
        assert dying.execute("select counted from count_events_v1(100, %s)", (NOW + HOUR,)).fetchone() == (10,)
        dying.rollback()
    assert received(database) == 0
    assert count_events(database, 100, NOW + HOUR).counted == 10
    assert received(database) == 10


def test_after_a_week_without_a_sweep_what_is_counted_first_is_not_lost(database: Database) -> None:
    start_at(database, NOW)
    rows(database, FILL, NOW, NOW, SECOND, 10)
    assert count_events(database, 100, NOW + 9 * DAY).counted == 10
    assert forget(database, 100, NOW + 9 * DAY) == 10
    assert count_events(database, 100, NOW + 9 * DAY).counted == 0
    assert received(database) == 10


def test_an_event_of_nobody_stops_nothing(database: Database) -> None:
    start_at(database, NOW)
    rows(database, FILL, NOW, NOW, SECOND, 1)
    rows(database, "update events set detail = '{}'")
    assert count_events(database, 100, NOW + HOUR) == Counted(0, False)


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_batch_reads_what_it_counts(database: Database, connection: psycopg.Connection, analyzed: bool) -> None:
    """Also by a plan that was made before there was anything, among many that are counted and that are to be."""
    start_at(database, NOW)
    for _ in range(8):
        count_events(database, 20, NOW)
    rows(database, FILL, NOW, NOW - 10_000 * SECOND, SECOND, 5_000)
    rows(database, FILL, NOW, NOW, SECOND, 5_000)
    if analyzed:
        connection.execute("analyze events")
    before = read_so_far(database, "events")
    assert count_events(database, 20, NOW + DAY).counted == 20
    assert read_so_far(database, "events") - before <= 3 * 20 + 5


def test_days_are_those_of_utc(database: Database) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0)
    for at in (midnight - SECOND, midnight, midnight + 23 * HOUR):
        writes(database, at=at)
    counted(database)
    assert [(flow.at, flow.received) for flow in flows(database, midnight - DAY, "day")] == [
        (midnight - DAY, 1),
        (midnight, 2),
    ]


def test_the_most_frequent_reasons_come_first(database: Database) -> None:
    start_at(database, NOW)
    for code, times in (("1", 1), ("2", 3), ("3", 2)):
        for _ in range(times):
            message_id = claimed(database, answer(database, conversation(database)))
            unsent(database, message_id, Rejected("x", code))
    counted(database)
    assert [(each.error_code, each.count) for each in failures(database, HOUR_0, 2)] == [("2", 3), ("3", 2)]


@pytest.mark.parametrize(
    ("ago", "changes", "expected"),
    [
        (timedelta(hours=1), {}, [OpenWindows("twilio", 1, 0)]),
        (timedelta(hours=23), {}, [OpenWindows("twilio", 1, 1)]),
        (timedelta(hours=24), {}, []),
        (timedelta(days=3), {}, []),
        (timedelta(hours=23), {"channel": "telegram"}, [OpenWindows("twilio", 1, 0)]),
        (timedelta(hours=1), {"window_closed_for": "last_user_message_at"}, []),
    ],
)
def test_windows_are_open_closing_or_shut(
    database: Database, ago: timedelta, changes: dict[str, Any], expected: list[OpenWindows]
) -> None:
    conversation(database, at=NOW - ago)
    for column, value in changes.items():
        value = value if value.startswith("last_") else f"'{value}'"
        rows(database, f"update kommo_conversations set {column} = {value}")
    assert open_windows(database, [*PROVIDERS], NOW, HOUR) == expected


def test_the_last_sweep_is_remembered(database: Database) -> None:
    assert progress(database) is None
    count_events(database, 10)
    found = progress(database)
    assert found and (found.swept_at, found.tick) == (None, None)
    finish_sweep(database, {"closed": 2}, NOW)
    finish_sweep(database, {"closed": 1}, NOW - MINUTE)
    found = progress(database)
    assert found and (found.swept_at, found.tick) == (NOW, {"closed": 2})
