"""The overview: what there is, what came and went in a range, and what waits for somebody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from tests.functions.api_calls import CALLER, Api, Events, Load, Rows, a_conversation
from tests.functions.lambda_context import Context

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RANGES = [("24h", "hour", 24), ("7d", "hour", 168), ("30d", "day", 30)]


@pytest.fixture
def call(load: Load, events: Events) -> Api:
    return Api(load, events, {"sub": CALLER})


def counted(rows: Rows, ago: timedelta, provider: str = "twilio", **numbers: int) -> None:
    names = ", ".join(numbers)
    values = ", ".join(str(number) for number in numbers.values())
    rows(
        f"insert into hourly_statistics (hour, provider, {names})"
        f" values (date_trunc('hour', now(), 'UTC') - %s, %s, {values}) returning 1",
        ago,
        provider,
    )


def test_an_empty_system_has_an_overview(call: Api) -> None:
    """Zeros for every provider and step; a sweep has not been yet."""
    status, shown = call("GET", "/v1/overview")
    assert status == 200
    assert (shown["range"], shown["step"], shown["last_sweep"]) == ("24h", "hour", None)
    assert [each["provider"] for each in shown["providers"]] == ["kommo", "twilio", "meta"]
    assert shown["windows"] == [
        {"provider": name, "open": 0, "closing": 0, "shut": 0} for name in ("kommo", "twilio", "meta")
    ]
    assert shown["funnel"] == {"accepted": 0, "sent": 0, "delivered": 0, "read": 0, "failed": 0}
    assert shown["parked"] == {"open": 0, "notices": 0}
    assert shown["waiting"] == {"uncertain": 0, "held": 0, "addresses_stopped": 0}
    assert shown["failures"] == shown["dead_letters"] == []


@pytest.mark.parametrize(("name", "step", "number"), RANGES)
def test_a_range_has_a_row_for_each_step_and_provider(call: Api, name: str, step: str, number: int) -> None:
    status, shown = call("GET", "/v1/overview", query=f"range={name}")
    assert (status, shown["step"]) == (200, step)
    times = [datetime.fromisoformat(row["at"]) for row in shown["series"]]
    assert times == sorted(times)
    assert len(shown["series"]) == 3 * number
    assert len({(row["at"], row["provider"]) for row in shown["series"]}) == 3 * number
    assert datetime.fromisoformat(shown["from"]) == times[0]
    until = datetime.fromisoformat(shown["to"])
    assert times[-1] <= until < times[-1] + (DAY if step == "day" else HOUR)


@pytest.mark.parametrize(("name", "expected"), [("24h", 1), ("7d", 11), ("30d", 111)])
def test_a_range_shows_what_was_in_it(call: Api, rows: Rows, name: str, expected: int) -> None:
    for ago, number in ((HOUR * 0, 1), (3 * DAY, 10), (15 * DAY, 100), (40 * DAY, 1000)):
        counted(rows, ago, received=number, sent=number, failed=number)
    _, shown = call("GET", "/v1/overview", query=f"range={name}")
    for what in ("received", "sent", "failed"):
        assert sum(row[what] for row in shown["series"]) == expected
    assert {row["provider"] for row in shown["series"] if row["sent"]} == {"twilio"}
    assert shown["funnel"]["sent"] == shown["funnel"]["failed"] == expected


def test_the_funnel_and_its_failures(call: Api, rows: Rows) -> None:
    counted(rows, HOUR, accepted=10, sent=9, delivered=8, read=3, failed=1)
    counted(rows, HOUR, "meta", accepted=5, sent=5, delivered=5, read=5)
    for provider, code, number in (("meta", "131026", 2), ("twilio", "63016", 3)):
        rows("insert into hourly_failures values (now(), %s, %s, %s) returning 1", provider, code, number)
    _, shown = call("GET", "/v1/overview")
    assert shown["funnel"] == {"accepted": 15, "sent": 14, "delivered": 13, "read": 8, "failed": 1}
    assert shown["failures"] == [
        {"provider": "twilio", "error_code": "63016", "count": 3},
        {"provider": "meta", "error_code": "131026", "count": 2},
    ]


def test_an_event_that_is_published_late_does_not_widen_the_funnel(call: Api, rows: Rows) -> None:
    """What is told to be read was sent, whatever the bus has not been told yet."""
    counted(rows, HOUR, accepted=1, sent=1, delivered=2, read=3)
    counted(rows, HOUR, "meta", accepted=5, sent=4, delivered=3, read=2)
    _, shown = call("GET", "/v1/overview")
    assert shown["funnel"] == {"accepted": 8, "sent": 7, "delivered": 6, "read": 5, "failed": 0}
    assert {row["provider"]: row["sent"] for row in shown["series"] if row["sent"]} == {"twilio": 3, "meta": 4}


def test_windows_are_open_closing_and_shut(call: Api, rows: Rows) -> None:
    for number, hours in enumerate((1, 5, 23.5, 25, 100)):
        a_conversation(rows, phone=f"+55119876543{number:02}", hours_ago=hours)
    a_conversation(rows, "meta", hours_ago=2)
    _, shown = call("GET", "/v1/overview")
    by_provider = {each.pop("provider"): each for each in shown["windows"]}
    assert by_provider["twilio"] == {"open": 3, "closing": 1, "shut": 2}
    assert by_provider["meta"] == {"open": 1, "closing": 0, "shut": 0}
    assert by_provider["kommo"] == {"open": 0, "closing": 0, "shut": 0}


def test_what_waits_for_somebody(call: Api, rows: Rows) -> None:
    for number, kind in enumerate(("poison", "refused", "notice", "notice", "notice")):
        rows(
            "insert into parked_items (provider, kind, reason, fingerprint) values ('meta', %s, 'x', %s) returning 1",
            kind,
            str(number),
        )
    rows("update parked_items set replayed_at = now() where kind = 'refused' returning 1")
    rows("insert into business_addresses (provider, address, stopped_at) values ('meta', '1', now()) returning 1")
    conversation = a_conversation(rows, hours_ago=30)
    body = {"conversation_id": conversation, "type": "text", "text": {"body": "x"}, "if_window_closed": "hold"}
    assert call("POST", "/v1/messages", body)[0] == 202
    _, shown = call("GET", "/v1/overview")
    assert shown["parked"] == {"open": 1, "notices": 3}
    assert shown["waiting"] == {"uncertain": 0, "held": 1, "addresses_stopped": 1}


def test_the_last_sweep_and_how_far_it_counted(call: Api, load: Load) -> None:
    load("window_sweep").handler({}, Context())
    _, shown = call("GET", "/v1/overview")
    now = datetime.now(UTC)
    assert now - HOUR < datetime.fromisoformat(shown["last_sweep"].pop("at")) <= now
    assert {"closing", "closed", "published", "counted", "left"} <= shown["last_sweep"].keys()
    assert now - HOUR < datetime.fromisoformat(shown["counted_to"]) <= now


@pytest.mark.parametrize("query", ["range=1h", "range=", "range=24H"])
def test_another_range_is_refused(call: Api, query: str) -> None:
    status, problem = call("GET", "/v1/overview", query=query)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert [each["field"] for each in problem["errors"]] == ["range"]


Queues = dict[str, str]


@pytest.fixture
def queues(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Queues:
    """A dead letter queue for turns, and one for files."""
    sqs = boto3.client("sqs")
    made = {
        "dead": sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"],
        "files": sqs.create_queue(QueueName="files")["QueueUrl"],
        "dead files": sqs.create_queue(QueueName="dead-files")["QueueUrl"],
        "send": aws["SEND_QUEUE_URL"],
    }
    turns = f"send {made['dead']} {aws['SEND_QUEUE_URL']} {aws['BULK_QUEUE_URL']}"
    turns = f"send {made['dead']} {aws['SEND_QUEUE_URL']} {aws['BULK_QUEUE_URL']}"
    told = f"{turns},media {made['dead files']} {made['files']},"
    monkeypatch.setenv("DEAD_LETTER_QUEUES", told)
    return made


def dead_turns(queues: Queues, number: int, groups: int = 3) -> None:
    for each in range(number):
        boto3.client("sqs").send_message(
            QueueUrl=queues["dead"],
            MessageBody=f"turn {each}",
            MessageGroupId=f"conversation {each % groups}",
            MessageDeduplicationId=f"{each}:first",
        )


def received(url: str) -> list[Any]:
    found: list[Any] = []
    while (
        entries := boto3.client("sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])
        .get("Messages")
    ):
        found += entries
        for entry in entries:
            boto3.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=entry["ReceiptHandle"])
    return found


def test_dead_letters_are_counted(queues: Queues, call: Api) -> None:
    dead_turns(queues, 3)
    expected = [{"queue": "send", "messages": 3}, {"queue": "media", "messages": 0}]
    assert call("GET", "/v1/dead-letters") == (200, {"queues": expected})
    assert call("GET", "/v1/overview")[1]["dead_letters"] == expected


def test_a_redrive_moves_a_hundred_in_order_and_loses_none(queues: Queues, call: Api) -> None:
    dead_turns(queues, 130)
    assert call("POST", "/v1/dead-letters/send/redrive") == (202, {"queue": "send", "moved": 100, "left": 30})
    assert call("POST", "/v1/dead-letters/send/redrive") == (202, {"queue": "send", "moved": 30, "left": 0})
    assert call("POST", "/v1/dead-letters/send/redrive") == (202, {"queue": "send", "moved": 0, "left": 0})
    found = received(queues["send"])
    for group in range(3):
        own = [e["Body"] for e in found if e["Attributes"]["MessageGroupId"] == f"conversation {group}"]
        assert own == [f"turn {each}" for each in range(130) if each % 3 == group]


def test_what_comes_back_is_taken_although_it_was_sent_a_minute_ago(queues: Queues, call: Api) -> None:
    """Under its old id SQS would take it and drop it."""
    boto3.client("sqs").send_message(
        QueueUrl=queues["send"], MessageBody="turn 0", MessageGroupId="g", MessageDeduplicationId="0:first"
    )
    assert len(received(queues["send"])) == 1
    dead_turns(queues, 1)
    call("POST", "/v1/dead-letters/send/redrive")
    assert [entry["Body"] for entry in received(queues["send"])] == ["turn 0"]


def test_a_queue_without_order_is_redriven_too(queues: Queues, call: Api) -> None:
    boto3.client("sqs").send_message(QueueUrl=queues["dead files"], MessageBody="{}")
    assert call("POST", "/v1/dead-letters/media/redrive") == (202, {"queue": "media", "moved": 1, "left": 0})
    assert [entry["Body"] for entry in received(queues["files"])] == ["{}"]


def test_what_is_not_taken_stays(queues: Queues, call: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_turns(queues, 2, groups=1)
    client = call.app.dead_letters._client
    monkeypatch.setattr(
        client,
        "send_message_batch",
        lambda **_: {"Failed": [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]},
    )
    assert call("POST", "/v1/dead-letters/send/redrive") == (202, {"queue": "send", "moved": 0, "left": 2})
    assert received(queues["send"]) == []


def test_what_was_sent_and_not_deleted_comes_twice_and_not_never(
    queues: Queues, call: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_turns(queues, 1)
    monkeypatch.setattr("ventana.dead_letters.HIDDEN_SECONDS", 0)
    monkeypatch.setattr("ventana.dead_letters.MOST", 1)
    with monkeypatch.context() as patched:
        patched.setattr(call.app.dead_letters._client, "delete_message_batch", lambda **_: {})
        call("POST", "/v1/dead-letters/send/redrive")
    assert call("POST", "/v1/dead-letters/send/redrive")[1]["left"] == 0
    assert [entry["Body"] for entry in received(queues["send"])] == ["turn 0"] * 2


def test_there_is_no_other_queue(queues: Queues, call: Api) -> None:
    status, problem = call("POST", "/v1/dead-letters/schedule/redrive")
    assert (status, problem["code"]) == (404, "not_found")


def test_queues_that_are_away_are_an_error_of_their_own_and_hide_no_overview(queues: Queues, call: Api) -> None:
    for url in (queues["dead"], queues["dead files"]):
        boto3.client("sqs").delete_queue(QueueUrl=url)
    for method, path in (("GET", "/v1/dead-letters"), ("POST", "/v1/dead-letters/send/redrive")):
        status, problem = call(method, path)
        assert (status, problem["code"]) == (503, "queue_unavailable")
    status, shown = call("GET", "/v1/overview")
    assert (status, shown["dead_letters"]) == (200, None)


def test_a_redrive_is_in_the_audit_trail(queues: Queues, call: Api, capsys: pytest.CaptureFixture[str]) -> None:
    dead_turns(queues, 1)
    call("POST", "/v1/dead-letters/send/redrive")
    printed = capsys.readouterr().out
    assert '"action":"dead_letters_redriven"' in printed
    assert CALLER in printed
