"""Acknowledged means durable, also when Postgres does not answer: real webhooks, the real drain, SQS and S3 in moto."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.functions.test_webhooks import KOMMO, TWILIO, Events, Load, Rows, meta, text
from ventana.breaker import Breaker
from ventana.intake import Intake
from ventana.messages import Customer, InboundMessage
from ventana.schema.connection import Database
from ventana.settings import Settings
from ventana.spill_queue import SpillQueue

NOWHERE = "postgresql://127.0.0.1:1/nothing"
EVERY = [("twilio", TWILIO), ("meta", meta(text(1))), ("kommo", KOMMO)]
IDS = "select provider_message_id from kommo_messages order by created_at, received_at"


class Drain:
    """The queue as Lambda's event source mapping works it: what the function took is deleted, the rest stays."""

    def __init__(self, app: Any, url: str) -> None:
        self.app, self._url, self._sqs = app, url, boto3.client("sqs")

    def batch(self) -> list[Any]:
        """What the function would be given next."""
        received = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, AttributeNames=["All"])
        return received.get("Messages", [])

    def hand(self, messages: list[Any], remaining_ms: int = 30_000) -> list[str]:
        """Let the function have the messages; returns the ids of those that are to come again."""
        context = type("Context", (), {"get_remaining_time_in_millis": lambda self: remaining_ms})()
        answer = self.app.handler({"Records": [_record(message) for message in messages]}, context)
        again = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        for message in messages:
            if message["MessageId"] not in again:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return again

    def all(self) -> int:
        """Work until nothing is to be had; the number of entries."""
        number = 0
        while messages := self.batch():
            assert self.hand(messages) == []
            number += len(messages)
        return number

    def waiting(self) -> int:
        """Entries in the queue, seen or not."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))

    def put(self, body: str) -> None:
        """Queue something that no webhook would."""
        self._sqs.send_message(QueueUrl=self._url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId="d")


def _record(message: Any) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


@pytest.fixture
def drain(load: Load, aws: dict[str, str]) -> Drain:
    return Drain(load("spill_drain"), aws["SPILL_QUEUE_URL"])


@pytest.fixture
def bucket(aws: dict[str, str]) -> Callable[[], list[str]]:
    """A bucket for what is too large, and how to look into it. Slow to make: S3 is large."""
    client = boto3.client("s3")
    client.create_bucket(Bucket=aws["SPILL_BUCKET"])
    return lambda: [one["Key"] for one in client.list_objects_v2(Bucket=aws["SPILL_BUCKET"]).get("Contents", [])]


@pytest.fixture
def away(load: Load, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A webhook function whose database cannot be reached."""

    def make(provider: str, url: str = NOWHERE) -> Any:
        with monkeypatch.context() as patched:
            patched.setenv("DATABASE_URL", url)
            return load(f"{provider}_webhook").handler

    return make


@pytest.mark.parametrize(
    ("provider", "payload", "answer"),
    [
        ("twilio", TWILIO, ("text/xml", "<Response/>")),
        ("meta", meta(text(1)), ("application/json", "{}")),
        ("kommo", KOMMO, ("application/json", "{}")),
    ],
)
def test_what_the_database_cannot_take_waits_in_the_queue_and_is_acknowledged(
    away: Callable[[str], Any],
    rows: Rows,
    events: Events,
    drain: Drain,
    provider: str,
    payload: Any,
    answer: tuple[str, str],
) -> None:
    response = away(provider)(events[provider](payload), None)
    assert response["statusCode"] == 200
    assert (response["headers"]["content-type"], response["body"]) == answer
    assert (rows(IDS), drain.waiting()) == ([], 1)
    assert drain.all() == 1
    assert (len(rows(IDS)), drain.waiting()) == (1, 0)


