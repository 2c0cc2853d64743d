"""No provider, and no customer, is sent to faster than allowed: measured on a simulated clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import LEASE, MARGIN, NOW, SECOND, A, answer, claim, conversation, sent, text, unsent
from ventana.errors import PairThrottled, Throttled
from ventana.providers.base import Pace
from ventana.schema.addresses import find_address, save_address
from ventana.schema.connection import Database
from ventana.schema.dispatch import claim_outbound, paces_json


def paces(messages_per_second: float = 1000, pair_seconds: float = 0, pair_burst: int = 1) -> str:
    return paces_json({"twilio": Pace(messages_per_second, pair_seconds, pair_burst)})


def departures(
    database: Database, turns: Sequence[tuple[str, str]], pace: str, start: datetime = NOW
) -> dict[str, datetime]:
    """When each message left, with six senders a lane who ask again for their turn as soon as they were told to."""
    left: dict[str, datetime] = {}
    waiting = {lane: [each for each, its in reversed(turns) if its == lane] for lane in ("reply", "bulk")}
    senders = [(start, number, lane) for lane in waiting for number in range(6)]
    taken: dict[tuple[int, str], str] = {}
    while senders:
        at, number, lane = heappop(senders)
        turn = taken.pop((number, lane), None) or (waiting[lane].pop() if waiting[lane] else None)
        if turn is None:
            continue
        found = claim(database, turn, at, lane, pace)
        if found.outcome == "claimed":
            left[str(found.message_id)] = at
            sent(database, str(found.message_id), at)
        if found.outcome == "wait" or found.message_id not in (None, turn):
            taken[number, lane] = turn
        heappush(senders, (at + timedelta(seconds=found.wait_seconds or 0), number, lane))
    return left


def most_in_a_second(times: Sequence[datetime]) -> int:
    return max(sum(start <= each < start + SECOND for each in times) for start in times)


def gaps(times: Sequence[datetime]) -> list[float]:
    return [(later - earlier).total_seconds() for earlier, later in pairwise(sorted(times))]


@pytest.mark.parametrize(("per_second", "own"), [(0.5, False), (7, False), (7, True), (20, False), (80, True)])
@pytest.mark.parametrize("lane", ["reply", "bulk"])
def test_an_address_is_never_faster_than_its_rate(database: Database, per_second: float, own: bool, lane: str) -> None:
    """In any second whatever, and yet hardly slower; its own rate wins over the provider's."""
    number = min(round(3 * per_second) + 2, 200)
    save_address(database, "twilio", A, per_second if own else None, None)
    ids = [answer(database, conversation(database, to=A), lane=lane) for _ in range(number)]
    times = list(departures(database, [(each, lane) for each in ids], paces(1 if own else per_second)).values())
    assert len(times) == number
    assert most_in_a_second(times) <= max(per_second, 1)
    took = (max(times) - min(times)).total_seconds()
    assert took <= (number - 1) / (0.7 * per_second), f"{number} in {took} s"


@pytest.mark.parametrize("per_second", [7, 80])
def test_replies_pass_bulk(database: Database, per_second: float) -> None:
    """While more bulk waits than can go, whoever answers a person waits for nobody but other answers."""
    bulk = [answer(database, conversation(database, to=A), lane="bulk") for _ in range(int(2 * per_second))]
    replies = [answer(database, conversation(database, to=A)) for _ in range(12)]
    pace = paces(per_second)
    left = departures(database, [(each, "bulk") for each in bulk[: int(per_second)]], pace)
    start = max(left.values())
    turns = [(each, "bulk") for each in bulk[int(per_second) :]] + [(each, "reply") for each in replies]
    left |= departures(database, turns, pace, start)
    late = sum(left[each] < max(left[reply] for reply in replies) for each in bulk[int(per_second) :])
    assert late == 0, "bulk that went while an answer waited"
    assert most_in_a_second(list(left.values())) <= per_second
    assert (max(left[each] for each in replies) - start).total_seconds() <= 12 / (0.8 * per_second)


def test_one_customer_gets_some_at_once_and_then_one_after_the_other(database: Database) -> None:
    ana = conversation(database)
    ids = [answer(database, ana) for _ in range(8)]
    times = list(departures(database, [(each, "reply") for each in ids], paces(1000, 6, 3)).values())
    assert all(gap < 0.01 for gap in gaps(times)[:2])
    assert all(gap == pytest.approx(6, abs=0.01) for gap in gaps(times)[2:])
    later = NOW + timedelta(hours=1)
    more = [answer(database, ana) for _ in range(4)]
    again = sorted(departures(database, [(each, "reply") for each in more], paces(1000, 6, 3), later).values())
    assert [round(gap) for gap in gaps(again)] == [0, 0, 6], "a pause restores it, and no more than that"


