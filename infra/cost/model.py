"""Dollars a month by service, and the limits, for so many messages a month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cost.prices import HOURS, INSTANCES, PRICES
from infra.cost.usage import GB, WEBHOOKS, Assumed, Measured, uses
from infra.local.intrinsics import read_yaml
from infra.local.template import Template

ROOT = Path(__file__).parents[2]
MINUTES, SECONDS = HOURS * 60, HOURS * 3600
POLLS = 5 * 3 * MINUTES
"""Requests of Lambda's five pollers that wait 20 s each at a queue in which nothing is."""
KEPT_PACKED = 0.2
SCHEDULED = {"WindowSweep": MINUTES, "Reconcile": MINUTES / 5, "HealthCheck": HOURS}
SCHEDULED_MS = {"Reconcile": 2_000.0, "HealthCheck": 2_000.0}
"""Where nothing was measured."""


@dataclass(frozen=True)
class Stage:
    """What of the stack is there however few messages come."""

    zones: int
    nats: int
    instance: str
    twice: bool
    """Whether the database stands in two zones."""


PROD = {
    10_000: Stage(2, 2, "db.t4g.medium", True),
    1_000_000: Stage(2, 2, "db.t4g.medium", True),
    100_000_000: Stage(2, 2, "db.m7g.2xlarge", True),
}
"""Size of the database for so many messages a month."""
DEV = Stage(2, 1, "db.t4g.medium", False)


@dataclass(frozen=True)
class Declared:
    """What the templates say that has a price or a limit."""

    memory: Mapping[str, int]
    snapshots: frozenset[str]
    concurrency: Mapping[str, int]
    parameters: Mapping[str, Any]
    fifo_queues: int
    queues: int
    secrets: int
    endpoints: int
    alarm_metrics: int
    dashboards: int

    @classmethod
    def read(cls) -> Declared:
        """The templates beside us, with their defaults."""
        known = {"DatabaseMode": "existing", "NetworkMode": "none"}
        sources = read_yaml(ROOT / "template.yaml")
        template = Template(sources, known)
        parameters = {name: spec.get("Default") for name, spec in sources["Parameters"].items()}
        functions = dict(template.of_type("AWS::Serverless::Function"))
        mappings = [
            event["Properties"]["Queue"]["Fn::GetAtt"][0]
            for properties in functions.values()
            for event in (properties.get("Events") or {}).values()
            if event["Type"] == "SQS"
        ]
        fifo = {name for name, queue in template.of_type("AWS::SQS::Queue") if queue.get("FifoQueue")}
        network = read_yaml(ROOT / "infra/network.yaml")["Resources"].values()
        interfaces = [one for one in network if one.get("Properties", {}).get("VpcEndpointType") == "Interface"]
        watched = [sources["Resources"], read_yaml(ROOT / "infra/monitoring.yaml")["Resources"]]
        every = [one for resources in watched for one in resources.values()]
        alarms = [one["Properties"] for one in every if one["Type"] == "AWS::CloudWatch::Alarm"]
        return cls(
            memory={name: int(template.resolve(each.get("MemorySize", 128))) for name, each in functions.items()},
            snapshots=frozenset(name for name, each in functions.items() if "SnapStart" in each),
            concurrency={name: int(parameters[name]) for name in parameters if name.endswith("Concurrency")},
            parameters=parameters,
            fifo_queues=sum(name in fifo for name in mappings),
            queues=sum(name not in fifo for name in mappings),
            secrets=1 + sum(1 for _ in template.of_type("AWS::SecretsManager::Secret")),
            endpoints=len(interfaces),
            # An alarm is paid by its metrics, one on a band by two more.
            alarm_metrics=sum(_metrics_of(alarm) for alarm in alarms),
            dashboards=sum(one["Type"] == "AWS::CloudWatch::Dashboard" for one in every),
        )


def _metrics_of(alarm: Mapping[str, Any]) -> int:
    metrics = [each for each in alarm.get("Metrics", []) if "MetricStat" in each]
    return (len(metrics) or 1) + (2 if "ThresholdMetricId" in alarm else 0)


def monthly(
    messages: float, stage: Stage, declared: Declared, measured: Measured, assumed: Assumed
) -> dict[str, float]:
    """Dollars a month by service."""
    pay = {name: price.dollars for name, price in PRICES.items()}
    used = uses(measured, assumed)
    events = {name: use.events * messages for name, use in used.items()} | SCHEDULED
    ms = {name: use.ms for name, use in used.items()} | {
        name: SCHEDULED_MS.get(name) or measured.functions[name]["ms"] for name in SCHEDULED
    }
    memory_gb = {name: declared.memory[name] / 1024 for name in events}
    ours, files = assumed.ours * messages, assumed.files * messages
    requests = sum(events[name] for name in (*WEBHOOKS, "Api"))
    log_gb = (
        sum(use.events * use.log_bytes for use in used.values()) * messages + requests * assumed.access_log_bytes
    ) / GB + sum(SCHEDULED.values()) * 5_000 / GB
    instance, times = INSTANCES[stage.instance], 2 if stage.twice else 1
    stored_gb = max(20.0, messages * assumed.months_kept * measured.database_bytes / GB)
    turns = ours * assumed.turns
    published = messages * assumed.events
    traces = min(sum(events.values()), SECONDS + 0.05 * sum(events.values()))
    return {
        "Lambda": sum(
            events[name] * (ms[name] / 1000 * memory_gb[name] * pay["lambda gb-second"] + pay["lambda request"])
            for name in events
        ),
        "SnapStart": SECONDS * sum(memory_gb[name] for name in declared.snapshots) * pay["snapstart cache"]
        + sum(events[name] * memory_gb[name] for name in declared.snapshots)
        * assumed.cold_share
        * pay["snapstart restore"],
        "API Gateway": requests * pay["http api request"],
        "SQS": (declared.fifo_queues * POLLS + 3 * turns) * pay["sqs fifo request"]
        + (declared.queues * POLLS + 3 * files) * pay["sqs request"],
        "EventBridge": published * (pay["event"] + assumed.event_bytes / GB * pay["event archived"])
        + sum(SCHEDULED.values()) * pay["schedule"],
        "RDS": instance.hour * HOURS * times + stored_gb * pay["database gb"] * times,
        "RDS Proxy": max(2, instance.vcpus) * HOURS * pay["proxy vcpu hour"],
        "NAT and transfer": stage.nats * HOURS * pay["nat hour"]
        + (ours * assumed.send_bytes + 2 * files * assumed.file_bytes) / GB * pay["nat gb"]
        + ours * assumed.send_bytes / GB * pay["transfer gb"],
        "VPC endpoints": declared.endpoints * stage.zones * HOURS * pay["endpoint hour"],
        "CloudWatch": log_gb * (pay["log gb"] + KEPT_PACKED * pay["log kept"])
        + declared.alarm_metrics * pay["alarm"]
        + declared.dashboards * pay["dashboard"]
        + assumed.metrics * pay["metric"],
        "X-Ray": traces * pay["trace"],
        "Secrets Manager": declared.secrets * pay["secret"]
        + min(sum(events.values()), SECONDS / 300 * 20) * pay["secret read"],
        "S3": files * pay["file put"] + files * assumed.months_kept * assumed.file_bytes / GB * pay["file gb"],
    }
