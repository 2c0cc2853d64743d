"""Queues, the schedule and the bus: how work reaches those who do it, and where it ends if it fails."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.infra.stack import Stack, constants, referred, when
from ventana.download import MAX_REDIRECTIONS
from ventana.http import streaming, transport
from ventana.schema import media
from ventana.spill_queue import FOLDER

FOURTEEN_DAYS = 14 * 24 * 3600
DEAD_LETTERS = (
    "SendDeadLetterQueue",
    "SpillDeadLetterQueue",
    "MediaDeadLetterQueue",
    "LookupDeadLetterQueue",
    "ScheduleDeadLetterQueue",
    "SweepFailureQueue",
    "ReconcileDeadLetterQueue",
    "ReconcileFailureQueue",
    "EchoFailureQueue",
)


FED = {
    "SendQueue": "Sender",
    "BulkQueue": "Sender",
    "SpillQueue": "SpillDrain",
    "MediaQueue": "Media",
    "LookupQueue": "ContactLookup",
}
"""Each queue with a function behind it."""
ORDERED = ("SendQueue", "BulkQueue", "SpillQueue", "LookupQueue")
LANES = {"SendQueue": "SenderConcurrency", "BulkQueue": "BulkConcurrency"}
SENDER = constants("functions/sender/app.py")


@pytest.fixture
def sources(stack: Stack) -> dict[str, dict[str, Any]]:
    """What carries messages to a function, by the queue's name."""
    found = stack.of_type("AWS::Lambda::EventSourceMapping")
    return {referred(source["EventSourceArn"]): source for source in found.values()}


