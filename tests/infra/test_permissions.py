"""What each function may do: this table, nothing more."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.stack import ROOT, Stack, given_where_made, listed, referred, when
from ventana.spill_queue import FOLDER

KOMMO = ("secretsmanager:GetSecretValue", "KommoSecret")
META = ("secretsmanager:GetSecretValue", "MetaSecret")
TWILIO = ("secretsmanager:GetSecretValue", "TwilioSecret")
TURNS = {("sqs:SendMessage", "SendQueue"), ("sqs:SendMessage", "BulkQueue")}
EVENTS = ("events:PutEvents", "EventBus")

SPILL = {("sqs:SendMessage", "SpillQueue"), ("s3:PutObject", "SpillBucket")}
FILES = ("sqs:SendMessage", "MediaQueue")


def logs(name: str) -> set[tuple[str, str]]:
    return {("logs:CreateLogStream", f"{name}Logs"), ("logs:PutLogEvents", f"{name}Logs")}


def taking(*queues: str) -> set[tuple[str, str]]:
    """What Lambda does with the queues in front of a function, in the function's name."""
    actions = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    return {(action, queue) for queue in queues for action in actions}


DEAD_LETTERS = {
    *taking("SendDeadLetterQueue", "SpillDeadLetterQueue", "LookupDeadLetterQueue", "MediaDeadLetterQueue"),
    *(("sqs:SendMessage", queue) for queue in ("SpillQueue", "LookupQueue", "MediaQueue")),
}


ALLOWED = {
    "KommoWebhook": {KOMMO, FILES, EVENTS, *SPILL, *TURNS},
    "MetaWebhook": {META, FILES, EVENTS, *SPILL, *TURNS},
    "TwilioWebhook": {TWILIO, FILES, EVENTS, *SPILL, *TURNS},
    "Api": {EVENTS, *TURNS, *DEAD_LETTERS, ("s3:GetObject", "MediaBucket")},
    "Sender": {
        KOMMO,
        META,
        TWILIO,
        EVENTS,
        *taking("SendQueue", "BulkQueue"),
        ("sqs:ChangeMessageVisibility", "SendQueue"),
        ("sqs:ChangeMessageVisibility", "BulkQueue"),
    },
    "SpillDrain": {
        *TURNS,
        *taking("SpillQueue"),
        ("sqs:ChangeMessageVisibility", "SpillQueue"),
        ("s3:GetObject", "SpillBucket"),
        ("s3:DeleteObject", "SpillBucket"),
        ("s3:ListBucket", "SpillBucket"),
    },
    "Media": {
        KOMMO,
        META,
        TWILIO,
        *taking("MediaQueue"),
        ("sqs:ChangeMessageVisibility", "MediaQueue"),
        ("s3:PutObject", "MediaBucket"),
    },
    "ContactLookup": {KOMMO, *taking("LookupQueue")},
    "WindowSweep": {
        FILES,
        EVENTS,
        *TURNS,
        ("sqs:SendMessage", "LookupQueue"),
        ("sqs:SendMessage", "SweepFailureQueue"),
    },
    "Reconcile": {KOMMO, META, TWILIO, *TURNS, ("sqs:SendMessage", "ReconcileFailureQueue")},
    "Echo": {("sqs:SendMessage", "SendQueue"), ("sqs:SendMessage", "EchoFailureQueue")},
    "HealthCheck": {KOMMO, META, TWILIO},
    "Migrator": {("secretsmanager:GetSecretValue", "Database")},
}
"""Beside its own log group and the two policies that all share; see below."""
SHARED = {
    "RuntimePolicy": {
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    },
    "DatabasePolicy": {"rds-db:connect"},
}
ON_EVERYTHING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"} | {
    action for action in SHARED["RuntimePolicy"] if action.startswith("ec2:")
}
"""What AWS takes on "*" only: X-Ray has no resources, and Lambda asks before there is an interface to name."""


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    """What a role or policy says itself, where everything is made and files are kept."""
    documents = [policy["PolicyDocument"] for policy in role.get("Policies", [])] or [role.get("PolicyDocument", {})]
    return [
        given_where_made(when("StoresMedia", each))
        for document in documents
        for each in listed(document.get("Statement", []))
    ]


