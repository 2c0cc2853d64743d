"""Schedules are due when EventBridge would call, and call with its event."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from infra.local.schedules import Clock, build_event, next_time
from infra.local.template import Schedule
from tests.local.conftest import MakeFunction

NOW = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)  # a Sunday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("rate(1 minute)", datetime(2026, 11, 22, 10, 16, 30, tzinfo=UTC)),
        ("rate(5 minutes)", datetime(2026, 11, 22, 10, 20, 30, tzinfo=UTC)),
        ("rate(2 hours)", datetime(2026, 11, 22, 12, 15, 30, tzinfo=UTC)),
        ("rate(1 day)", datetime(2026, 11, 23, 10, 15, 30, tzinfo=UTC)),
        ("cron(0/15 * * * ? *)", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        ("cron(0 9 ? * MON-FRI *)", datetime(2026, 11, 23, 9, 0, tzinfo=UTC)),
        ("cron(30 3 1 JAN,JUL ? *)", datetime(2027, 1, 1, 3, 30, tzinfo=UTC)),
        ("cron(16 10 * * ? 2026)", datetime(2026, 11, 22, 10, 16, tzinfo=UTC)),
    ],
)
def test_when_a_schedule_is_due(expression: str, due: datetime) -> None:
    assert next_time(expression)(NOW) == due


@pytest.mark.parametrize("expression", ["rate(1 fortnight)", "every minute", "cron(1 2 3)"])
def test_what_aws_refuses_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        next_time(expression)


def test_scheduler_and_rule_send_different_events() -> None:
    scheduler = build_event(Schedule("Tick", "rate(1 minute)", "F", None, scheduler=True), NOW)
    rule = build_event(Schedule("Tick", "rate(1 minute)", "F", None, scheduler=False), NOW)
    assert (scheduler["source"], scheduler["detail"]) == ("aws.scheduler", "{}")
    assert (rule["source"], rule["detail"]) == ("aws.events", {})
    assert scheduler["time"] == rule["time"] == "2026-11-22T10:15:30Z"


def test_a_clock_calls_its_function(make_function: MakeFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    function = make_function()
    seen: list[object] = []
    monkeypatch.setattr(function, "invoke", seen.append)
    clock = Clock(Schedule("Tick", "rate(1 minute)", "Example", None, scheduler=True), function)
    monkeypatch.setattr(clock, "_next", lambda now: datetime.now(UTC))
    clock.start()
    time.sleep(0.1)
    clock.stop()
    assert seen