def test_each_queue_feeds_its_function_which_says_what_failed(sources: dict[str, dict[str, Any]]) -> None:
    assert {name: referred(source["FunctionName"]) for name, source in sources.items()} == FED
    assert all(source["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for source in sources.values())


@pytest.mark.parametrize("name", LANES)
def test_the_sender_takes_one_turn_at_a_time_from_either_lane(sources: dict[str, dict[str, Any]], name: str) -> None:
    source = sources[name]
    assert source["BatchSize"] == 1, "see the comment in template.yaml: a batch holds up conversations"
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": LANES[name]}}


def test_the_lanes_differ_in_nothing_but_who_works_on_them(stack: Stack) -> None:
    assert stack.properties("SendQueue") == stack.properties("BulkQueue")


@pytest.mark.parametrize("name", ORDERED)
def test_a_queue_keeps_order_within_a_conversation_or_account(stack: Stack, name: str) -> None:
    queue = stack.properties(name)
    assert queue["FifoQueue"] is True
    assert queue["ContentBasedDeduplication"] is False
    assert queue["DeduplicationScope"] == "messageGroup"
    assert queue["FifoThroughputLimit"] == "perMessageGroupId"


@pytest.mark.parametrize("name", LANES)
def test_a_turn_that_no_sender_can_take_is_kept_apart_and_one_that_waits_is_not(stack: Stack, name: str) -> None:
    policy = stack.properties(name)["RedrivePolicy"]
    assert referred(policy["deadLetterTargetArn"]) == "SendDeadLetterQueue"
    assert policy["maxReceiveCount"] > SENDER["RECEIVES"] + 5, "the sender leaves it to the sweep in time"
    assert stack.properties("SendDeadLetterQueue")["FifoQueue"] is True


def test_a_turn_waits_in_the_queue_for_less_than_its_visibility_timeout(stack: Stack) -> None:
    """The sender says when it comes again: what it says must not be longer than where it says nothing."""
    assert SENDER["QUEUED_FOR_SECONDS"] < stack.properties("SendQueue")["VisibilityTimeout"]


def test_an_outage_of_a_day_moves_nothing_to_the_dead_letters_of_the_spill(stack: Stack) -> None:
    queue = stack.properties("SpillQueue")
    assert referred(queue["RedrivePolicy"]["deadLetterTargetArn"]) == "SpillDeadLetterQueue"
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 1000, "as many as there can be"
    assert queue["MessageRetentionPeriod"] == FOURTEEN_DAYS
    assert stack.properties("SpillDeadLetterQueue")["FifoQueue"] is True


def test_large_spilled_items_are_private_encrypted_and_forgotten(stack: Stack) -> None:
    bucket = stack.properties("SpillBucket")
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert (rule["Status"], rule["Prefix"]) == ("Enabled", FOLDER)
    assert rule["ExpirationInDays"] * 24 * 3600 > 2 * FOURTEEN_DAYS, "an object outlives the message that tells of it"


@pytest.mark.parametrize("name", FED)
def test_a_batch_stays_invisible_for_six_times_its_functions_timeout(stack: Stack, name: str) -> None:
    assert stack.properties(name)["VisibilityTimeout"] >= 6 * stack.properties(FED[name])["Timeout"]


def test_the_worst_message_fits_into_the_senders_timeout_and_the_sender_into_its_lease(stack: Stack) -> None:
    sender = stack.properties("Sender")
    variables = sender["Environment"]["Variables"]
    call = SENDER["CONNECT_SECONDS"] + int(variables["PROVIDER_TIMEOUT_MS"]) / 1000
    message = SENDER["CALLS_A_SEND"] * call + 2 * int(variables["DATABASE_TIMEOUT_MS"]) / 1000
    assert message + SENDER["SPARE_MS"] / 1000 < 0.9 * sender["Timeout"], "and leaves time for more than one of them"
    assert sender["Timeout"] < int(variables["LEASE_SECONDS"])


def test_the_worst_file_fits_into_its_workers_timeout_and_the_worker_into_its_lease(
    stack: Stack, sources: dict[str, dict[str, Any]]
) -> None:
    worker = stack.properties("Media")
    variables = worker["Environment"]["Variables"]
    waits, whole = (inspect.signature(make).parameters for make in (transport, streaming))
    call = waits["connect_seconds"].default + waits["read_seconds"].default
    put = 2 * (3 + 20)  # the worker's S3 client
    fetch = call + MAX_REDIRECTIONS * call + whole["whole_seconds"].default + whole["read_seconds"].default
    assert fetch + put + 2 * int(variables["DATABASE_TIMEOUT_MS"]) / 1000 <= worker["Timeout"]
    assert worker["Timeout"] < int(variables["LEASE_SECONDS"])
    assert sources["MediaQueue"]["BatchSize"] == 1
    assert sources["MediaQueue"]["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MediaConcurrency"}}
    assert stack.properties("MediaQueue")["RedrivePolicy"]["maxReceiveCount"] > 2 * media.MAX_ATTEMPTS


def test_copies_of_files_are_private_encrypted_and_kept_unless_somebody_says_how_long(stack: Stack) -> None:
    bucket = stack.properties("MediaBucket")
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    (rule,) = when("ForgetsMedia", bucket["LifecycleConfiguration"])["Rules"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", {"Ref": "MediaRetentionDays"})
    assert stack.source["Parameters"]["MediaRetentionDays"]["Default"] == 0
    assert stack.resources["MediaBucket"]["DeletionPolicy"] == "Retain"
    (denial,) = stack.properties("MediaBucketPolicy")["PolicyDocument"]["Statement"]
    assert (denial["Effect"], denial["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_nothing_of_files_is_there_where_nobody_wants_them(stack: Stack) -> None:
    """Everything that belongs to the media worker, its role included, hangs on one condition."""
    conditional = {name for name, found in stack.resources.items() if found.get("Condition") == "StoresMedia"}
    assert conditional == {name for name in stack.resources if name.startswith("Media")}


def test_contacts_are_asked_for_one_after_the_other(stack: Stack, sources: dict[str, dict[str, Any]]) -> None:
    worker, waits = stack.properties("ContactLookup"), inspect.signature(transport).parameters
    call = waits["connect_seconds"].default + waits["read_seconds"].default
    statement = int(worker["Environment"]["Variables"]["DATABASE_TIMEOUT_MS"]) / 1000
    assert sources["LookupQueue"]["BatchSize"] == 1
    assert call + 3 * statement < worker["Timeout"]


@pytest.mark.parametrize("name", DEAD_LETTERS)
def test_dead_letters_wait_two_weeks_for_somebody(stack: Stack, name: str) -> None:
    assert stack.properties(name)["MessageRetentionPeriod"] == FOURTEEN_DAYS


def test_every_queue_is_encrypted_and_none_is_unknown_here(stack: Stack) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    assert set(queues) == {*FED, *DEAD_LETTERS}
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())


def test_the_sweep_runs_every_minute_and_a_missed_tick_is_kept(stack: Stack) -> None:
    schedule = stack.properties("WindowSweepEveryMinute")
    target = schedule["Target"]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert "Name" not in schedule, "a fixed name could be used by one stack an account"
    assert referred(target["Arn"]) == "WindowSweep"
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60}
    assert referred(target["DeadLetterConfig"]["Arn"]) == "ScheduleDeadLetterQueue"
    assert stack.properties("WindowSweep")["Timeout"] < 60


def test_a_failed_sweep_is_not_repeated_but_kept_and_not_among_missed_ticks(stack: Stack) -> None:
    invoked = stack.properties("WindowSweepEventInvokeConfig")
    assert invoked["MaximumRetryAttempts"] == 0
    assert referred(invoked["DestinationConfig"]["OnFailure"]["Destination"]) == "SweepFailureQueue"


def test_the_reconciler_runs_every_five_minutes_and_what_failed_is_kept(stack: Stack) -> None:
    schedule, invoked = stack.properties("ReconcileEveryFiveMinutes"), stack.properties("ReconcileEventInvokeConfig")
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    assert "Name" not in schedule
    assert referred(schedule["Target"]["Arn"]) == "Reconcile"
    assert schedule["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 300}
    assert referred(schedule["Target"]["DeadLetterConfig"]["Arn"]) == "ReconcileDeadLetterQueue"
    assert invoked["MaximumRetryAttempts"] == 0
    assert referred(invoked["DestinationConfig"]["OnFailure"]["Destination"]) == "ReconcileFailureQueue"
    assert stack.properties("Reconcile")["Timeout"] < 300


def test_the_echo_bot_is_there_where_somebody_wants_it_and_hears_texts_alone(stack: Stack) -> None:
    conditional = {name for name, found in stack.resources.items() if found.get("Condition") == "HasEchoBot"}
    assert conditional == {name for name in stack.resources if name.startswith("Echo")}
    assert stack.source["Parameters"]["EchoBot"]["Default"] == "false"
    rule = stack.only("AWS::Events::Rule")
    assert rule["EventBusName"] == {"Ref": "EventBus"}
    assert rule["EventPattern"] == {
        "source": ["ventana"],
        "detail-type": ["MessageReceived"],
        "detail": {"content_type": ["text"]},
    }
    (target,) = rule["Targets"]
    assert referred(target["Arn"]) == "Echo"
    permission = stack.properties("EchoReceivedPermission")
    assert (permission["Principal"], referred(permission["FunctionName"])) == ("events.amazonaws.com", "Echo")


def test_what_the_echo_bot_missed_or_failed_with_is_kept(stack: Stack) -> None:
    invoked = stack.properties("EchoEventInvokeConfig")
    (target,) = stack.only("AWS::Events::Rule")["Targets"]
    (allowed,) = stack.properties("EchoFailureQueuePolicy")["PolicyDocument"]["Statement"]
    assert referred(invoked["DestinationConfig"]["OnFailure"]["Destination"]) == "EchoFailureQueue"
    assert referred(target["DeadLetterConfig"]["Arn"]) == "EchoFailureQueue"
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert referred(allowed["Condition"]["ArnEquals"]["aws:SourceArn"]) == "EchoReceived"


def test_each_stack_has_a_bus_of_its_own(stack: Stack) -> None:
    assert stack.only("AWS::Events::EventBus")["Name"] == {"Ref": "AWS::StackName"}
