"""Alarms watch metrics that are really published, ring for somebody, and say what to do first."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import botocore.session
import pytest
from botocore.validate import ParamValidator

from tests.infra.catalogue import Metric, log_events, metric, ours
from tests.infra.monitored import BARE, SOURCE, STAGES, TOPIC, WHOLE, alarms, exists, monitoring, watched
from tests.infra.nested import Nested, unexplained
from tests.infra.stack import ROOT, Properties, Stack, named_in
from ventana.messages import DeliveryStatus
from ventana.providers import PROVIDERS
from ventana.telemetry import metrics

TEXT = (ROOT / "infra/monitoring.yaml").read_text()
FOUND = monitoring(WHOLE)
DESCRIBED = {
    name: str(found["Properties"]["AlarmDescription"])
    for name, found in FOUND.resources.items()
    if "AlarmDescription" in found["Properties"]
}
CLOUDWATCH = botocore.session.get_session().get_service_model("cloudwatch")
PARTS = {"SignaturesUnusualAlarm", "SignaturesManyAlarm"}
"""Alarms that ring for nobody: BadSignatureAlarm is made of them."""
WEBHOOKS = {"kommo": "KommoWebhook", "meta": "MetaWebhook", "twilio": "TwilioWebhook"}
LIMITS = {"KommoLimitMs": 2000, "MetaLimitMs": 5000, "TwilioLimitMs": 4000}
"""How long each provider waits for an answer to a webhook."""
AGE = "ApproximateAgeOfOldestMessage"
NO_LOG_EVENT = {"if_window_closed", "window_closed", "message_media"}
"""Words with an underscore that are a field of the API, a code of it, and a table."""


@pytest.fixture(scope="module")
def published() -> frozenset[Metric]:
    return ours()


@pytest.fixture(scope="module")
def events() -> dict[str, set[str]]:
    return log_events()


def by_metric(found: Nested, name: str) -> dict[str, str]:
    """The alarm on each function's or queue's metric of this name, where it is the alarm's only one."""
    watching = {}
    for alarm, properties in alarms(found).items():
        match [each for each, _ in watched(properties)]:
            case [Metric(name=watched_name, dimensions=dimensions)] if watched_name == name:
                ((_, of),) = dimensions
                watching[of] = alarm
    return watching


# ---- What is watched ----


@pytest.mark.parametrize("name", alarms(FOUND))
def test_an_alarm_watches_what_is_published(stack: Stack, published: frozenset[Metric], name: str) -> None:
    watching = list(watched(alarms(FOUND)[name]))
    assert watching
    for each, _ in watching:
        assert exists(stack, each, published), f"nobody publishes {each}"


