"""The contact lookup under real SQS events: who is asked for, how fast, and what happens when a provider has enough."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import boto3
import pytest

from tests.functions.lambda_context import Context
from tests.functions.loopback import Quiet, serving
from ventana.schema.connection import Database
from ventana.schema.lookups import (
    Contact,
    claim_lookup,
    finish_lookup,
    pause_lookups,
    postpone_lookup,
    queue_lookups,
)
from ventana.settings import Settings

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Customers = Callable[..., None]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SEEN = "select phone, contact_name, contact_looked_up_at is not null from kommo_conversations order by kommo_chat_id"
PAUSES = "select business_address, times from contact_lookup_pauses"
CONTACT = {
    "id": 7,
    "name": "Carla",
    "custom_fields_values": [{"field_code": "PHONE", "values": [{"value": "+34 612 000 103"}]}],
}


@dataclass
class Peer:
    """The provider's API on loopback."""

    url: str = ""
    answer: tuple[int, Any] = (200, CONTACT)
    asked: list[tuple[str, str | None, float]] = field(default_factory=list)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]) -> Iterator[Peer]:
    state = Peer()

    class Handler(Quiet):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("authorization"), time.monotonic()))
            status, content = state.answer
            body = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as origin:
        state.url = origin
        monkeypatch.setenv("SIMULATOR_URL", state.url)
        yield state


@pytest.fixture
def queue_url(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "1"}
    url: str = boto3.client("sqs").create_queue(QueueName="lookups.fifo", Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]
    monkeypatch.setenv("LOOKUP_QUEUE_URL", url)
    return url


@pytest.fixture
def customers(rows: Rows) -> Customers:
    """Conversations, each as a contact id and the account; all of the provider that knows contacts."""

    def make(*contacts: tuple[str | None, str | None], phone: str | None = None) -> None:
        for number, (contact, account) in enumerate(contacts):
            rows(
                "insert into kommo_conversations (provider, kommo_chat_id, kommo_contact_id, business_address, phone)"
                " values ('kommo', %s, %s, %s, %s) returning 1",
                f"chat-{number}-{contact}",
                contact,
                account,
                phone,
            )

    return make


@dataclass
class Sweep:
    """A tick of the sweep, then the worker until the queue is empty; what the worker gave back."""

    load: Load
    queue_url: str
    app: Any

    def __call__(self) -> list[str]:
        self.load("window_sweep").handler({}, Context())
        return self.work()

    def work(self) -> list[str]:
        sqs, again = boto3.client("sqs"), []
        while entries := sqs.receive_message(QueueUrl=self.queue_url, AttributeNames=["All"]).get("Messages"):
            answer = self.app.handler({"Records": [_record(entry) for entry in entries]}, Context())
            again += [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
            for entry in entries:
                if entry["MessageId"] not in again:
                    sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=entry["ReceiptHandle"])
        return again


