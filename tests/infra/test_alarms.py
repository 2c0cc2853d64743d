"""Alarms watch metrics that the code really publishes, and say what to do first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.stack import Stack
from ventana.telemetry import metrics

WATCHED = {
    "ParkedAlarm": ("Ventana", "InboundParked"),
    "SpillAlarm": ("Ventana", "InboundSpilled"),
    "SpillDeadLetterAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "MediaAlarm": ("Ventana", "MediaFailed"),
    "LookupAlarm": ("Ventana", "LookupPaused"),
}
COUNTED = {
    # f"Inbound{outcome.title()}" in webhook.py, and so on: each under the dimension of every metric of ours
    "Inbound": {"parked", "spilled"},
    "Media": {"failed"},
    "Lookup": {"paused"},
}


def test_every_alarm_is_known(stack: Stack) -> None:
    alarms = {name for name, each in stack.source["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms == set(WATCHED)


@pytest.mark.parametrize("name", WATCHED)
def test_an_alarm_watches_what_is_published(stack: Stack, name: str) -> None:
    alarm: dict[str, Any] = stack.properties(name)
    namespace, metric = WATCHED[name]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["TreatMissingData"]) == (namespace, metric, "notBreaching")
    assert len(alarm["AlarmDescription"]) > 40
    if namespace == metrics.namespace:
        (kind,) = (each for each in COUNTED if metric.startswith(each))
        assert metric.removeprefix(kind).lower() in COUNTED[kind]
        assert alarm["Dimensions"] == [{"Name": "service", "Value": metrics.service}]
