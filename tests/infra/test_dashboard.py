"""The dashboard is JSON that CloudWatch takes, and shows metrics that there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from tests.infra.catalogue import Metric, metric, ours
from tests.infra.monitored import BARE, STAGES, WHOLE, exists, monitoring
from tests.infra.stack import Stack
from ventana.providers import PROVIDERS
from ventana.schema.conversations import ProviderStatistics

FUNNEL = ["OutboundAccepted", "Sent", "StatusSent", "StatusDelivered", "StatusRead", "StatusFailed"]


def widgets(values: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(monitoring(values).properties("Dashboard")["DashboardBody"])["widgets"]
    return found


def shown(widget: dict[str, Any]) -> Iterator[tuple[Metric, dict[str, Any]]]:
    """The metrics of a widget, each with how it is drawn."""
    for entry in widget["properties"].get("metrics", []):
        options = entry.pop() if isinstance(entry[-1], dict) else {}
        namespace, name, *dimensions = entry
        yield metric(namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))), options


def titled(values: dict[str, Any], title: str) -> dict[str, Any]:
    (found,) = [each for each in widgets(values) if each["properties"].get("title") == title]
    return found


@pytest.mark.parametrize("values", STAGES.values(), ids=STAGES)
def test_it_is_json_whatever_is_left_out(values: dict[str, Any]) -> None:
    body = monitoring(values).properties("Dashboard")["DashboardBody"]
    assert "${" not in body
    assert {each["type"] for each in json.loads(body)["widgets"]} == {"alarm", "text", "metric"}


@pytest.mark.parametrize("values", STAGES.values(), ids=STAGES)
def test_every_metric_on_it_is_published(stack: Stack, values: dict[str, Any]) -> None:
    published = ours()
    every = [found for widget in widgets(values) for found, _ in shown(widget)]
    assert len(every) > 80
    assert [found for found in every if not exists(stack, found, published)] == []


def test_what_is_not_there_is_not_drawn() -> None:
    text = json.dumps(widgets(BARE))
    assert not [name for name in ("AWS/RDS", "MediaQueue", "MediaStored", "Echo") if name in text]


@pytest.mark.parametrize("values", STAGES.values(), ids=STAGES)
def test_every_alarm_is_on_top(values: dict[str, Any]) -> None:
    found = monitoring(values)
    (top,) = [each for each in widgets(values) if each["type"] == "alarm"]
    parts = {"SignaturesUnusualAlarm", "SignaturesManyAlarm"}
    there = {f"{name}.Arn" for name, each in found.resources.items() if "Alarm" in each["Type"] and name not in parts}
    assert set(top["properties"]["alarms"]) == there | {"DeploymentAlarmArn", "SenderDeploymentAlarmArn"}
    assert len(top["properties"]["alarms"]) <= 100, "as many as a widget may show"
    assert (top["x"], top["y"]) == (0, 0)


@pytest.mark.parametrize("values", STAGES.values(), ids=STAGES)
def test_no_widget_lies_on_another(values: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for each in widgets(values):
        cells = {
            (x, y)
            for x in range(each["x"], each["x"] + each["width"])
            for y in range(each["y"], each["y"] + each["height"])
        }
        assert each["x"] + each["width"] <= 24
        assert not taken & cells, each["properties"].get("title")
        taken |= cells


@pytest.mark.parametrize(
    ("title", "name"), [("Messages in, by provider", "InboundRecorded"), ("Messages out, by provider", "Sent")]
)
def test_messages_are_shown_by_provider(title: str, name: str) -> None:
    found = [each for each, _ in shown(titled(WHOLE, title))]
    assert found == [metric("Ventana", name, {"provider": provider}) for provider in PROVIDERS]


def test_every_number_of_the_view_is_shown_for_every_provider() -> None:
    columns = {field.name.title().replace("_", "") for field in fields(ProviderStatistics)} - {"Provider"}
    wanted = {metric("Ventana", f"Conversations{name}", {"provider": each}) for name in columns for each in PROVIDERS}
    assert wanted <= {found for widget in widgets(WHOLE) for found, _ in shown(widget)}


def test_how_far_messages_come_is_one_picture() -> None:
    assert [found.name for found, _ in shown(titled(WHOLE, "How far messages come"))] == FUNNEL


@pytest.mark.parametrize(("provider", "limit"), [("Kommo", 2000), ("Meta", 5000), ("Twilio", 4000)])
def test_a_webhooks_time_is_drawn_below_its_limit(provider: str, limit: int) -> None:
    widget = titled(WHOLE, f"{provider}'s webhook")
    assert [options["stat"] for _, options in shown(widget)] == ["p50", "p99"]
    assert [line["value"] for line in widget["properties"]["annotations"]["horizontal"]] == [limit]


def test_it_says_what_to_look_at_first_and_that_is_there() -> None:
    (text,) = [each["properties"]["markdown"] for each in widgets(WHOLE) if each["type"] == "text"]
    titles = {each["properties"].get("title") for each in widgets(WHOLE)}
    emphasised = text.replace("**", "").split("*")[1::2]
    assert emphasised
    assert set(emphasised) <= titles
