"""Turns in their queues: by lane, in order within a conversation, once for each ticket, and in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from ventana.send_queue import SendQueue, Turn


@pytest.fixture
def urls(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        sqs = boto3.client("sqs")
        fifo: Any = {"FifoQueue": "true", "DeduplicationScope": "messageGroup"}
        yield {
            lane: sqs.create_queue(QueueName=f"{lane}.fifo", Attributes=fifo)["QueueUrl"] for lane in ("reply", "bulk")
        }


def queued(url: str) -> list[tuple[str, str]]:
    """Body and group of each entry."""
    sqs, found = boto3.client("sqs"), []
    while entries := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages"):
        for entry in entries:
            found.append((entry["Body"], entry["Attributes"]["MessageGroupId"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=entry["ReceiptHandle"])
    return found


def test_turns_go_to_the_queue_of_their_lane_grouped_by_conversation(urls: dict[str, str]) -> None:
    turns = [Turn(f"m{number}", f"c{number % 2}", "bulk" if number % 3 else "reply") for number in range(25)]
    taken = SendQueue(urls).put(turns)
    assert sorted(turn.message_id for turn in taken) == sorted(turn.message_id for turn in turns)
    for lane, url in urls.items():
        found = queued(url)
        assert sorted(found) == sorted((turn.message_id, turn.conversation_id) for turn in turns if turn.lane == lane)
        for conversation in ("c0", "c1"):
            in_line = [body for body, group in found if group == conversation]
            assert in_line == [
                turn.message_id for turn in turns if turn.lane == lane and turn.conversation_id == conversation
            ]


def test_a_turn_is_queued_once_for_each_ticket(urls: dict[str, str]) -> None:
    queue, turn = SendQueue(urls), Turn("m", "c")
    for ticket in ("first", "first", "sweep-1"):
        assert queue.put([turn], ticket) == [turn]
    assert queued(urls["reply"]) == [("m", "c"), ("m", "c")]


def test_only_what_the_queue_took_counts_as_queued(urls: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    queue, turns = SendQueue(urls), [Turn("m1", "c"), Turn("m2", "c")]
    answer = {"Successful": [{"Id": "1"}], "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(queue._client, "send_message_batch", lambda **call: answer)
    assert queue.put(turns) == turns[1:]


def test_nothing_is_begun_that_may_end_too_late(urls: dict[str, str]) -> None:
    queue = SendQueue(urls, call_seconds=1.0)
    assert queue.put([Turn("m", "c")], until=time.monotonic() + 0.9) == []
    assert queue.put([Turn("m", "c")], until=time.monotonic() + 5) == [Turn("m", "c")]


def test_a_queue_that_is_away_is_told_of_and_nothing_more(
    urls: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(**call: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")

    queue = SendQueue(urls)
    monkeypatch.setattr(queue._client, "send_message_batch", away)
    monkeypatch.setattr(queue._client, "send_message", away)
    with pytest.raises(EndpointConnectionError):
        queue.put([Turn("m", "c")])
    assert queue.put_quietly([Turn("m", "c")]) == []
    assert queue.indicate("typing", "m", "c") is False


def test_what_is_shown_is_of_another_group_than_what_is_sent_and_comes_each_time(urls: dict[str, str]) -> None:
    queue = SendQueue(urls)
    queue.put([Turn("m", "c")])
    for _ in range(2):
        assert queue.indicate("typing", "in", "c") is True
    found = queued(urls["reply"])
    assert sorted(body for body, _ in found) == ["m", "typing:in", "typing:in"]
    assert {group for body, group in found if body != "m"} != {"c"}


def test_an_entry_stays_away_for_as_long_as_it_was_told(urls: dict[str, str]) -> None:
    sqs, queue = boto3.client("sqs"), SendQueue(urls)
    queue.put([Turn("m", "c", "bulk")])
    (entry,) = sqs.receive_message(QueueUrl=urls["bulk"])["Messages"]
    queue.delay("bulk", entry["ReceiptHandle"], 60)
    assert "Messages" not in sqs.receive_message(QueueUrl=urls["bulk"])
    queue.delay("bulk", entry["ReceiptHandle"], 0)
    assert queued(urls["bulk"]) == [("m", "c")]
