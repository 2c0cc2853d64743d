"""After a time-out the next calls go around the database at once; after a refusal they do not."""

from __future__ import annotations

import json

import pytest

from ventana.breaker import PAUSE_SECONDS, Breaker
from ventana.errors import NotConfigured, StorageUnavailable
from ventana.telemetry import logger


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(slow_seconds=0.5, clock=clock)


def call(breaker: Breaker, clock: Clock, seconds: float = 0.0, error: Exception | None = None) -> bool:
    """One call that takes so long and ends so; whether the database was asked at all."""
    asked = False
    try:
        with breaker.guarding():
            asked = True
            clock.now += seconds
            if error is not None:
                raise error
    except (StorageUnavailable, NotConfigured):
        pass
    return asked


AWAY = StorageUnavailable("the database refused: ConnectionTimeout")


def test_a_time_out_spares_the_next_calls_for_a_while(breaker: Breaker, clock: Clock) -> None:
    assert call(breaker, clock, 1.0, AWAY)
    assert not call(breaker, clock)
    clock.now += PAUSE_SECONDS - 0.1
    assert not call(breaker, clock)
    clock.now += 0.2
    assert call(breaker, clock, 1.0, AWAY), "one finds out whether it is back"
    assert not call(breaker, clock)
    clock.now += PAUSE_SECONDS
    assert call(breaker, clock)
    assert call(breaker, clock)


def test_a_refusal_costs_nothing_and_is_tried_each_time(breaker: Breaker, clock: Clock) -> None:
    assert call(breaker, clock, 0.01, StorageUnavailable("the database refused: 53300"))
    assert call(breaker, clock)


def test_while_open_it_says_that_nothing_was_stored(breaker: Breaker, clock: Clock) -> None:
    call(breaker, clock, 1.0, AWAY)
    with pytest.raises(StorageUnavailable), breaker.guarding():
        raise AssertionError("asked")


def test_what_is_no_outage_leaves_it_shut(breaker: Breaker, clock: Clock) -> None:
    with pytest.raises(KeyError), breaker.guarding():
        clock.now += 60
        raise KeyError("a bug")
    assert call(breaker, clock)


def test_an_outage_is_told_once_and_so_is_its_end(
    breaker: Breaker, clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(logger.registered_handler, "stream", sys.stdout)
    for _ in range(3):
        for _ in range(5):
            call(breaker, clock, 0.1, AWAY)
        call(breaker, clock, error=NotConfigured("the secret 'db' cannot be read"))
        call(breaker, clock)
        call(breaker, clock)
    said = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    assert said == ["database_away", "database_back"] * 3
