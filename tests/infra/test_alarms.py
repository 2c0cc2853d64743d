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
        # What webhook.py counts as f"Inbound{outcome.title()}", under the dimension of every metric of ours.
        assert metric.removeprefix("Inbound").lower() in {"parked", "spilled"}
        assert alarm["Dimensions"] == [{"Name": "service", "Value": metrics.service}]
