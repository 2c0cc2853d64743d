"""What template.yaml declares is what runs here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.local.intrinsics import Resolver, TemplateError, read_yaml
from infra.local.queues import MOST_AT_ONCE, at_once
from infra.local.template import Route, Template

FILE = Path(__file__).parents[2] / "template.yaml"
KEPT = ("AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::Events::EventBus")
"""What a function is told the name of."""
VALUES = {
    "AWS::Region": "us-east-1",
    "AWS::StackName": "test",
    "AWS::URLSuffix": "amazonaws.com",
    "HttpApi": "local",
    "PublicBaseUrl": "http://127.0.0.1:3000",
    "DatabaseMode": "existing",
    "NetworkMode": "none",
    "DatabaseSecretArn": "database",
    **{
        f"{name}{of}": f"{kind}:{name}"
        for name, resource in read_yaml(FILE)["Resources"].items()
        if resource["Type"] in KEPT
        for of, kind in (("", "the"), (".Arn", "arn"))
    },
}
SMALL = """
Parameters:
  Stage: {Type: String, Default: dev}
  Names: {Type: CommaDelimitedList, Default: ""}
Mappings:
  Sizes: {dev: {memory: 256}}
Conditions:
  IsDev: !Equals [!Ref Stage, dev]
  IsProd: !Not [!Condition IsDev]
  HasNames: !Not [!Equals [!Join ["", !Ref Names], ""]]
"""


@pytest.fixture(scope="module")
def template() -> Template:
    return Template.read(FILE, VALUES)


@pytest.fixture
def resolve(tmp_path: Path) -> Resolver:
    (tmp_path / "small.yaml").write_text(SMALL)
    return Resolver(read_yaml(tmp_path / "small.yaml"), {"Queue": "url", "Queue.Arn": "arn"})


def test_every_function_is_where_the_template_says(template: Template) -> None:
    functions = template.functions()
    assert {function.name for function in functions} >= {"Api", "Sender", "WindowSweep", "Migrator", "MetaWebhook"}
    for function in functions:
        assert (FILE.parent / function.folder / "app.py").exists()
        assert function.handler == "app.handler"
        assert function.timeout >= 1


def test_functions_are_told_what_the_local_system_means(template: Template) -> None:
    environments = {function.name: function.environment for function in template.functions()}
    assert environments["Api"]["SEND_QUEUE_URL"] == "the:SendQueue"
    assert environments["MetaWebhook"]["META_SECRET_ID"] == "the:MetaSecret"
    assert environments["Sender"]["PUBLIC_BASE_URL"] == "http://127.0.0.1:3000"
    assert environments["WindowSweep"]["EVENT_BUS_NAME"] == "the:EventBus"


def test_operators_are_checked_and_providers_are_not(template: Template) -> None:
    for route in template.routes():
        assert route.guarded == (route.path.startswith("/v1/") and route.path != "/v1/health")


def test_queues_and_schedules_are_read(template: Template) -> None:
    assert {(source.queue_arn, source.function, source.partial) for source in template.queue_sources()} >= {
        ("arn:SendQueue", "Sender", True),
        ("arn:SpillQueue", "SpillDrain", True),
        ("arn:MediaQueue", "Media", True),
        ("arn:LookupQueue", "ContactLookup", True),
    }
    assert {(schedule.function, schedule.expression) for schedule in template.schedules()} >= {
        ("WindowSweep", "rate(1 minute)"),
        ("Reconcile", "rate(5 minutes)"),
    }


def test_a_queue_says_how_much_of_it_may_be_under_way(template: Template) -> None:
    (sending,) = (source for source in template.queue_sources() if source.queue_arn == "arn:SendQueue")
    assert sending.concurrency > at_once(sending) == MOST_AT_ONCE
    events = {"Q": {"Type": "SQS", "Properties": {"Queue": "arn:q"}}}
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Events": events}}
    (alone,) = Template({"Resources": {"F": function}}, {}).queue_sources()
    assert at_once(alone) == 1


def test_where_nobody_wants_files_there_is_nothing_that_fetches_them() -> None:
    without = {name: value for name, value in VALUES.items() if not name.startswith("Media")}
    template = Template.read(FILE, {**without, "StoreMedia": "false"})
    environments = {function.name: function.environment for function in template.functions()}
    assert "Media" not in environments
    assert environments["MetaWebhook"]["MEDIA_QUEUE_URL"] == environments["WindowSweep"]["MEDIA_QUEUE_URL"] == ""
    assert "Media" not in {source.function for source in template.queue_sources()}
    assert {name for name, _ in template.of_type("AWS::S3::Bucket")} == {"SpillBucket"}


def test_a_reference_without_a_local_meaning_is_named() -> None:
    with pytest.raises(TemplateError, match="KommoSecret"):
        Template.read(FILE, {"DatabaseMode": "existing"}).functions()


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Stage"}, "dev"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn"),
        ({"Fn::Sub": "${Stage}-${Queue.Arn}-${!literal}"}, "dev-arn-${literal}"),
        ({"Fn::Sub": ["${a}/${Stage}", {"a": {"Ref": "Queue"}}]}, "url/dev"),
        ({"Fn::If": ["IsDev", "yes", {"Ref": "Unknown"}]}, "yes"),
        ({"Fn::If": ["IsProd", "yes", "no"]}, "no"),
        ({"Fn::If": ["HasNames", "some", "none"]}, "none"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}]]}, "a-dev"),
        ({"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}, "b"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "memory"]}, 256),
        ({"kept": 1, "gone": {"Ref": "AWS::NoValue"}}, {"kept": 1}),
        ([{"Ref": "AWS::NoValue"}, 2], [2]),
    ],
)
def test_intrinsic_functions(resolve: Resolver, node: Any, value: Any) -> None:
    assert resolve(node) == value


@pytest.mark.parametrize("node", [{"Ref": "Nobody"}, {"Fn::ImportValue": "x"}])
def test_what_cannot_be_resolved_is_an_error(resolve: Resolver, node: Any) -> None:
    with pytest.raises(TemplateError):
        resolve(node)


def test_events_may_be_switched_off() -> None:
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "Events": {
                "On": {"Type": "Schedule", "Properties": {"Schedule": "rate(5 minutes)"}},
                "Off": {"Type": "Schedule", "Properties": {"Schedule": "rate(1 day)", "Enabled": False}},
                "Never": {"Type": "ScheduleV2", "Properties": {"ScheduleExpression": "x", "State": "DISABLED"}},
                "Open": {"Type": "HttpApi", "Properties": {"Path": "/a", "Method": "get"}},
            }
        },
    }
    template = Template({"Resources": {"F": function}}, {})
    assert [schedule.name for schedule in template.schedules()] == ["On"]
    assert template.routes() == [Route("GET", "/a", "F", guarded=False)]
