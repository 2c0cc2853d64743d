"""Alarms watch metrics that the code really publishes, and say what to do first."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.stack import ROOT, Stack
from ventana.telemetry import metrics

WATCHED = {
    "ParkedAlarm": ("Ventana", "InboundParked"),
    "SpillAlarm": ("Ventana", "InboundSpilled"),
    "SpillDeadLetterAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "MediaAlarm": ("Ventana", "MediaFailed"),
    "LookupAlarm": ("Ventana", "LookupPaused"),
    "AddressesStoppedAlarm": ("Ventana", "AddressesStopped"),
    "UncertainSendsAlarm": ("Ventana", "UncertainSends"),
    "SendQueueAgeAlarm": ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
    "SendDeadLetterAlarm": ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    "SenderDeploymentAlarm": ("AWS/Lambda", "Errors"),
}
COUNTED = {
    # f"Inbound{outcome.title()}" in webhook.py, and so on: each under the dimension of every metric of ours
    "Inbound": {"parked", "spilled"},
    "Media": {"failed"},
    "Lookup": {"paused"},
}
SWEEP = (ROOT / "functions/window_sweep/app.py").read_text()
OURS = [name for name, (namespace, _) in WATCHED.items() if namespace == metrics.namespace]


def test_every_alarm_is_known(stack: Stack) -> None:
    alarms = {name for name, each in stack.source["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms == set(WATCHED) | {"DeploymentAlarm"}


@pytest.mark.parametrize("name", WATCHED)
def test_an_alarm_watches_what_is_published(stack: Stack, name: str) -> None:
    alarm: dict[str, Any] = stack.properties(name)
    namespace, metric = WATCHED[name]
    assert (alarm["Namespace"], alarm["MetricName"], alarm["TreatMissingData"]) == (namespace, metric, "notBreaching")
    assert len(alarm["AlarmDescription"]) > 40
    if namespace == metrics.namespace:
        assert alarm["Dimensions"] == [{"Name": "service", "Value": metrics.service}]


@pytest.mark.parametrize("name", OURS)
def test_an_alarm_adds_up_what_is_counted_and_takes_the_most_of_what_is_looked_at(stack: Stack, name: str) -> None:
    alarm, metric = stack.properties(name), WATCHED[name][1]
    if f'gauge("{metric}"' in SWEEP:
        assert alarm["Statistic"] == "Maximum"
        return
    (kind,) = (each for each in COUNTED if metric.startswith(each))
    assert metric.removeprefix(kind).lower() in COUNTED[kind]
    assert alarm["Statistic"] == "Sum"


def test_what_is_named_in_an_alarm_for_an_operator_is_there(stack: Stack) -> None:
    paths = stack.properties("HttpApi")["Body"]["paths"]
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        for method, path in re.findall(r"(GET|POST|PUT) (/v1/[a-z/{}]+)", alarm["AlarmDescription"]):
            assert method.lower() in paths[path], path
