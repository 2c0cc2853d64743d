"""What each function may do: this table, nothing more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.stack import Stack, listed, referred, when
from ventana.spill_queue import FOLDER

DATABASE = ("secretsmanager:GetSecretValue", "DatabaseSecretArn")
KOMMO = ("secretsmanager:GetSecretValue", "KommoSecret")
META = ("secretsmanager:GetSecretValue", "MetaSecret")
TWILIO = ("secretsmanager:GetSecretValue", "TwilioSecret")
TURNS = {("sqs:SendMessage", "SendQueue"), ("sqs:SendMessage", "BulkQueue")}
EVENTS = ("events:PutEvents", "EventBus")

SPILL = {("sqs:SendMessage", "SpillQueue"), ("s3:PutObject", "SpillBucket")}
FILES = ("sqs:SendMessage", "MediaQueue")

ALLOWED = {
    "KommoWebhook": {DATABASE, KOMMO, FILES, EVENTS, *SPILL, *TURNS},
    "MetaWebhook": {DATABASE, META, FILES, EVENTS, *SPILL, *TURNS},
    "TwilioWebhook": {DATABASE, TWILIO, FILES, EVENTS, *SPILL, *TURNS},
    "Api": {DATABASE, EVENTS, *TURNS},
    "Sender": {
        DATABASE,
        KOMMO,
        META,
        TWILIO,
        EVENTS,
        ("sqs:ChangeMessageVisibility", "SendQueue"),
        ("sqs:ChangeMessageVisibility", "BulkQueue"),
    },
    "SpillDrain": {
        DATABASE,
        *TURNS,
        ("sqs:ChangeMessageVisibility", "SpillQueue"),
        ("s3:GetObject", "SpillBucket"),
        ("s3:DeleteObject", "SpillBucket"),
        ("s3:ListBucket", "SpillBucket"),
    },
    "Media": {
        DATABASE,
        KOMMO,
        META,
        TWILIO,
        ("sqs:ChangeMessageVisibility", "MediaQueue"),
        ("s3:PutObject", "MediaBucket"),
    },
    "ContactLookup": {DATABASE, KOMMO},
    "WindowSweep": {
        DATABASE,
        FILES,
        EVENTS,
        *TURNS,
        ("sqs:SendMessage", "LookupQueue"),
        ("sqs:SendMessage", "SweepFailureQueue"),
    },
    "Reconcile": {DATABASE, KOMMO, TWILIO, *TURNS, ("sqs:SendMessage", "ReconcileFailureQueue")},
    "Echo": {DATABASE, ("sqs:SendMessage", "SendQueue"), ("sqs:SendMessage", "EchoFailureQueue")},
    "Migrator": {DATABASE},
}

# AWS's own policies, attached by SAM: logs, traces, network interfaces; and reading the queue where there is one.
EVERYWHERE = {
    "service-role/AWSLambdaBasicExecutionRole",
    "service-role/AWSLambdaVPCAccessExecutionRole",
    "AWSXrayWriteOnlyAccess",
}
WITH_QUEUE = EVERYWHERE | {"service-role/AWSLambdaSQSQueueExecutionRole"}
MANAGED = dict.fromkeys(("Sender", "SpillDrain", "Media", "ContactLookup"), WITH_QUEUE)


def granted(role: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (action, referred(resource))
        for policy in role.get("Policies", [])
        for statement in (when("StoresMedia", each) for each in listed(policy["PolicyDocument"]["Statement"]))
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def test_every_function_is_in_the_table(stack: Stack) -> None:
    assert set(stack.functions()) == set(ALLOWED)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_function_may_do_what_it_needs_and_nothing_else(stack: Stack, name: str) -> None:
    role = stack.properties(referred(stack.properties(name)["Role"]))
    managed = {arn.split(":policy/")[1] for arn in role["ManagedPolicyArns"]}
    assert granted(role) == ALLOWED[name]
    assert managed == MANAGED.get(name, EVERYWHERE)


def test_no_two_functions_share_a_role(stack: Stack) -> None:
    roles = [referred(function["Role"]) for function in stack.functions().values()]
    assert len(roles) == len(set(roles))


def test_the_schedule_may_wake_the_sweep_and_keep_what_failed(stack: Stack) -> None:
    role = stack.properties("WindowSweepEveryMinuteRole")
    assert granted(role) == {("lambda:InvokeFunction", "WindowSweep"), ("sqs:SendMessage", "ScheduleDeadLetterQueue")}


def test_the_schedule_may_wake_the_reconciler_and_keep_what_failed(stack: Stack) -> None:
    role = stack.properties("ReconcileEveryFiveMinutesRole")
    assert granted(role) == {("lambda:InvokeFunction", "Reconcile"), ("sqs:SendMessage", "ReconcileDeadLetterQueue")}


def test_nothing_is_granted_on_everything_or_by_pattern(stack: Stack) -> None:
    for name, role in stack.of_type("AWS::IAM::Role").items():
        for action, resource in granted(role):
            assert "*" not in action, name
            assert "*" not in resource, name


def test_objects_are_reached_below_one_folder_of_their_bucket_only(stack: Stack) -> None:
    reached = {
        str(resource)
        for role in stack.of_type("AWS::IAM::Role").values()
        for policy in role.get("Policies", [])
        for statement in (when("StoresMedia", each) for each in listed(policy["PolicyDocument"]["Statement"]))
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