def granted(role: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (action, referred(given_where_made(resource)))
        for statement in statements(role)
        for action in listed(statement["Action"])
        for resource in listed(given_where_made(statement["Resource"]))
    }


def test_every_function_is_in_the_table(stack: Stack) -> None:
    assert set(stack.functions()) == set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_function_may_do_what_it_needs_and_nothing_else(stack: Stack, name: str) -> None:
    role = stack.properties(referred(stack.properties(name)["Role"]))
    assert granted(role) == ALLOWED[name] | logs(name)
    shared = {referred(arn) for arn in role["ManagedPolicyArns"]}
    assert shared == ({"RuntimePolicy"} if name == "Migrator" else set(SHARED)), "and none of AWS's own"


@pytest.mark.parametrize("name", SHARED)
def test_what_all_may_do_is_little(stack: Stack, name: str) -> None:
    assert {action for action, _ in granted(stack.properties(name))} == SHARED[name]


def test_functions_connect_as_the_application_and_nobody_else(stack: Stack) -> None:
    (statement,) = statements(stack.properties("DatabasePolicy"))
    text, own = statement["Resource"]["Fn::Sub"]
    assert text.endswith(":dbuser:${Proxy}/ventana_app")
    assert own == {"Proxy": {"Fn::GetAtt": ["Database", "Outputs.ProxyResourceId"]}}


def test_no_two_functions_share_a_role(stack: Stack) -> None:
    roles = [referred(function["Role"]) for function in stack.functions().values()]
    assert len(roles) == len(set(roles))


def test_the_schedule_may_wake_the_sweep_and_keep_what_failed(stack: Stack) -> None:
    role = stack.properties("WindowSweepEveryMinuteRole")
    assert granted(role) == {("lambda:InvokeFunction", "WindowSweep"), ("sqs:SendMessage", "ScheduleDeadLetterQueue")}


def test_the_schedule_may_wake_the_reconciler_and_keep_what_failed(stack: Stack) -> None:
    role = stack.properties("ReconcileEveryFiveMinutesRole")
    assert granted(role) == {("lambda:InvokeFunction", "Reconcile"), ("sqs:SendMessage", "ReconcileDeadLetterQueue")}


def test_the_schedule_may_wake_the_health_check_and_keep_what_failed(stack: Stack) -> None:
    role = stack.properties("HealthCheckEveryHourRole")
    assert granted(role) == {("lambda:InvokeFunction", "HealthCheck"), ("sqs:SendMessage", "ScheduleDeadLetterQueue")}


def test_nothing_is_granted_on_everything_or_by_pattern(stack: Stack) -> None:
    for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for name, role in stack.of_type(kind).items():
            for action, resource in granted(role):
                assert "*" not in action, name
                assert "*" not in resource or action in ON_EVERYTHING, name


def test_whatever_is_allowed_on_everything_says_why() -> None:
    lines = (ROOT / "template.yaml").read_text().splitlines()
    for line in lines:
        if re.search(r'Resource: "\*"', line):
            assert re.search(r'"\*" +# \w+', line), line


def test_objects_are_reached_below_one_folder_of_their_bucket_only(stack: Stack) -> None:
    reached = {
        str(resource)
        for role in stack.of_type("AWS::IAM::Role").values()
        for statement in statements(role)
        for resource in listed(statement["Resource"])
        if any("Object" in action for action in listed(statement["Action"]))
    }
    assert reached == {
        str({"Fn::Sub": path}) for path in (f"${{SpillBucket.Arn}}/{FOLDER}*", "${MediaBucket.Arn}/media/*")
    }


def test_secrets_are_made_empty_and_outlive_the_stack(stack: Stack) -> None:
    secrets = stack.of_type("AWS::SecretsManager::Secret")
    assert set(secrets) == {"KommoSecret", "MetaSecret", "TwilioSecret"}
    for name, secret in secrets.items():
        assert secret["SecretString"] == "{}"
        assert stack.resources[name]["DeletionPolicy"] == stack.resources[name]["UpdateReplacePolicy"] == "Retain"