def test_customers_and_addresses_do_not_slow_each_other(database: Database) -> None:
    ana, bob = conversation(database), conversation(database)
    slow = [answer(database, ana) for _ in range(4)]
    fast = [answer(database, bob) for _ in range(2)] + [answer(database, conversation(database)) for _ in range(2)]
    turns = [(each, "reply") for each in slow + fast]
    left = departures(database, turns, paces(1000, 6, 2))
    assert max(left[each] for each in fast) - NOW < SECOND
    assert left[slow[-1]] - NOW >= 12 * SECOND - timedelta(milliseconds=10)


def test_a_customer_whom_the_provider_wants_left_alone_is(database: Database) -> None:
    ana, bob = conversation(database, to=A), conversation(database, to=A)
    first, second, other = answer(database, ana), answer(database, ana), answer(database, bob)
    assert claim(database, first).message_id == first
    assert unsent(database, first, PairThrottled("slower", "131056"), wait=8 * SECOND).status == "queued"
    assert claim(database, second, NOW + SECOND).wait_seconds == 7.0
    assert claim(database, other, NOW + SECOND).message_id == other
    assert claim(database, second, NOW + 8 * SECOND).message_id == first


def test_a_throttled_address_slows_down_ever_more_until_something_is_taken(database: Database) -> None:
    ids = [answer(database, conversation(database, to=A)) for _ in range(9)]
    at, waits = NOW, []
    for number in range(8):
        assert claim(database, ids[0], at).message_id == ids[0], number
        assert unsent(database, ids[0], Throttled("slower", "20429"), at, wait=timedelta(0)).status == "queued"
        found = claim(database, ids[1], at)
        assert found.reason == "the address is slowed down"
        waits.append(found.wait_seconds or 0)
        at += timedelta(seconds=waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert claim(database, ids[1], at).message_id == ids[1]
    sent(database, ids[1], at)
    assert claim(database, ids[2], at).message_id == ids[2]
    unsent(database, ids[2], Throttled("slower", "20429"), at)
    assert claim(database, ids[3], at).wait_seconds == 1.0


def test_what_was_under_way_says_nothing_about_a_slowed_address(database: Database) -> None:
    """Ten are refused that left together: it slows down once, and the success of an eleventh proves nothing."""
    ids = [answer(database, conversation(database, to=A)) for _ in range(13)]
    for each in ids[:12]:
        assert claim(database, each).message_id == each
    for each in ids[:10]:
        unsent(database, each, Throttled("slower", "20429"), NOW + SECOND / 2, wait=SECOND)
    sent(database, ids[10], NOW + SECOND)
    assert claim(database, ids[12], NOW + SECOND).wait_seconds == 0.5
    assert claim(database, ids[12], NOW + 2 * SECOND).message_id == ids[12]
    sent(database, ids[12], NOW + 2 * SECOND)
    assert rows(database, "select throttles, slowed_until from business_addresses") == [(0, None)]
    unsent(database, ids[11], Throttled("slower", "20429"), NOW + 2 * SECOND)
    assert find_address(database, "twilio", A).slowed_until == NOW + 3 * SECOND  # type: ignore[union-attr]


def test_eight_senders_at_once_keep_the_pace(database: Database, at_once: AtOnce) -> None:
    """On the real clock: what they were given in a second is no more than may go in a second."""
    ids = [answer(database, conversation(database, to=A), text(str(number))) for number in range(60)]
    pace = paces(40)

    def send(place: int) -> Any:
        def work(own: Database) -> None:
            import time

            for each in ids[place::8]:
                while (found := claim_outbound(own, each, "reply", pace, LEASE, MARGIN, None)).outcome == "wait":
                    time.sleep(found.wait_seconds or 0)
                assert found.message_id == each

        return work

    rows(database, "update kommo_conversations set last_user_message_at = now(), window_closed_for = null")
    rows(database, "update sends set expires_at = now() + interval '1 hour'")
    at_once([send(place) for place in range(8)])
    times = [row[0] for row in rows(database, "select claimed_at from sends order by claimed_at")]
    assert len(times) == 60
    assert most_in_a_second(times) <= 40
