"""Metrics as CloudWatch reads them out of the log: by service, and by provider where there is one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ventana.telemetry import beside_metrics, count, gauge, measured, of_provider


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "ventana")


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]


@measured
def handler(provider: str | None, counted: dict[str, int]) -> None:
    if provider:
        of_provider(provider)
    for name, number in counted.items():
        count(name, number)


def test_what_is_counted_of_a_provider_is_published_in_all_and_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    handler("acme", {"Sent": 2})
    (line,) = said(capsys)
    (metric,) = line["_aws"]["CloudWatchMetrics"]
    assert metric["Namespace"] == "Ventana"
    assert sorted(map(sorted, metric["Dimensions"])) == [["provider"], ["service"]]
    assert (line["service"], line["provider"], line["Sent"]) == ("ventana", "acme", [2.0])


def test_an_invocation_leaves_its_provider_to_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    handler("acme", {})  # counts nothing, and publishes nothing
    handler(None, {"Swept": 1})
    (line,) = said(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert "provider" not in line


def test_nothing_is_kept_of_an_invocation_whose_metrics_are_switched_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as switched_off:
        switched_off.setenv("POWERTOOLS_METRICS_DISABLED", "true")
        handler("acme", {"Sent": 2})
    handler(None, {"Swept": 1})
    (line,) = said(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert "Sent" not in line


def test_what_is_told_beside_metrics_is_no_metric_and_of_its_invocation_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @measured
    def telling(told: dict[str, int]) -> None:
        count("Sent")
        beside_metrics(told)

    telling({"status": 200})
    telling({})
    first, second = said(capsys)
    assert first["status"] == 200 and "status" not in second
    assert [each["Name"] for each in first["_aws"]["CloudWatchMetrics"][0]["Metrics"]] == ["Sent"]


def test_metrics_of_an_invocation_that_fails_are_published_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    @measured
    def failing() -> None:
        count("Tried")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        failing()
    assert [line["Tried"] for line in said(capsys)] == [[1.0]]


@pytest.mark.parametrize(
    ("dimensions", "under"), [({}, {"service": "ventana"}), ({"provider": "acme"}, {"provider": "acme"})]
)
def test_a_number_of_something_is_found_where_alarms_look_for_it(
    capsys: pytest.CaptureFixture[str], dimensions: dict[str, str], under: dict[str, str]
) -> None:
    gauge("UncertainSends", 3, **dimensions)
    (line,) = said(capsys)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [list(under)]
    assert {name: line[name] for name in under} == under
    assert line["UncertainSends"] == [3.0]
