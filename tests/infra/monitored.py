"""infra/monitoring.yaml as it comes out of template.yaml: every function and queue under its logical id."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from infra.local.intrinsics import read_yaml
from tests.infra.catalogue import OF_AWS, Metric, metric
from tests.infra.nested import ACCOUNT, REGION, Nested, nested
from tests.infra.stack import ROOT, Properties, Stack

SOURCE = read_yaml(ROOT / "infra/monitoring.yaml")
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
NAMES = {name: name for name, spec in SOURCE["Parameters"].items() if "MinValue" not in spec}
WHOLE = NAMES | {"AlarmTopicArn": TOPIC}
BARE = WHOLE | dict.fromkeys(
    ("Media", "MediaQueue", "MediaDeadLetterQueue", "Echo", "EchoFailureQueue", "DatabaseIdentifier", "ProxyName"), ""
)
WITHOUT_PROXY = WHOLE | {"ProxyName": WHOLE["DatabaseIdentifier"]}
WITHOUT_TOPIC = WHOLE | {"AlarmTopicArn": ""}
STAGES = {"whole": WHOLE, "bare": BARE, "without a proxy": WITHOUT_PROXY, "without a topic": WITHOUT_TOPIC}


def monitoring(values: dict[str, Any]) -> Nested:
    """What the template makes of these parameters."""
    return nested("monitoring", values)


def alarms(found: Stack) -> dict[str, Properties]:
    """Every alarm on a metric, by logical id; not the one that is made of others."""
    return found.of_type("AWS::CloudWatch::Alarm")


def watched(alarm: Properties) -> Iterator[tuple[Metric, str]]:
    """The metrics that an alarm is about, each with its statistic."""
    for each in alarm.get("Metrics", []):
        if "MetricStat" in each:
            yield _metric(each["MetricStat"]["Metric"]), each["MetricStat"]["Stat"]
    if "MetricName" in alarm:
        yield _metric(alarm), alarm["Statistic"]


def _metric(of: Properties) -> Metric:
    return metric(of["Namespace"], of["MetricName"], {each["Name"]: each["Value"] for each in of["Dimensions"]})


def exists(stack: Stack, found: Metric, ours: Collection[Metric]) -> bool:
    """Whether somebody publishes this metric: our code, or AWS for a thing of the template."""
    if not found.namespace.startswith("AWS/"):
        return found in ours
    dimensions = dict(found.dimensions)
    if set(dimensions) not in OF_AWS.get((found.namespace, found.name), ()):
        return False
    return all(_is_there(stack, name, value, dimensions) for name, value in dimensions.items())


def _is_there(stack: Stack, name: str, value: str, dimensions: dict[str, str]) -> bool:
    match name:
        case "FunctionName":
            return value in stack.functions()
        case "QueueName":
            return value in stack.of_type("AWS::SQS::Queue")
        case "Resource":
            return dimensions["Method"].lower() in stack.properties("HttpApi")["Body"]["paths"].get(value, {})
        case "Method":
            return True
    return value == {"ApiId": "HttpApi", "Stage": "$default", "DBInstanceIdentifier": "DatabaseIdentifier"}.get(
        name, name
    )