@pytest.fixture
def sweep(load: Load, queue_url: str, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    app = load("contact_lookup")
    monkeypatch.setattr(app, "SECONDS_A_CALL", 0)
    return Sweep(load, queue_url, app)


def _record(entry: Any) -> dict[str, Any]:
    return {
        "messageId": entry["MessageId"],
        "receiptHandle": entry["ReceiptHandle"],
        "body": entry["Body"],
        "attributes": entry["Attributes"],
        "messageAttributes": {},
        "md5OfBody": entry["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:lookups.fifo",
        "awsRegion": "us-east-1",
    }


def test_a_contact_is_asked_for_once_and_all_its_chats_learn(
    sweep: Sweep, customers: Customers, peer: Peer, rows: Rows
) -> None:
    customers(("7", "100"), ("7", "100"))
    assert sweep() == []
    assert [(path, key) for path, key, _ in peer.asked] == [("/api/v4/contacts/7", "Bearer t")]
    assert rows(SEEN) == [("+34612000103", "Carla", True)] * 2
    sweep()
    assert len(peer.asked) == 1


def test_who_has_a_phone_or_no_contact_is_not_asked_for(sweep: Sweep, customers: Customers, peer: Peer) -> None:
    customers(("7", "100"), phone="+34612000100")
    customers((None, "100"))
    sweep()
    assert peer.asked == []


@pytest.mark.parametrize("answer", [(204, None), (404, {"status": 404}), (200, {"id": 7, "name": ""})])
def test_a_contact_of_whom_nothing_is_known_is_not_asked_for_again(
    sweep: Sweep, customers: Customers, peer: Peer, rows: Rows, answer: tuple[int, Any]
) -> None:
    customers(("7", "100"))
    peer.answer = answer
    assert sweep() == []
    sweep()
    assert len(peer.asked) == 1
    assert rows(SEEN) == [(None, None, True)]


def test_a_contact_with_a_name_alone_is_learnt_and_not_asked_for_again(
    sweep: Sweep, customers: Customers, peer: Peer, rows: Rows
) -> None:
    customers(("7", "100"))
    peer.answer = (200, {"name": "Carla"})
    sweep()
    sweep()
    assert len(peer.asked) == 1
    assert rows(SEEN) == [(None, "Carla", True)]


def test_an_error_is_put_off_and_the_others_are_asked_for(
    sweep: Sweep, customers: Customers, peer: Peer, rows: Rows
) -> None:
    customers(("7", "100"), ("8", "100"))
    peer.answer = (502, None)
    assert sweep() == [], "the table knows when to ask again, the queue need not"
    assert len(peer.asked) == 2
    sweep()
    assert len(peer.asked) == 2
    waits = "select contact_lookup_after > now() + interval '30 seconds', contact_lookup_attempts, contact_looked_up_at"
    assert rows(f"{waits} from kommo_conversations") == [(True, 1, None)] * 2


@pytest.mark.parametrize(("status", "least"), [(429, "20 seconds"), (403, "5 hours"), (401, "5 hours")])
def test_an_account_that_has_enough_is_left_alone(
    sweep: Sweep, customers: Customers, peer: Peer, rows: Rows, status: int, least: str
) -> None:
    customers(*((str(contact), "100") for contact in range(5)))
    peer.answer = (status, None)
    assert sweep() == []
    assert len(peer.asked) == 1, "the first answer is enough to know"
    assert rows(PAUSES) == [("100", 1)]
    waiting = "select count(*) from kommo_conversations where contact_lookup_after > now() + %s::interval"
    assert rows(waiting, least) == [(5,)]


def test_another_account_goes_on_meanwhile(sweep: Sweep, customers: Customers, peer: Peer, rows: Rows) -> None:
    customers(("7", "100"))
    peer.answer = (429, None)
    sweep()
    peer.answer = (200, CONTACT)
    customers(("8", "200"), ("9", "100"))
    sweep()
    assert [path for path, _, _ in peer.asked] == ["/api/v4/contacts/7", "/api/v4/contacts/8"]


def test_the_first_answer_after_a_pause_ends_it(sweep: Sweep, customers: Customers, peer: Peer, rows: Rows) -> None:
    customers(("7", "100"))
    peer.answer = (429, None)
    sweep()
    rows("update contact_lookup_pauses set until = now() returning 1")
    rows("update kommo_conversations set contact_lookup_after = now() returning 1")
    peer.answer = (200, CONTACT)
    sweep()
    assert rows(PAUSES) == []
    assert rows(SEEN) == [("+34612000103", "Carla", True)]


def test_calls_for_one_account_are_apart(
    sweep: Sweep, customers: Customers, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep.app, "SECONDS_A_CALL", 0.2)
    customers(*((str(contact), "100") for contact in range(4)))
    sweep()
    times = [at for _, _, at in peer.asked]
    assert len(times) == 4
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.15


def test_calls_are_far_enough_apart_for_seven_a_second(load: Load, queue_url: str) -> None:
    assert load("contact_lookup").SECONDS_A_CALL >= 0.15


def test_entries_of_an_account_share_a_group_and_nothing_else_does(
    sweep: Sweep, customers: Customers, load: Load, queue_url: str
) -> None:
    customers(("7", "100"), ("8", "100"), ("9", "200"), ("10", None), ("ñ\n" * 200, "100"))
    assert load("window_sweep").handler({}, Context())["lookups"] == 5
    groups: dict[str, set[str]] = {}
    sqs = boto3.client("sqs")
    while entries := sqs.receive_message(
        QueueUrl=queue_url, AttributeNames=["All"], MaxNumberOfMessages=10, VisibilityTimeout=60
    ).get("Messages"):
        for entry in entries:
            groups.setdefault(entry["Attributes"]["MessageGroupId"], set()).add(json.loads(entry["Body"])["contact_id"])
    assert sorted(map(sorted, groups.values())) == [["10"], ["7", "8", "ñ\n" * 200], ["9"]]


def test_a_secret_that_is_missing_is_waited_for(sweep: Sweep, customers: Customers, peer: Peer, rows: Rows) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="kommo", SecretString="{}")
    customers(("7", "100"))
    assert sweep() == []
    assert peer.asked == []
    assert rows("select contact_lookup_attempts from kommo_conversations") == [(1,)]


def test_a_bug_is_put_off(sweep: Sweep, customers: Customers, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sweep.app, "contacts_named", broken)
    customers(("7", "100"))
    assert sweep() == []
    assert rows("select contact_lookup_attempts from kommo_conversations") == [(1,)]


def test_a_provider_that_knows_no_contacts_is_not_asked_again(sweep: Sweep, rows: Rows, peer: Peer) -> None:
    rows("insert into kommo_conversations (provider, phone, kommo_contact_id) values ('meta', null, '7') returning 1")
    assert sweep() == []
    assert peer.asked == []
    assert rows("select contact_looked_up_at is not null from kommo_conversations") == [(True,)]


def test_a_database_that_is_away_leaves_the_entry_in_the_queue(
    sweep: Sweep, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers(("7", "100"))
    sweep.load("window_sweep").handler({}, Context())
    monkeypatch.setattr(sweep.app, "database", Database(Settings(database_url="postgresql://127.0.0.1:1/x")))
    (entry,) = boto3.client("sqs").receive_message(QueueUrl=sweep.queue_url, AttributeNames=["All"])["Messages"]
    assert sweep.app.handler({"Records": [_record(entry)]}, Context())["batchItemFailures"]


def test_logs_hold_no_phone_and_no_name(capsys: pytest.CaptureFixture[str], sweep: Sweep, customers: Customers) -> None:
    customers(("7", "100"))
    sweep()
    told = "".join(capsys.readouterr())
    assert '"outcome":"found"' in told
    assert not [secret for secret in ("612", "Carla", "Bearer") if secret in told]


# ---- the table ----


@pytest.fixture
def database(application_url: str) -> Iterator[Database]:
    opened = Database(Settings(database_url=application_url))
    yield opened
    opened.close()


def at(hour: float) -> datetime:
    return datetime.fromisoformat("2030-01-01T00:00:00+00:00") + hour * HOUR


SEVEN = Contact("kommo", "100", "7")


def test_what_was_queued_and_lost_comes_again(database: Database, customers: Customers) -> None:
    customers(("7", "100"))
    found = [queue_lookups(database, 10, HOUR, at(hour)) for hour in (0, 0.5, 1)]
    assert found == [[SEVEN], [], [SEVEN]]


def test_a_tick_takes_no_more_than_it_may(database: Database, customers: Customers) -> None:
    customers(*((str(contact), "100") for contact in range(5)))
    assert [len(queue_lookups(database, 2, HOUR, at(0))) for _ in range(4)] == [2, 2, 1, 0]


def test_pauses_of_a_contact_double_up_to_a_day(database: Database, customers: Customers, rows: Rows) -> None:
    customers(("7", "100"))
    waits = []
    for _ in range(8):
        postpone_lookup(database, SEVEN, HOUR, DAY, at(0))
        waits.append((rows("select contact_lookup_after from kommo_conversations")[0][0] - at(0)) / HOUR)
    assert waits == [1, 2, 4, 8, 16, 24, 24, 24]


def test_pauses_of_an_account_double_and_do_not_add_up(database: Database, customers: Customers, rows: Rows) -> None:
    customers(("7", "100"))
    until = "select until from contact_lookup_pauses"
    pause_lookups(database, SEVEN, HOUR, DAY, at(0))
    pause_lookups(database, SEVEN, HOUR, DAY, at(0.5))
    assert rows(until) == [(at(1),)]
    assert claim_lookup(database, SEVEN, at(0.9)) == "paused"
    assert claim_lookup(database, SEVEN, at(1)) == "needed"
    pause_lookups(database, SEVEN, HOUR, DAY, at(1))
    assert rows(until) == [(at(3),)]
    finish_lookup(database, SEVEN, at(3))
    assert rows(until) == []
    assert claim_lookup(database, SEVEN, at(3)) == "done"


def test_a_pause_longer_than_the_longest_is_kept(database: Database, customers: Customers, rows: Rows) -> None:
    customers(("7", "100"))
    for start in (0, 48):
        pause_lookups(database, SEVEN, 2 * DAY, DAY, at(start))
    assert rows("select until from contact_lookup_pauses") == [(at(96),)]


def test_a_contact_whose_phone_came_by_another_way_is_done(
    database: Database, customers: Customers, rows: Rows
) -> None:
    customers(("7", "100"))
    assert claim_lookup(database, SEVEN) == "needed"
    rows("update kommo_conversations set phone = '+34612000103' returning 1")
    assert claim_lookup(database, SEVEN) == "done"


def test_finding_what_is_due_reads_the_index_of_it(rows: Rows, customers: Customers) -> None:
    customers(*((str(uuid4()), "100") for _ in range(50)), phone="+34612000103")
    plan = rows(
        "explain select id from kommo_conversations where kommo_contact_id is not null and phone is null"
        " and contact_looked_up_at is null and contact_lookup_after <= now() order by contact_lookup_after limit 10"
    )
    assert any("idx_conversations_contact_lookup" in line for (line,) in plan)
