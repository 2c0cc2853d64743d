"""Messages go from queues to functions as on AWS: what failed comes back, and ends in the dead letter queue."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from infra.local.aws import BUS_OBSERVER, Aws
from infra.local.bus import BusObserver
from infra.local.functions import Function
from infra.local.queues import QueuePoller, failed_ids
from infra.local.runtime_api import Invocation
from infra.local.template import QueueSource, Template
from tests.local.conftest import MakeFunction

RECORDER = """
import json, pathlib

def handler(event, context):
    with open("seen", "a") as file:
        for record in event["Records"]:
            file.write(json.dumps(record) + "\\n")
    bodies = [record["body"] for record in event["Records"]]
    if "raise" in bodies:
        raise ValueError
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] == "bad"]}
"""


SLOW = """
import json, os, time

def handler(event, context):
    (record,) = event["Records"]
    began, body = time.time(), json.loads(record["body"])
    if body.get("die") and record["attributes"]["ApproximateReceiveCount"] == "1":
        os._exit(9)
    time.sleep(body.get("sleep", 0))
    with open("seen", "a") as file:
        file.write(json.dumps({"body": record["body"], "pid": os.getpid(), "began": began, "ended": time.time(),
                               "group": record["attributes"]["MessageGroupId"]}) + "\\n")
