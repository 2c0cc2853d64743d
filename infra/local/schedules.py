"""Calls functions by the clock, as EventBridge does: rate(…) and cron(…), in UTC."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from infra.local.aws import ACCOUNT, REGION
from infra.local.functions import Function
from infra.local.template import Schedule

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class Clock:
    """One thread that calls one function whenever its schedule says so."""

    def __init__(self, schedule: Schedule, function: Function) -> None:
        self._schedule, self._function = schedule, function
        self._next = next_time(schedule.expression)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tick, name=f"clock-{schedule.function}", daemon=True)

    def start(self) -> None:
        """Begin to tick; the first call comes at the first due time, as on AWS."""
        self._thread.start()

    def stop(self) -> None:
        """Tick no more."""
        self._stopping.set()

    def _tick(self) -> None:
        due = self._next(datetime.now(UTC))
        while not self._stopping.wait(max(0.0, (due - datetime.now(UTC)).total_seconds())):
            self._function.invoke(build_event(self._schedule, due))
            due = self._next(max(due, datetime.now(UTC) - timedelta(seconds=1)))


def build_event(schedule: Schedule, now: datetime) -> dict[str, Any]:
    """The event of EventBridge's scheduler or of a scheduled rule."""
    kind = f"scheduler:{REGION}:{ACCOUNT}:schedule/default" if schedule.scheduler else f"events:{REGION}:{ACCOUNT}:rule"
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler" if schedule.scheduler else "aws.events",
        "account": ACCOUNT,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:{kind}/{schedule.name}"],
        "detail": "{}" if schedule.scheduler else {},
    }


def next_time(expression: str) -> Callable[[datetime], datetime]:
    """From an expression to a function that says when it is due next. Raises ValueError for what AWS refuses."""
    if rate := RATE.fullmatch(expression):
        pace = timedelta(**{f"{rate[2]}s": int(rate[1])})
        return lambda now: now + pace
    if cron := CRON.fullmatch(expression):
        matches = _cron(*cron.groups())
        return lambda now: _first(matches, now)
    raise ValueError(f"{expression} is neither rate(…) nor cron(…)")


def _first(matches: Callable[[datetime], bool], now: datetime) -> datetime:
    moment = now.replace(second=0, microsecond=0)
    for _ in range(366 * 24 * 60):
        moment += timedelta(minutes=1)
        if matches(moment):
            return moment
    return now + timedelta(days=366)


def _cron(minute: str, hour: str, day: str, month: str, weekday: str, year: str) -> Callable[[datetime], bool]:
    minutes, hours, days = _field(minute, 0, 59), _field(hour, 0, 23), _field(day, 1, 31)
    months, weekdays, years = _field(month, 1, 12, MONTHS), _field(weekday, 1, 7, DAYS), _field(year, 1970, 2199)

    def matches(moment: datetime) -> bool:
        return (
            moment.minute in minutes
            and moment.hour in hours
            and moment.day in days
            and moment.month in months
            and moment.isoweekday() % 7 + 1 in weekdays
            and moment.year in years
        )

    return matches


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> set[int]:
    for number, name in enumerate(names, 1):
        text = text.replace(name, str(number))
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            start, stop = low, high
        else:
            start, stop = int(first), int(last) if last else (high if step else int(first))
        found.update(range(start, stop + 1, int(step or 1)))
    return found