def test_a_misspelt_metric_or_dimension_is_noticed(stack: Stack, published: frozenset[Metric]) -> None:
    assert exists(stack, metric("Ventana", "UncertainSends", {"service": metrics.service}), published)
    for wrong in (
        metric("Ventana", "UncertainSend", {"service": metrics.service}),
        metric("Ventana", "UncertainSends", {"provider": "meta"}),
        metric("Ventana", "UncertainSends", {}),
        metric("Ventana", "Sent", {"provider": "metta"}),
        metric("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "SentQueue"}),
        metric("AWS/SQS", "AgeOfOldestMessage", {"QueueName": "SendQueue"}),
        metric("AWS/Lambda", "Errors", {"FunctionName": "SendQueue"}),
        metric("AWS/Lambda", "Errors", {}),
    ):
        assert not exists(stack, wrong, published), wrong


def test_alarms_that_take_a_release_back_watch_what_is_published(stack: Stack, published: frozenset[Metric]) -> None:
    """They stand in template.yaml, because deployments name them."""
    rolling = stack.of_type("AWS::CloudWatch::Alarm")
    assert set(rolling) == {"DeploymentAlarm", "SenderDeploymentAlarm"}
    for each in rolling["DeploymentAlarm"]["Metrics"]:
        if "MetricStat" in each and each["MetricStat"]["Metric"]["Namespace"] == metrics.namespace:
            of = each["MetricStat"]["Metric"]
            assert (
                metric(of["Namespace"], of["MetricName"], {of["Dimensions"][0]["Name"]: metrics.service}) in published
            )


@pytest.mark.parametrize("name", alarms(FOUND))
def test_what_is_counted_is_added_up_and_what_is_looked_at_is_not(name: str) -> None:
    """Numbers of things (gauges) stay what they were while nobody says otherwise; a count that is missing is none."""
    alarm = alarms(FOUND)[name]
    looked_at = {"AddressesStopped", "UncertainSends", "HealthProblems"}
    for each, statistic in watched(alarm):
        if each.namespace != metrics.namespace or each.name == "SweepLeft":
            continue
        assert statistic == ("Maximum" if each.name in looked_at else "Sum")
        if name not in PARTS:
            assert alarm["TreatMissingData"] == ("ignore" if each.name in looked_at else "notBreaching")


@pytest.mark.parametrize("name", [name for name, alarm in alarms(FOUND).items() if "Metrics" in alarm])
def test_a_formula_uses_the_metrics_that_it_is_given(name: str) -> None:
    entries = alarms(FOUND)[name]["Metrics"]
    ids = [each["Id"] for each in entries]
    assert len(ids) == len(set(ids)), "CloudWatch refuses an id that is there"
    parts = {each["Id"] for each in entries if "MetricStat" in each}
    (formula,) = [each["Expression"] for each in entries if "Expression" in each]
    used = set(re.findall(r"\b[a-z]\w*\b", formula))
    assert used == parts or formula == "SUM(METRICS())"
    assert len({each["MetricStat"]["Period"] for each in entries if "MetricStat" in each}) == 1
    assert len(parts) <= 10, "as many as an alarm may have"


@pytest.mark.parametrize("name", DESCRIBED)
def test_an_alarm_is_one_that_cloudwatch_takes(name: str) -> None:
    """Properties in a template are parameters of the call, by the same names."""
    metric_alarm = name in alarms(FOUND)
    shape = CLOUDWATCH.operation_model("PutMetricAlarm" if metric_alarm else "PutCompositeAlarm").input_shape
    assert shape is not None
    report = ParamValidator().validate({"AlarmName": name, **FOUND.properties(name)}, shape)
    assert not report.has_errors(), report.generate_report()
    if metric_alarm:
        alarm = alarms(FOUND)[name]
        (period, *_) = {alarm.get("Period"), *(each["MetricStat"]["Period"] for each in _parts(alarm))} - {None}
        assert period % 60 == 0
        assert period * alarm["EvaluationPeriods"] <= 24 * 3600


def _parts(alarm: Properties) -> list[Any]:
    return [each for each in alarm.get("Metrics", []) if "MetricStat" in each]


# ---- Nothing goes unwatched ----


@pytest.mark.parametrize("values", STAGES.values(), ids=STAGES)
def test_every_queue_is_watched_by_its_age_or_for_being_empty(stack: Stack, values: dict[str, Any]) -> None:
    found = monitoring(values)
    queues = {
        name
        for name, queue in stack.resources.items()
        if queue["Type"] == "AWS::SQS::Queue" and (values["Media"] or "Condition" not in queue)
    }
    worked = {name for name in queues if "RedrivePolicy" in stack.properties(name)}
    assert set(by_metric(found, AGE)) == worked
    assert set(by_metric(found, "ApproximateNumberOfMessagesVisible")) == queues - worked


def test_bulk_sends_and_files_may_wait_longer_than_answers() -> None:
    ages = {queue: alarms(FOUND)[name]["Threshold"] for queue, name in by_metric(FOUND, AGE).items()}
    assert ages["SendQueue"] == ages["SpillQueue"] == 600
    assert ages["SendQueue"] < ages["LookupQueue"] < ages["MediaQueue"] < ages["BulkQueue"]


@pytest.mark.parametrize("values", STAGES.values(), ids=STAGES)
def test_every_function_is_watched_for_errors_and_throttles(stack: Stack, values: dict[str, Any]) -> None:
    """But the migrator: a migration that fails is a deployment that fails."""
    found = monitoring(values)
    functions = {
        name
        for name, function in stack.resources.items()
        if function["Type"] == "AWS::Lambda::Function" and (values["Media"] or "Condition" not in function)
    }
    throttled = {
        of
        for alarm in alarms(found).values()
        for each, _ in watched(alarm)
        if each.name == "Throttles"
        for _, of in each.dimensions
    }
    assert set(by_metric(found, "Errors")) == throttled == functions - {"Migrator"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_webhook_is_watched_for_all_of_its_routes_and_the_time_that_it_has(stack: Stack, provider: str) -> None:
    name, webhook = provider.title(), stack.source["Resources"][WEBHOOKS[provider]]["Properties"]
    routes = {(each["Properties"]["Method"], each["Properties"]["Path"]) for each in webhook["Events"].values()}
    watching = [dict(each.dimensions) for each, _ in watched(alarms(FOUND)[f"{name}ServerErrorsAlarm"])]
    assert {(each["Method"], each["Resource"]) for each in watching} == routes
    slow = alarms(FOUND)[f"{name}SlowAlarm"]
    ((found, statistic),) = watched(slow)
    assert (found.name, dict(found.dimensions)["FunctionName"], statistic) == ("Duration", WEBHOOKS[provider], "p99")
    assert slow["Metrics"][0]["Expression"] == f"100 * slowest / {LIMITS[f'{name}LimitMs']}"
    assert slow["Threshold"] == 75


def test_limits_are_those_of_the_providers(stack: Stack) -> None:
    given = stack.properties("Monitoring")["Parameters"]
    assert {name: given[name] for name in LIMITS} == LIMITS
    assert {name: SOURCE["Parameters"][name]["Default"] for name in LIMITS} == LIMITS
    assert f"rt={LIMITS['TwilioLimitMs']}" in stack.source["Outputs"]["TwilioWebhookUrl"]["Description"]
    for provider, name in WEBHOOKS.items():
        assert stack.properties(name)["Timeout"] * 1000 > LIMITS[f"{provider.title()}LimitMs"]


def test_a_sweep_that_says_nothing_is_late() -> None:
    late = alarms(FOUND)["SweepLateAlarm"]
    assert (late["TreatMissingData"], late["Statistic"]) == ("breaching", "SampleCount")
    assert late["Period"] * late["EvaluationPeriods"] == 300
    breaching = {name for name, alarm in alarms(FOUND).items() if alarm["TreatMissingData"] == "breaching"}
    assert breaching == {"SweepLateAlarm"}


def test_a_database_is_watched_only_where_the_stack_makes_one() -> None:
    watching = {
        each.name for alarm in alarms(FOUND).values() for each, _ in watched(alarm) if each.namespace == "AWS/RDS"
    }
    assert {"DatabaseConnections", "FreeStorageSpace", "CPUUtilization", "FreeableMemory"} < watching
    assert "AWS/RDS" not in str(monitoring(BARE).resources)


# ---- Whom it rings for ----


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_alarm_goes_to_the_topic_and_says_when_it_is_over(name: str) -> None:
    alarm = FOUND.properties(name)
    if name in PARTS:
        assert alarm["ActionsEnabled"] is False
        assert f'"{name}"' in FOUND.properties("BadSignatureAlarm")["AlarmRule"]
        return
    assert alarm["AlarmActions"] == alarm["OKActions"] == [TOPIC]


def test_without_a_topic_alarms_ring_in_the_console_only() -> None:
    assert "AlarmActions" not in str(monitoring(STAGES["without a topic"]).resources)


def test_each_threshold_has_its_reason() -> None:
    lines = TEXT.splitlines()
    for number, line in enumerate(lines):
        if line.strip().startswith("Threshold:"):
            assert " # " in line or lines[number - 1].strip().startswith("#"), f"line {number + 1}"


# ---- What it tells to do ----


def first(name: str) -> str:
    """The part of a description that says what to do."""
    said, _, what = DESCRIBED[name].partition("First: ")
    assert len(said) > 40, f"{name} does not say what it means"
    return what


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_description_fits_and_names_something_to_do_that_exists(
    stack: Stack, events: dict[str, set[str]], name: str
) -> None:
    assert len(DESCRIBED[name]) <= 1024
    do = first(name)
    paths = json.loads((ROOT / "infra/openapi.json").read_text())["paths"]
    methods = {re.sub(r"{\w+}", "{}", path): set(found) for path, found in paths.items()}
    routes = re.findall(r"\b(GET|POST|PUT|DELETE)\s+(/[\w/{}-]+)(?:\?status=(\w+))?", DESCRIBED[name])
    for method, path, status in routes:
        assert method.lower() in methods[re.sub(r"{\w+}", "{}", path)]
        assert not status or status in get_args(DeliveryStatus)
    commands = re.findall(r"sam remote invoke (\w+)", do)
    assert set(commands) <= set(stack.functions())
    targets = re.findall(r"\bmake ([a-z-]+)", do)
    makefiles = (ROOT / "Makefile").read_text() + "".join(path.read_text() for path in ROOT.glob("infra/*.mk"))
    assert all(re.search(rf"^{target}:", makefiles, re.M) for target in targets)
    events_named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", DESCRIBED[name])) - NO_LOG_EVENT
    events_named |= set(re.findall(r"logs? for ([a-z_]+)", do)) - {"lines"}
    assert events_named <= set(events)
    known = {*stack.source["Parameters"], *stack.resources, *DESCRIBED}
    named = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", DESCRIBED[name])) - {"DBInstance"}
    assert named <= known
    assert routes or commands or targets or events_named or named, "nothing that somebody could do"


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_log_event_is_looked_for_where_it_is_written(stack: Stack, events: dict[str, set[str]], name: str) -> None:
    for function, event in re.findall(r"(?:the )?(\w+)'s log for ([a-z_]+)", DESCRIBED[name]):
        folder = stack.source["Resources"][function]["Properties"]["CodeUri"]
        if event != "lines":
            assert any(path.startswith((folder, "layers/")) for path in events[event]), f"{function} never says {event}"


# ---- What comes in ----


def test_it_gets_what_its_parameters_mean(stack: Stack) -> None:
    given = stack.properties("Monitoring")["Parameters"]
    assert set(given) == set(SOURCE["Parameters"])
    for name in (*stack.functions(), *stack.of_type("AWS::SQS::Queue")):
        if name != "Migrator":
            assert name in named_in(given[name]), f"{name} is handed over under its own name"


def test_each_parameter_says_what_it_is_and_is_shown_in_a_group() -> None:
    parameters = SOURCE["Parameters"]
    groups = SOURCE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)
    for name, parameter in parameters.items():
        assert parameter["Description"].endswith("."), name
        assert {"AllowedPattern", "MinValue"} & set(parameter), name


def test_nothing_waits_for_the_monitoring(stack: Stack) -> None:
    rest = {name: found for name, found in stack.resources.items() if name != "Monitoring"}
    assert "Monitoring" not in named_in(rest) | {str(found.get("DependsOn")) for found in rest.values()}


def test_each_suppressed_check_has_a_reason() -> None:
    assert not unexplained(SOURCE)