"""


class Line:
    """A queue of its own with a recording function behind it."""

    def __init__(
        self,
        aws: Aws,
        function: Function,
        attributes: Mapping[str, str],
        partial: bool = True,
        batch_size: int = 5,
        concurrency: int = 1,
    ) -> None:
        self.sqs, self._function = aws.sqs, function
        suffix = ".fifo" if attributes.get("FifoQueue") else ""
        self.url = self.sqs.create_queue(QueueName=f"q{uuid4().hex}{suffix}", Attributes=dict(attributes))["QueueUrl"]  # type: ignore[arg-type]
        source = QueueSource("arn:aws:sqs:q", "Example", batch_size, partial, concurrency)
        self.poller = QueuePoller(source, self.url, function, aws)

    def put(self, body: str, group: str = "") -> None:
        more: Any = {"MessageGroupId": group, "MessageDeduplicationId": uuid4().hex} if group else {}
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **more)

    def left(self) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, attributes.values()))

    def seen(self) -> list[dict[str, Any]]:
        folder = self._function._program.folder
        return [json.loads(line) for line in (folder / "seen").read_text().splitlines()]


@pytest.fixture
def function(make_function: MakeFunction) -> Function:
    return make_function(RECORDER)


def test_a_function_gets_records_as_lambda_shapes_them(aws: Aws, function: Function) -> None:
    line = Line(aws, function, {"FifoQueue": "true"})
    line.put("hello", group="conversation-1")
    assert line.poller.take_batch() == 1
    (record,) = line.seen()
    assert (record["body"], record["eventSource"], record["eventSourceARN"]) == ("hello", "aws:sqs", "arn:aws:sqs:q")
    assert record["attributes"]["MessageGroupId"] == "conversation-1"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageId"]
    assert record["receiptHandle"]
    assert line.left() == 0


def test_only_what_failed_stays(aws: Aws, function: Function) -> None:
    line = Line(aws, function, {"VisibilityTimeout": "0"})
    for body in ("good", "bad", "good too"):
        line.put(body)
    assert line.poller.take_batch() == 3
    assert line.left() == 1
    line.poller.take_batch()
    assert [record["body"] for record in line.seen()].count("bad") == 2


def test_a_function_that_fails_keeps_the_whole_batch(aws: Aws, function: Function) -> None:
    line = Line(aws, function, {"VisibilityTimeout": "0"})
    for body in ("good", "raise"):
        line.put(body)
    line.poller.take_batch()
    assert line.left() == 2


def test_a_source_that_reports_no_failures_has_none(aws: Aws, function: Function) -> None:
    line = Line(aws, function, {}, partial=False)
    line.put("bad")
    line.poller.take_batch()
    assert line.left() == 0


def test_a_group_waits_for_its_failed_message_and_others_do_not(aws: Aws, function: Function) -> None:
    line = Line(aws, function, {"FifoQueue": "true", "VisibilityTimeout": "1"})
    line.put("bad", group="a")
    assert line.poller.take_batch() == 1
    line.put("behind", group="a")
    line.put("other", group="b")
    line.poller.take_batch()
    assert [record["body"] for record in line.seen()] == ["bad", "other"]
    time.sleep(1.1)
    line.poller.take_batch()
    assert [record["body"] for record in line.seen()][2] == "bad"


def test_what_fails_too_often_ends_in_the_dead_letter_queue(aws: Aws, function: Function) -> None:
    dead = Line(aws, function, {})
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    line = Line(aws, function, {"VisibilityTimeout": "0", "RedrivePolicy": policy})
    line.put("bad")
    for _ in range(3):
        line.poller.take_batch()
    assert (line.left(), dead.left()) == (0, 1)


def drained(line: Line, seconds: float = 15) -> list[dict[str, Any]]:
    """Wait until nothing is left; what was seen, in the order in which it ended."""
    give_up = time.monotonic() + seconds
    while line.left() and time.monotonic() < give_up:
        time.sleep(0.02)
    line.poller.stop()
    assert line.left() == 0
    return line.seen()


def test_a_running_poller_takes_what_comes(aws: Aws, function: Function) -> None:
    line = Line(aws, function, {})
    line.put("hello")
    line.poller.start()
    assert [record["body"] for record in drained(line)] == ["hello"]


def test_a_call_that_hangs_holds_up_its_own_group_and_no_other(aws: Aws, make_function: MakeFunction) -> None:
    line = Line(aws, make_function(SLOW, concurrency=3), {"FifoQueue": "true"}, batch_size=1, concurrency=3)
    line.put('{"sleep": 2.5}', group="slow")
    line.put('{"n": 2}', group="slow")
    for number in range(6):
        line.put(f'{{"n": {number}}}', group=f"quick-{number % 2}")
    line.poller.start()
    seen = drained(line)
    assert [entry["group"] for entry in seen][-2:] == ["slow", "slow"]
    assert json.loads(seen[-1]["body"]) == {"n": 2}
    for group in ("quick-0", "quick-1"):
        numbers = [json.loads(entry["body"])["n"] for entry in seen if entry["group"] == group]
        assert numbers == sorted(numbers)
    assert 2 <= len({entry["pid"] for entry in seen}) <= 3


def test_no_more_is_under_way_than_the_source_allows(aws: Aws, make_function: MakeFunction) -> None:
    line = Line(aws, make_function(SLOW, concurrency=4), {"FifoQueue": "true"}, batch_size=1, concurrency=2)
    for number in range(6):
        line.put('{"sleep": 0.15}', group=f"{number}")
    line.poller.start()
    seen = drained(line)
    assert {sum(other["began"] <= entry["began"] < other["ended"] for other in seen) for entry in seen} == {1, 2}
    assert len({entry["pid"] for entry in seen}) == 2


def test_a_message_whose_worker_died_comes_again_after_the_visibility_timeout(
    aws: Aws, make_function: MakeFunction
) -> None:
    line = Line(aws, make_function(SLOW), {"FifoQueue": "true", "VisibilityTimeout": "2"}, batch_size=1, concurrency=2)
    put_at = time.time()
    line.put('{"die": true}', group="a")
    line.put('{"n": 2}', group="a")
    line.put('{"n": 3}', group="b")
    line.poller.start()
    seen = drained(line)
    assert [json.loads(entry["body"]) for entry in seen] == [{"n": 3}, {"die": True}, {"n": 2}]
    assert seen[1]["began"] - put_at >= 2
    assert seen[0]["ended"] < seen[1]["began"]


class Entry:
    """As much of a message as a queue looks at while it deletes."""

    deduplication_id = group_id = None
    visible = False

    def __init__(self, handle: str) -> None:
        self.handle, self.all_receipt_handles = handle, {handle}

    def had_receipt_handle(self, handle: str) -> bool:
        return handle == self.handle


def test_what_several_delete_at_once_is_deleted() -> None:
    from infra.local import moto_server  # with moto, which takes its time

    queue = moto_server.Queue("q", "us-east-1", "123456789012")  # type: ignore[abstract,attr-defined]
    for number in range(400):
        queue.add_message(Entry(f"{number}"))  # type: ignore[arg-type]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(queue.delete_message, map(str, range(400))))
    finally:
        sys.setswitchinterval(interval)
    assert queue._messages == []


def invocation(answer: bytes = b"", error: dict[str, Any] | None = None) -> Invocation:
    done = Invocation(b"", 1, "Example")
    done.finish(answer, error)
    return done


MESSAGES: Any = [{"MessageId": "one"}, {"MessageId": "two"}]
ALL = {"one", "two"}


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "two"}]}', {"two"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "unknown"}]}', ALL),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', ALL),
        (b'{"batchItemFailures": [{}]}', ALL),
        (b'"text"', ALL),
    ],
)
def test_which_messages_failed_follows_lambdas_rules(answer: bytes, failed: set[str]) -> None:
    assert failed_ids(invocation(answer), True, MESSAGES) == failed


def test_the_template_becomes_queues_secrets_and_a_bus_that_can_be_watched(aws: Aws) -> None:
    content = {
        "Resources": {
            "Work": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "FifoQueue": True,
                    "VisibilityTimeout": 7,
                    "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
                },
            },
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}},
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "x"}},
            "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "{}"}},
        }
    }
    values = aws.create(Template(content, {}), {"Secret": {"key": "value"}})
    attributes = aws.sqs.get_queue_attributes(QueueUrl=values["Work"], AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "7"
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"] == values["Dead.Arn"]
    secret = aws._client("secretsmanager").get_secret_value(SecretId=values["Secret"])
    assert json.loads(secret["SecretString"]) == {"key": "value"}

    observer = BusObserver(aws, values[BUS_OBSERVER])
    observer.start()
    entry = {"Source": "ventana", "DetailType": "WindowClosed", "Detail": '{"id": 7}', "EventBusName": values["Bus"]}
    aws._client("events").put_events(Entries=[entry])
    give_up = time.monotonic() + 10
    while not observer.events() and time.monotonic() < give_up:
        time.sleep(0.02)
    observer.stop()
    (event,) = observer.events()
    assert (event["detail-type"], event["detail"], event["source"]) == ("WindowClosed", {"id": 7}, "ventana")
