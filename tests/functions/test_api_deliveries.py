"""What people do with a message: cancel, try again, settle, show as read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.functions.api_calls import CALLER, NOBODY, Api, Events, Load, Rows, a_conversation, text

Ours = tuple[str, str]


@pytest.fixture
def call(load: Load, events: Events) -> Api:
    return Api(load, events, {"sub": CALLER})


@pytest.fixture
def accepted(call: Api, rows: Rows) -> str:
    """A message of ours that nobody has touched yet."""
    return str(call("POST", "/v1/messages", text(conversation_id=a_conversation(rows)))[1]["id"])


def entries(aws: dict[str, str]) -> list[tuple[str, str]]:
    """What is in the queue: bodies and groups."""
    answer = boto3.client("sqs").receive_message(
        QueueUrl=aws["SEND_QUEUE_URL"], MaxNumberOfMessages=10, AttributeNames=["All"]
    )
    return [(entry["Body"], entry["Attributes"]["MessageGroupId"]) for entry in answer.get("Messages", [])]


def in_state(rows: Rows, message_id: str, state: str, error_code: str | None = None) -> None:
    """As the sender leaves it."""
    if state == "sending":
        rows("update kommo_messages set delivery_status = 'sending' where id = %s", message_id)
        rows("update sends set phase = 'sending', claimed_at = now(), lease_until = now() + interval '1 minute'")
    else:
        in_state(rows, message_id, "sending")
        rows("select move_message_v2(%s, %s, now(), 'sender', %s, 'it says why')", message_id, state, error_code)


def test_a_message_that_no_provider_has_can_be_cancelled(
    call: Api, accepted: str, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    cancelled = (200, {"id": accepted, "status": "cancelled"})
    assert call("POST", f"/v1/messages/{accepted}/cancel") == cancelled
    assert call("POST", f"/v1/messages/{accepted}/cancel") == cancelled
    shown = call("GET", f"/v1/messages/{accepted}")[1]
    assert (shown["status"], shown["history"][-1]["cause"]) == ("cancelled", CALLER)
    audited = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "message_cancelled" in line]
    assert {(line["by"], line["message_id"]) for line in audited} == {(CALLER, accepted)}


@pytest.mark.parametrize(
    ("state", "code"),
    [("sending", "in_flight"), ("uncertain", "in_flight"), ("sent", "too_late"), ("failed", "too_late")],
)
def test_what_a_provider_has_cannot_be_cancelled(call: Api, accepted: str, rows: Rows, state: str, code: str) -> None:
    in_state(rows, accepted, state)
    status, problem = call("POST", f"/v1/messages/{accepted}/cancel")
    assert (status, problem["code"]) == (409, code)


@pytest.mark.parametrize("action", ["cancel", "retry", "settle", "read"])
def test_there_is_no_such_message(call: Api, action: str) -> None:
    body = {"outcome": "sent"} if action == "settle" else None
    status, problem = call("POST", f"/v1/messages/{NOBODY}/{action}", body)
    assert (status, problem["code"]) == (404, "not_found")


@pytest.mark.parametrize("action", ["cancel", "retry", "settle"])
def test_a_message_of_the_customer_is_none_of_ours(call: Api, rows: Rows, action: str) -> None:
    a_conversation(rows)
    theirs = rows("select id::text from kommo_messages")[0][0]
    body = {"outcome": "sent"} if action == "settle" else None
    assert call("POST", f"/v1/messages/{theirs}/{action}", body)[0] == 404


def test_a_failed_message_is_tried_again_at_once(call: Api, accepted: str, rows: Rows, aws: dict[str, str]) -> None:
    entries(aws)
    in_state(rows, accepted, "failed", "rejected")
    assert call("POST", f"/v1/messages/{accepted}/retry", {"expires_in": 60}) == (
        202,
        {"id": accepted, "status": "accepted"},
    )
    boto3.client("sqs").purge_queue(QueueUrl=aws["SEND_QUEUE_URL"])
    shown = call("GET", f"/v1/messages/{accepted}")[1]
    assert (shown["status"], shown["error_code"], shown["attempts"]) == ("queued", None, 0)
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=60)


def test_what_a_provider_had_goes_again_as_another_message(
    call: Api, accepted: str, rows: Rows, aws: dict[str, str]
) -> None:
    in_state(rows, accepted, "failed")
    rows("update kommo_messages set provider_message_id = 'SM1' where id = %s", accepted)
    status, again = call("POST", f"/v1/messages/{accepted}/retry")
    assert (status, again["status"]) == (202, "accepted")
    assert again["id"] != accepted
    assert call("GET", f"/v1/messages/{accepted}")[1]["replaced_by"] == again["id"]
    shown = call("GET", f"/v1/messages/{again['id']}")[1]
    assert (shown["replaces"], shown["content"], shown["accepted_by"]) == (accepted, "an answer", CALLER)
    assert again["id"] in [body for body, _ in entries(aws)]


@pytest.mark.parametrize(
    ("state", "code"), [("accepted", "not_failed"), ("sent", "not_failed"), ("uncertain", "uncertain")]
)
def test_only_what_failed_is_tried_again(call: Api, accepted: str, rows: Rows, state: str, code: str) -> None:
    if state != "accepted":
        in_state(rows, accepted, state)
    status, problem = call("POST", f"/v1/messages/{accepted}/retry")
    assert (status, problem["code"]) == (409, code)


def test_a_retry_finds_the_window_shut(call: Api, accepted: str, rows: Rows) -> None:
    in_state(rows, accepted, "failed")
    rows("update kommo_conversations set last_user_message_at = now() - interval '25 hours'")
    status, problem = call("POST", f"/v1/messages/{accepted}/retry")
    assert (status, problem["code"]) == (409, "window_closed")
    assert datetime.now(UTC) - datetime.fromisoformat(problem["closed_at"]) > timedelta(minutes=59)


@pytest.mark.parametrize(("outcome", "status"), [("sent", "sent"), ("failed", "failed"), ("untaken", "queued")])
def test_a_person_settles_what_is_uncertain(
    call: Api, accepted: str, rows: Rows, aws: dict[str, str], outcome: str, status: str
) -> None:
    before = entries(aws)
    in_state(rows, accepted, "uncertain")
    rows("update sends set claimed_at = now() - interval '301 seconds'")
    assert call("POST", f"/v1/messages/{accepted}/settle", {"outcome": outcome}) == (
        200,
        {"id": accepted, "status": status},
    )
    shown = call("GET", f"/v1/messages/{accepted}")[1]
    assert (shown["status"], shown["history"][-1]["cause"]) == (status, CALLER)
    assert [body for body, _ in before] == [accepted]
    waiting = boto3.client("sqs").get_queue_attributes(
        QueueUrl=aws["SEND_QUEUE_URL"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]["ApproximateNumberOfMessages"]
    assert waiting == ("1" if outcome == "untaken" else "0")


def test_nobody_settles_before_the_status_had_its_time(call: Api, accepted: str, rows: Rows) -> None:
    in_state(rows, accepted, "uncertain")
    status, problem = call("POST", f"/v1/messages/{accepted}/settle", {"outcome": "failed"})
    assert (status, problem["code"]) == (409, "too_early")
    left = datetime.fromisoformat(problem["settle_after"]) - datetime.now(UTC)
    assert timedelta(seconds=240) < left <= timedelta(seconds=300)


def test_what_is_known_is_not_settled(call: Api, accepted: str) -> None:
    status, problem = call("POST", f"/v1/messages/{accepted}/settle", {"outcome": "failed"})
    assert (status, problem["code"]) == (409, "not_uncertain")


@pytest.mark.parametrize(
    ("provider", "body", "found"),
    [
        ("meta", None, "read"),
        ("meta", {}, "read"),
        ("meta", {"typing": False}, "read"),
        ("meta", {"typing": True}, "typing"),
        ("twilio", {"typing": True}, "typing"),
        ("twilio", None, 422),
        ("kommo", None, 422),
        ("kommo", {"typing": True}, 422),
    ],
)
def test_a_customer_is_shown_that_we_read_or_write(
    call: Api, rows: Rows, aws: dict[str, str], provider: str, body: Any, found: str | int
) -> None:
    """Where the provider can show it; in a line of its own, so that no message waits for it."""
    conversation = a_conversation(rows, provider)
    theirs = rows("select id::text from kommo_messages")[0][0]
    status, answer = call("POST", f"/v1/messages/{theirs}/read", body)
    if found == 422:
        assert (status, answer["code"], answer["field"]) == (422, "unsupported_by_provider", "typing")
        assert entries(aws) == []
    else:
        assert (status, answer) == (202, {"id": theirs, "shown": found})
        assert entries(aws) == [(f"{found}:{theirs}", f"{conversation}:indication")]


def test_typing_is_shown_as_often_as_it_is_asked_for(call: Api, rows: Rows, aws: dict[str, str]) -> None:
    a_conversation(rows, "meta")
    theirs = rows("select id::text from kommo_messages")[0][0]
    for _ in range(2):
        assert call("POST", f"/v1/messages/{theirs}/read", {"typing": True})[0] == 202
    assert entries(aws)[:1] == [(f"typing:{theirs}", entries_group(rows))]


def entries_group(rows: Rows) -> str:
    return f"{rows('select id::text from kommo_conversations')[0][0]}:indication"


def test_our_own_message_is_not_read_by_us(call: Api, accepted: str) -> None:
    status, problem = call("POST", f"/v1/messages/{accepted}/read")
    assert (status, problem["code"]) == (409, "not_received")


def test_an_indication_without_a_queue(call: Api, rows: Rows, aws: dict[str, str]) -> None:
    a_conversation(rows, "meta")
    theirs = rows("select id::text from kommo_messages")[0][0]
    boto3.client("sqs").delete_queue(QueueUrl=aws["SEND_QUEUE_URL"])
    status, problem = call("POST", f"/v1/messages/{theirs}/read")
    assert (status, problem["code"]) == (503, "queue_unavailable")