def test_the_database_not_being_configured_is_no_reason_to_lose_a_message(
    load: Load, rows: Rows, events: Events, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_SECRET_ID", "nowhere")
    assert load("twilio_webhook").handler(events["twilio"](TWILIO), None)["statusCode"] == 200
    assert drain.all() == 1
    assert rows(IDS) == [(TWILIO["MessageSid"],)]


def test_a_message_without_a_clock_keeps_the_time_at_which_it_arrived(
    away: Callable[[str], Any], rows: Rows, events: Events, drain: Drain
) -> None:
    """Windows count from it: an outage must neither lengthen nor shorten them."""
    before = datetime.now(UTC)
    away("twilio")(events["twilio"](TWILIO), None)
    after = datetime.now(UTC)
    (message,) = drain.batch()
    long_ago = json.loads(message["Body"])
    long_ago["received_at"] = (before - timedelta(hours=5)).isoformat()
    assert before <= datetime.fromisoformat(json.loads(message["Body"])["received_at"]) <= after
    drain.hand([{**message, "Body": json.dumps(long_ago)}])
    arrived = before - timedelta(hours=5)
    assert rows("select created_at, received_at from kommo_messages") == [(arrived, arrived)]
    assert rows("select last_user_message_at from kommo_conversations") == [(arrived,)]


def test_drained_twice_is_stored_once(
    away: Callable[[str], Any], load: Load, rows: Rows, events: Events, drain: Drain
) -> None:
    away("meta")(events["meta"](meta(text(1), text(2))), None)
    messages = drain.batch()
    drain.hand(messages)
    drain.hand(messages)
    load("meta_webhook").handler(events["meta"](meta(text(1), text(2))), None)
    assert rows("select count(*) from kommo_messages") == [(2,)]
    assert rows("select count(*) from events where name = 'MessageReceived'") == [(2,)]


def test_conversations_wait_apart_and_each_in_its_order(
    away: Callable[[str], Any], rows: Rows, events: Events, drain: Drain
) -> None:
    handler = away("meta")
    senders = ["5511900000001", "5511900000002", "5511900000003"]
    for number in range(12):
        handler(events["meta"](meta(text(number, str(number), senders[number % 3]))), None)
    assert drain.waiting() == 12
    assert drain.all() == 12
    for sender in senders:
        found = rows(
            "select m.content from kommo_messages m join kommo_conversations c on c.id = m.conversation_id"
            " where c.phone = %s order by m.received_at",
            f"+{sender}",
        )
        numbers = [int(content) for (content,) in found]
        assert numbers == sorted(numbers)
        assert len(numbers) == 4


def test_three_hundred_items_of_one_webhook_arrive(
    away: Callable[[str], Any], rows: Rows, events: Events, drain: Drain
) -> None:
    messages = [text(n, f"{n}", f"55119{n % 40:08}") for n in range(300)]
    assert away("meta")(events["meta"](meta(*messages)), None)["statusCode"] == 200
    assert drain.waiting() == 40
    drain.all()
    assert {row[0] for row in rows(IDS)} == {message["id"] for message in messages}
    assert rows("select count(*) from kommo_conversations") == [(40,)]


@pytest.mark.parametrize(("length", "objects"), [(100_000, 0), (400_000, 1)])
def test_what_is_too_large_for_a_message_waits_in_the_bucket(
    away: Callable[[str], Any],
    rows: Rows,
    events: Events,
    drain: Drain,
    bucket: Callable[[], list[str]],
    length: int,
    objects: int,
) -> None:
    handler = away("meta")
    body = meta(text(1, "before"), text(2, "x" * length), text(3, "after"))
    assert handler(events["meta"](body), None)["statusCode"] == 200
    assert handler(events["meta"](body), None)["statusCode"] == 200
    assert len(bucket()) == 2 * objects
    assert all(key.startswith("spill/") for key in bucket())
    drain.all()
    assert rows("select length(content) from kommo_messages order by provider_message_id") == [(6,), (length,), (5,)]
    assert bucket() == []


@pytest.mark.parametrize(("provider", "payload"), EVERY)
@pytest.mark.parametrize("gone", ["deleted", "unreachable"])
def test_without_database_and_queue_nothing_is_acknowledged(
    away: Callable[[str], Any],
    events: Events,
    aws: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    payload: Any,
    gone: str,
) -> None:
    if gone == "deleted":
        boto3.client("sqs").delete_queue(QueueUrl=aws["SPILL_QUEUE_URL"])
    else:
        monkeypatch.setattr("moto.sqs.responses.SQSResponse.send_message_batch", _broken)
    response = away(provider)(events[provider](payload), None)
    assert response["statusCode"] == 503
    assert json.loads(response["body"])["code"] == "storage_unavailable"


def _broken(*arguments: object) -> None:
    from botocore.exceptions import ConnectTimeoutError

    raise ConnectTimeoutError(endpoint_url="https://sqs")


def test_a_bucket_that_is_away_is_no_reason_to_acknowledge(away: Callable[[str], Any], events: Events) -> None:
    assert away("meta")(events["meta"](meta(text(1, "x" * 400_000))), None)["statusCode"] == 503


HELLO = [
    InboundMessage("meta", "1065", f"wamid.{n}", Customer(phone=f"+55119{n:08}"), "text", str(n)) for n in range(25)
]


@dataclass
class Moody:
    """A queue that refuses entries: each call those whose place is in the next set."""

    queue: SpillQueue
    moods: list[set[int]]

    def __post_init__(self) -> None:
        client = self.queue._sqs
        send = client.send_message_batch

        def send_some(QueueUrl: str, Entries: list[Any]) -> Any:
            mood = self.moods.pop(0) if self.moods else set()
            taken = [entry for place, entry in enumerate(Entries) if place not in mood]
            answer = dict(send(QueueUrl=QueueUrl, Entries=taken)) if taken else {}
            failed = [{"Id": entry["Id"]} for place, entry in enumerate(Entries) if place in mood]
            return {**answer, "Failed": failed}

        client.send_message_batch = send_some  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize(
    ("label", "moods", "safe"),
    [
        ("all at once", [], True),
        ("the rest at the second try", [{0, 3}, set(), set(), {1}], True),
        ("never", [{0, 3}, {1}], False),
    ],
)
def test_a_batch_that_was_taken_in_part_is_not_taken(
    aws: dict[str, str], drain: Drain, rows: Rows, label: str, moods: list[set[int]], safe: bool
) -> None:
    settings = Settings.from_environment({**aws, "DATABASE_URL": NOWHERE})
    queue = SpillQueue(settings)
    Moody(queue, moods)
    intake = Intake(Database(settings), queue, Breaker(1.0), 2.0)
    if not safe:
        with pytest.raises(Exception, match="did not take 1 of 10"):
            intake.take(HELLO)
        return
    assert intake.take(HELLO) == {"spilled": 25}
    drain.all()
    assert rows("select count(*), count(distinct provider_message_id) from kommo_messages") == [(25, 25)]


def test_an_answer_of_the_queue_that_was_lost_doubles_nothing(
    aws: dict[str, str], drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ReadTimeoutError

    settings = Settings.from_environment({**aws, "DATABASE_URL": NOWHERE})
    queue = SpillQueue(settings)
    send, lost = queue._sqs.send_message_batch, [True]

    def lose_the_first_answer(**call: Any) -> Any:
        answer = send(**call)
        if lost and lost.pop():
            raise ReadTimeoutError(endpoint_url="https://sqs")
        return answer

    monkeypatch.setattr(queue._sqs, "send_message_batch", lose_the_first_answer)
    assert Intake(Database(settings), queue, Breaker(1.0), 2.0).take(HELLO[:3]) == {"spilled": 3}
    assert drain.waiting() == 3


def test_after_a_time_out_the_next_webhooks_do_not_wait_for_the_database(
    aws: dict[str, str], drain: Drain, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    settings = Settings.from_environment(aws)
    database = Database(settings)
    intake = Intake(database, SpillQueue(settings), Breaker(0.5, clock=lambda: now[0]), 2.0)
    asked = 0

    def silent(*arguments: object) -> Any:
        nonlocal asked
        from ventana.errors import StorageUnavailable

        asked, now[0] = asked + 1, now[0] + 1.0
        raise StorageUnavailable("the database refused: ConnectionTimeout")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "texts", silent)
        outcomes = [intake.take([message]) for message in HELLO[:5]]
    assert (outcomes, asked) == ([{"spilled": 1}] * 5, 1)
    now[0] += 6
    assert intake.take([HELLO[5]]) == {"recorded": 1}
    drain.all()
    assert rows("select count(*) from kommo_messages") == [(6,)]
    database.close()


@pytest.mark.parametrize(
    "body", ["hola", "{}", '{"object": 7}', '{"object": "elsewhere/x.json"}', '{"received_at": "x", "items": [1]}']
)
def test_what_is_no_entry_is_parked_and_holds_nobody_up(
    away: Callable[[str], Any], rows: Rows, events: Events, drain: Drain, body: str
) -> None:
    away("twilio")(events["twilio"](TWILIO), None)
    (message,) = drain.batch()
    drain.put(body)
    (poison,) = drain.batch()
    assert drain.hand([poison, message]) == []
    assert drain.waiting() == 0
    assert rows(IDS) == [(TWILIO["MessageSid"],)]
    assert rows("select provider, kind, reason, body from parked_items") == [
        ("unknown", "poison", "no spill entry", body.encode())
    ]


def test_an_object_that_is_gone_is_told_and_not_waited_for(
    rows: Rows, drain: Drain, bucket: Callable[[], list[str]]
) -> None:
    assert bucket() == []
    drain.put('{"object": "spill/gone.json"}')
    assert drain.all() == 1
    assert rows("select reason from parked_items") == [("spilled object is gone",)]


def test_while_the_database_is_away_everything_goes_back_and_later_comes_again(
    away: Callable[[str], Any], rows: Rows, events: Events, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = away("meta")
    for number in range(6):
        handler(events["meta"](meta(text(number, sender=f"551190000000{number % 3}"))), None)
    postponed: dict[str, int] = {}
    healthy, postpone = drain.app.database, drain.app.queue.postpone
    monkeypatch.setattr(drain.app.queue, "postpone", postponed.update)
    drain.app.database = Database(Settings(database_url=NOWHERE))
    messages = drain.batch()
    assert drain.hand(messages) == [message["MessageId"] for message in messages]
    assert set(postponed) == {message["ReceiptHandle"] for message in messages}
    assert set(postponed.values()) == {1}
    postpone(dict.fromkeys(postponed, 0))
    drain.app.database = healthy
    drain.all()
    assert rows("select count(*) from kommo_messages") == [(6,)]


@pytest.mark.parametrize(
    ("received", "least", "most"), [(1, 1, 1), (3, 2, 4), (7, 32, 64), (9, 60, 120), (900, 60, 120)]
)
def test_what_goes_back_comes_again_ever_later_up_to_two_minutes(
    drain: Drain, received: int, least: int, most: int
) -> None:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    record = SQSRecord({"attributes": {"ApproximateReceiveCount": str(received)}})
    assert all(least <= drain.app._back_off(record) <= most for _ in range(50))


def test_one_conversation_that_cannot_be_recorded_holds_up_no_other(
    away: Callable[[str], Any], rows: Rows, events: Events, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = away("meta")
    for number, sender in enumerate(["5511900000001", "5511900000002", "5511900000001", "5511900000003"]):
        handler(events["meta"](meta(text(number, sender=sender))), None)
    record, stuck = drain.app.record_json, ["wamid.5511900000001.0"]

    def record_some(database: Any, items: list[dict[str, Any]], received_at: datetime) -> Any:
        if items[0]["provider_message_id"] in stuck:
            raise ZeroDivisionError
        return record(database, items, received_at)

    monkeypatch.setattr(drain.app, "record_json", record_some)
    messages = drain.batch()
    again = drain.hand(messages)
    assert [m["MessageId"] in again for m in sorted(messages, key=_place)] == [True, False, True, False]
    assert rows("select provider_message_id from kommo_messages order by 1") == [
        ("wamid.5511900000002.1",),
        ("wamid.5511900000003.3",),
    ]


def _place(message: Any) -> str:
    (item,) = json.loads(message["Body"])["items"]
    return str(item["provider_message_id"]).rpartition(".")[2]


def test_what_there_is_no_time_for_goes_back(
    away: Callable[[str], Any], rows: Rows, events: Events, drain: Drain
) -> None:
    away("twilio")(events["twilio"](TWILIO), None)
    messages = drain.batch()
    assert drain.hand(messages, remaining_ms=2_000) == [messages[0]["MessageId"]]
    assert rows(IDS) == []


def test_no_log_of_an_outage_holds_a_phone_or_a_text(
    capsys: pytest.CaptureFixture[str], away: Callable[[str], Any], events: Events, drain: Drain
) -> None:
    for provider, payload in EVERY:
        away(provider)(events[provider](payload), None)
    drain.put("hola 5511987654321")
    drain.all()
    said = "".join(capsys.readouterr())
    assert "database_away" in said
    assert "spill_drained" in said
    for private in ("5511987654321", "hola", "olá"):
        assert private not in said
