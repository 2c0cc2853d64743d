"""Questions to a provider that counts them like messages take their places among the sends of an address."""

from __future__ import annotations

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import MINUTE, NOW, SECOND, A, answer, claim, conversation, our_address
from ventana.asking import PATIENCE_SECONDS, among_sends
from ventana.errors import Unreachable
from ventana.http import HttpReply, HttpRequest
from ventana.providers.base import Pace
from ventana.schema.addresses import save_address, take_call
from ventana.schema.connection import Database
from ventana.schema.dispatch import paces_json

PER_SECOND = 2.0
GAP = 1 / (0.9 * PER_SECOND)
PACES = paces_json({"twilio": Pace(PER_SECOND)})
QUESTION = HttpRequest("GET", "https://example.com/")


def test_sends_and_questions_share_one_rate(shared: Database) -> None:
    ours = our_address()
    first, second = (answer(shared, conversation(shared, to=ours)) for _ in range(2))
    assert take_call(shared, "twilio", ours, PER_SECOND, NOW) == 0
    waits = claim(shared, first, paces=PACES)
    assert waits.outcome == "wait"
    assert waits.wait_seconds == pytest.approx(GAP, abs=0.01)
    assert claim(shared, first, NOW + SECOND, paces=PACES).outcome == "claimed"
    assert take_call(shared, "twilio", ours, PER_SECOND, NOW + SECOND) == pytest.approx(GAP, abs=0.01)
    assert take_call(shared, "twilio", ours, PER_SECOND, NOW + 2 * SECOND) == 0
    assert claim(shared, second, NOW + 2 * SECOND, paces=PACES).outcome == "wait"


def test_an_address_of_a_rate_of_its_own_is_asked_by_that(shared: Database) -> None:
    ours = our_address()
    save_address(shared, "twilio", ours, 0.1, None)
    assert take_call(shared, "twilio", ours, PER_SECOND, NOW) == 0
    assert take_call(shared, "twilio", ours, PER_SECOND, NOW + SECOND) == pytest.approx(1 / 0.09 - 1, abs=0.01)


def test_what_was_told_to_slow_down_is_not_asked_either(shared: Database) -> None:
    ours = our_address()
    assert take_call(shared, "twilio", ours, PER_SECOND, NOW) == 0
    rows(shared, "update business_addresses set slowed_until = %s where address = %s returning 1", NOW + MINUTE, ours)
    assert take_call(shared, "twilio", ours, PER_SECOND, NOW + 2 * SECOND) == 58
    assert take_call(shared, "twilio", ours, PER_SECOND, NOW + MINUTE) == 0


def test_eight_at_once_take_one_place(database: Database, at_once: AtOnce) -> None:
    waits = at_once([lambda own: take_call(own, "twilio", A, PER_SECOND, NOW)] * 8)
    assert sorted(wait > 0 for wait in waits) == [False] + [True] * 7


class Clock:
    """A time that passes only in sleep."""

    def __init__(self, database: Database, ours: str) -> None:
        self._database, self._ours, self.now = database, ours, 0.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        rows(
            self._database,
            "update business_addresses set free_at = free_at - interval '1 second' * %s where address = %s returning 1",
            seconds,
            self._ours,
        )


def asked(database: Database, provider: str, ours: str, times: int) -> tuple[int, float]:
    """Ask so many times; how often that was done, and how long it took."""
    clock, done = Clock(database, ours), []

    def http(request: HttpRequest) -> HttpReply:
        done.append(request)
        return HttpReply(200, b"")

    ask = among_sends(http, database, provider, ours, clock.read, clock.sleep)
    for _ in range(times):
        ask(QUESTION)
    return len(done), clock.now


@pytest.mark.parametrize(("provider", "takes_time"), [("kommo", True), ("meta", False), ("twilio", False)])
def test_only_a_provider_that_counts_questions_is_asked_at_its_pace(
    shared: Database, provider: str, takes_time: bool
) -> None:
    number, seconds = asked(shared, provider, our_address(), 7)
    assert number == 7
    assert (seconds > 0) == takes_time


def test_an_account_that_nobody_knows_is_asked_at_once(shared: Database) -> None:
    assert asked(shared, "kommo", "", 7) == (7, 0.0)
    assert rows(shared, "select count(*) from business_addresses where address = ''") == [(0,)]


def test_where_there_is_no_room_for_long_nothing_is_asked(shared: Database) -> None:
    ours = our_address()
    take_call(shared, "kommo", ours, 6)
    later = "update business_addresses set free_at = now() + interval '1 second' * %s where address = %s returning 1"
    rows(shared, later, 2 * PATIENCE_SECONDS, ours)
    with pytest.raises(Unreachable):
        asked(shared, "kommo", ours, 1)
