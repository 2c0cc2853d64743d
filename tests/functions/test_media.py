"""The media worker under real SQS events: files from providers on loopback, copies in S3, outcomes on the rows."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import boto3
import psycopg
import pytest
from botocore.exceptions import EndpointConnectionError

from tests.functions.lambda_context import Context
from tests.functions.loopback import Quiet, serving
from ventana.errors import Unavailable
from ventana.fetch_queues import MediaQueue
from ventana.schema.connection import Database
from ventana.schema.media import MAX_ATTEMPTS, FileKey, Stored, claim_media, finish_failed, finish_stored, queue_media
from ventana.settings import Settings

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
SHA256 = hashlib.sha256(PNG)
TWILIO_PATH = "/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages/MM1/Media/ME1"
BASIC = "Basic " + base64.b64encode(b"AC00000000000000000000000000000000:new-token").decode()
STATE = "select state, reference, content_type, bytes, error, attempts from message_media order by place"


@dataclass
class Peer:
    """Providers on loopback: each path answers as told; what was asked is kept with its authorization."""

    url: str = ""
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    hang: float = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def graph(self, media_id: str, **more: Any) -> None:
        """Meta knows this file."""
        answer = {"id": media_id, "url": f"https://lookaside.fbsbx.com/{media_id}", "mime_type": "image/png", **more}
        self.pages[f"/v25.0/{media_id}"] = 200, {"content-type": "application/json"}, json.dumps(answer).encode()
        self.pages[f"/{media_id}"] = 200, {"content-type": "image/png"}, PNG


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]) -> Iterator[Peer]:
    state = Peer()

    class Handler(Quiet):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers.get("authorization")))
            time.sleep(state.hang)
            status, headers, body = state.pages.get(self.path, (404, {}, b"{}"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except ConnectionError:  # the worker had enough
                self.close_connection = True

    with serving(Handler) as origin:
        state.url = origin
        monkeypatch.setenv("SIMULATOR_URL", state.url)
        yield state


@pytest.fixture
def queue_url(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    url = boto3.client("sqs").create_queue(QueueName="media")["QueueUrl"]
    boto3.client("s3").create_bucket(Bucket="files")
    for name, value in {"MEDIA_QUEUE_URL": url, "MEDIA_BUCKET": "files", "MEDIA_MAX_BYTES": "20000"}.items():
        monkeypatch.setenv(name, value)
    return url


@pytest.fixture
def received(rows: Rows) -> Callable[..., tuple[str, str]]:
    """Store a message with these files; the ids of its conversation and of itself."""

    def make(provider: str, *media: dict[str, str], content_type: str = "image") -> tuple[str, str]:
        item = {
            "kind": "message",
            "provider": provider,
            "business_address": "100",
            "provider_message_id": str(uuid4()),
            "customer": {"phone": "+5511987654321"} if provider != "kommo" else {"chat_id": str(uuid4())},
            "role": "user",
            "content_type": content_type,
            "content": "",
            "channel": "whatsapp",
            "opens_window": True,
            "media": list(media),
            "details": {},
            "raw": {},
        }
        found = rows(
            "select conversation_id::text, message_id::text from record_inbound_v3(%s::jsonb)", json.dumps([item])
        )
        return found[0][0], found[0][1]

    return make


@pytest.fixture
def keep(load: Load, queue_url: str, peer: Peer) -> Callable[..., bool]:
    """Queue a file and hand what comes out to the worker; whether it is to come again."""
    app = load("media")
    app.http = app.transport(peer.url, connect_seconds=0.5, read_seconds=0.5)
    app.stream = app.streaming(peer.url, connect_seconds=0.5, read_seconds=0.5)
    sqs = boto3.client("sqs")

    def work(message_id: str, place: int = 0) -> bool:
        app.queue.put([FileKey(message_id, place)])
        entries = sqs.receive_message(QueueUrl=queue_url, AttributeNames=["All"])["Messages"]
        answer = app.handler({"Records": [_record(entry) for entry in entries]}, Context())
        if not answer["batchItemFailures"]:
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=entries[0]["ReceiptHandle"])
        return bool(answer["batchItemFailures"])

    work.app = app  # type: ignore[attr-defined]
    return work


def _record(entry: Any) -> dict[str, Any]:
    return {
        "messageId": entry["MessageId"],
        "receiptHandle": entry["ReceiptHandle"],
        "body": entry["Body"],
        "attributes": entry["Attributes"],
        "messageAttributes": {},
        "md5OfBody": entry["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:media",
        "awsRegion": "us-east-1",
    }


def due_again(rows: Rows) -> None:
    rows("update message_media set lease_until = now() - interval '1 second' returning 1")


# ---- each provider ----


def test_a_file_at_meta_is_asked_for_by_id_and_kept(
    keep: Callable[..., bool], received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    peer.graph("777", sha256=SHA256.hexdigest())
    webhook_hash = base64.b64encode(SHA256.digest()).decode()
    conversation, message = received("meta", {"id": "777", "mime_type": "image/png", "sha256": webhook_hash})
    assert keep(message) is False
    name = f"media/{conversation}/{message}/0"
    assert rows(STATE) == [("stored", f"s3://files/{name}", "image/png", len(PNG), None, 1)]
    copy = boto3.client("s3").get_object(Bucket="files", Key=name)
    assert copy["Body"].read() == PNG
    assert (copy["ContentType"], copy["ServerSideEncryption"]) == ("image/png", "AES256")
    assert copy["ContentDisposition"] == "attachment"
    assert peer.asked == [("/v25.0/777", "Bearer t"), ("/777", "Bearer t")]


def test_a_file_at_twilio_needs_credentials_that_its_store_never_sees(
    keep: Callable[..., bool], received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    peer.pages[TWILIO_PATH] = 307, {"location": "https://media.twiliocdn.com/AC/1?sig=x"}, b""
    peer.pages["/AC/1?sig=x"] = 200, {"content-type": "image/png"}, PNG
    _, message = received("twilio", {"url": f"https://api.twilio.com{TWILIO_PATH}", "mime_type": "image/png"})
    assert keep(message) is False
    assert rows(STATE)[0][0] == "stored"
    assert peer.asked == [(TWILIO_PATH, BASIC), ("/AC/1?sig=x", None)]


def test_a_file_at_kommo_is_fetched_by_its_link_without_credentials(
    keep: Callable[..., bool], received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    peer.pages["/attachments/el%20recibo.png"] = 200, {"content-type": "application/octet-stream"}, PNG
    _, message = received("kommo", {"url": "https://amojo.kommo.com/attachments/el recibo.png"}, content_type="file")
    assert keep(message) is False
    assert rows(STATE)[0][::2] == ("stored", "application/octet-stream", None)
    assert peer.asked == [("/attachments/el%20recibo.png", None)]


def test_each_file_of_a_message_is_kept_by_itself(
    keep: Callable[..., bool], received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    peer.graph("1")
    _, message = received("meta", {"id": "0"}, {"id": "1"})
    peer.pages["/v25.0/0"] = 400, {}, b'{"error": {"code": 100}}'
    assert [keep(message, 0), keep(message, 1)] == [False, False]
    assert [row[0] for row in rows(STATE)] == ["failed", "stored"]


# ---- what goes wrong ----


@pytest.mark.parametrize(
    ("media", "page", "error"),
    [
        ({"mime_type": "image/png"}, (200, {"content-type": "text/html"}, b"<html>"), "a program or a page"),
        ({"mime_type": "image/png"}, (200, {"content-type": "video/mp4"}, b"film"), "another type"),
        ({"sha256": "0" * 64}, (200, {"content-type": "image/png"}, PNG), "SHA-256"),
        ({}, (200, {"content-type": "image/png"}, bytes(20001)), "larger than 20000 bytes"),
        ({}, (302, {"location": "https://evil.org/x"}, b""), "not one of the provider's"),
        ({}, (302, {"location": "http://169.254.169.254/latest"}, b""), "no plain https address"),
        ({}, (403, {}, b""), "answered 403"),
    ],
)
def test_what_must_not_be_kept_fails_at_once_and_says_why(
    keep: Callable[..., bool],
    received: Callable[..., tuple[str, str]],
    peer: Peer,
    rows: Rows,
    media: dict[str, str],
    page: tuple[int, dict[str, str], bytes],
    error: str,
) -> None:
    peer.graph("1")
    peer.pages["/1"] = page
    _, message = received("meta", {"id": "1", **media})
    assert keep(message) is False
    state, reference, _, size, told, attempts = rows(STATE)[0]
    assert (state, reference, size, attempts) == ("failed", None, None, 1)
    assert error in told
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket="files")
    assert rows("select count(*) from kommo_messages where id = %s", message) == [(1,)]


@pytest.mark.parametrize(
    "pages",
    [
        {"/v25.0/1": (503, {}, b"")},
        {"/v25.0/1": (429, {}, b"")},
        {"/v25.0/1": (401, {}, b'{"error": {"code": 190}}')},
        {"/1": (500, {}, b"")},
        {"/1": (404, {}, b"")},
        {"/1": (200, {"content-type": "image/png"}, b"")},
    ],
)
def test_what_may_be_there_later_is_tried_again_and_kept_then(
    keep: Callable[..., bool],
    received: Callable[..., tuple[str, str]],
    peer: Peer,
    rows: Rows,
    pages: dict[str, tuple[int, dict[str, str], bytes]],
) -> None:
    peer.graph("1")
    whole = dict(peer.pages)
    peer.pages |= pages
    _, message = received("meta", {"id": "1"})
    assert keep(message) is True
    state, _, _, _, error, attempts = rows(STATE)[0]
    assert (state, bool(error), attempts) == ("pending", True, 1)
    peer.pages = whole
    assert keep(message) is True, "not before its pause is over"
    assert rows(STATE)[0][5] == 1
    due_again(rows)
    assert keep(message) is False
    assert rows(STATE)[0][::4] == ("stored", None)


def test_a_provider_that_hangs_is_tried_again(
    keep: Callable[..., bool], received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    peer.graph("1")
    peer.hang = 1
    _, message = received("meta", {"id": "1"})
    assert keep(message) is True
    assert rows(STATE)[0][0] == "pending"


def test_an_address_that_expired_is_asked_for_afresh_each_time(
    keep: Callable[..., bool], received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    peer.graph("1")
    peer.pages["/1"] = 404, {}, b""
    _, message = received("meta", {"id": "1"})
    assert keep(message) is True
    peer.graph("1", url="https://lookaside.fbsbx.com/fresh")
    peer.pages["/fresh"] = 200, {"content-type": "image/png"}, PNG
    due_again(rows)
    assert keep(message) is False
    assert [path for path, _ in peer.asked] == ["/v25.0/1", "/1", "/v25.0/1", "/fresh"]


def test_attempts_come_to_an_end(
    keep: Callable[..., bool], received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    peer.pages["/v25.0/1"] = 503, {}, b""
    _, message = received("meta", {"id": "1"})
    again: list[bool] = []
    while not again or again[-1]:
        due_again(rows)
        again.append(keep(message))
    assert len(again) == MAX_ATTEMPTS
    assert rows(STATE) == [("failed", None, None, None, "the provider answered 503", MAX_ATTEMPTS)]
    assert rows("select name, detail ->> 'error' from events where name like 'Media%%'") == [
        ("MediaFailed", "the provider answered 503")
    ]


def test_a_store_that_is_away_is_tried_again(
    keep: Any, received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def put_object(self, **arguments: Any) -> None:
            raise EndpointConnectionError(endpoint_url="s3")

    monkeypatch.setattr(keep.app, "s3", Away())
    peer.graph("1")
    _, message = received("meta", {"id": "1"})
    assert keep(message) is True
    assert rows(STATE)[0][4] == "the copy could not be stored: EndpointConnectionError"


def test_a_bug_loses_no_file(
    keep: Any, received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(keep.app, "download", broken)
    peer.graph("1")
    _, message = received("meta", {"id": "1"})
    assert keep(message) is True
    assert rows(STATE)[0][4] == "fetching ended in ZeroDivisionError"


def test_a_secret_that_is_missing_is_waited_for(
    keep: Any, received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="meta", SecretString="{}")
    _, message = received("meta", {"id": "1"})
    assert keep(message) is True
    assert "access_tokens" in rows(STATE)[0][4]


def test_an_entry_that_comes_twice_or_means_nothing_is_let_go(
    keep: Callable[..., bool], received: Callable[..., tuple[str, str]], peer: Peer, rows: Rows
) -> None:
    peer.graph("1")
    _, message = received("meta", {"id": "1"})
    assert [keep(message), keep(message), keep(message, 7), keep(str(uuid4()))] == [False] * 4
    assert len(peer.asked) == 2


def test_logs_hold_no_address_and_no_credential(
    capsys: pytest.CaptureFixture[str],
    keep: Callable[..., bool],
    received: Callable[..., tuple[str, str]],
    peer: Peer,
) -> None:
    peer.pages[TWILIO_PATH] = 500, {}, b""
    _, message = received("twilio", {"url": f"https://api.twilio.com{TWILIO_PATH}?x=5511"})
    keep(message)
    told = "".join(capsys.readouterr())
    assert message in told
    assert not [secret for secret in ("new-token", "Media/ME1", "5511") if secret in told]


# ---- the table ----


@pytest.fixture
def database(application_url: str) -> Iterator[Database]:
    opened = Database(Settings(database_url=application_url))
    yield opened
    opened.close()


def at(minute: int, second: int = 0) -> datetime:
    return datetime.fromisoformat(f"2030-01-01T12:{minute:02}:{second:02}+00:00")


MINUTE = at(1) - at(0)


def test_one_worker_at_a_time(database: Database, received: Callable[..., tuple[str, str]]) -> None:
    key = FileKey(received("meta", {"id": "1"})[1], 0)
    first = claim_media(database, key, MINUTE, at(0))
    assert (first.outcome, first.attempts, first.provider, first.content_type) == ("claimed", 1, "meta", "image")
    assert first.media().id == "1"
    second = claim_media(database, key, MINUTE, at(0, 59))
    assert (second.outcome, second.free_at) == ("leased", at(1))
    assert claim_media(database, key, MINUTE, at(1)).attempts == 2


def test_a_worker_that_lost_its_lease_cannot_fail_the_file_but_may_have_kept_it(
    database: Database, received: Callable[..., tuple[str, str]], rows: Rows
) -> None:
    key = FileKey(received("meta", {"id": "1"})[1], 0)
    claim_media(database, key, MINUTE, at(0))
    claim_media(database, key, MINUTE, at(2))
    assert finish_failed(database, key, 1, Unavailable("late"), MINUTE, at(2)) == "pending"
    assert claim_media(database, key, MINUTE, at(2)).outcome == "leased"
    stored = Stored("s3://files/x", "image/png", 5)
    assert finish_stored(database, key, 1, stored, at(2)) == "stored"
    assert finish_failed(database, key, 2, Unavailable("late"), MINUTE, at(2)) == "stored"
    assert rows(STATE)[0][:2] == ("stored", "s3://files/x")
    assert rows("select count(*) from events where name = 'MediaStored'") == [(1,)]


def test_a_file_whose_workers_die_is_given_up(
    database: Database, received: Callable[..., tuple[str, str]], rows: Rows
) -> None:
    key = FileKey(received("meta", {"id": "1"})[1], 0)
    outcomes = [claim_media(database, key, MINUTE, at(2 * n)).outcome for n in range(MAX_ATTEMPTS + 2)]
    assert outcomes == ["claimed"] * MAX_ATTEMPTS + ["given_up", "done"]
    assert rows(STATE)[0][0] == "failed"


def test_what_was_lost_on_the_way_is_queued_again_and_not_each_minute(
    database: Database, received: Callable[..., tuple[str, str]], rows: Rows
) -> None:
    _, message = received("meta", {"id": "1"}, {"id": "2"})
    rows("update message_media set due_at = %s returning 1", at(1))
    both = [FileKey(message, 0), FileKey(message, 1)]
    found = [queue_media(database, 10, 10 * MINUTE, at(minute)) for minute in (0, 1, 2, 10, 11)]
    assert [sorted(keys, key=lambda key: key.place) for keys in found] == [[], both, [], [], both]
    claim_media(database, both[0], MINUTE, at(20))
    assert queue_media(database, 10, 10 * MINUTE, at(30)) == [both[1]]
    assert queue_media(database, 10, 10 * MINUTE, at(36)) == [both[0]]
    assert len(queue_media(database, 1, 10 * MINUTE, at(59))) == 1


def test_a_new_file_is_left_to_its_webhook_for_a_minute(
    database: Database, received: Callable[..., tuple[str, str]], rows: Rows
) -> None:
    received("meta", {"id": "1"})
    assert queue_media(database, 10, MINUTE) == []
    assert rows("select due_at > now() + interval '50 seconds' from message_media") == [(True,)]


def test_files_go_with_their_message(received: Callable[..., tuple[str, str]], database_url: str, rows: Rows) -> None:
    _, message = received("meta", {"id": "1"})
    with psycopg.connect(database_url) as connection:
        connection.execute("delete from kommo_messages where id = %s", [message])
    assert rows("select count(*) from message_media") == [(0,)]


# ---- the webhook, the sweep and the API ----

IMAGE = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "1",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "100"},
                        "contacts": [{"profile": {"name": "Ana"}, "wa_id": "5511987654321"}],
                        "messages": [
                            {
                                "from": "5511987654321",
                                "id": "wamid.image",
                                "timestamp": "1795338000",
                                "type": "image",
                                "image": {"id": "1", "mime_type": "image/png", "caption": "mira"},
                            },
                            {
                                "from": "5511987654321",
                                "id": "wamid.text",
                                "timestamp": "1795338001",
                                "type": "text",
                                "text": {"body": "hola"},
                            },
                        ],
                    },
                }
            ],
        }
    ],
}
ALBUM = {
    "MessageSid": "MM" + "1" * 32,
    "AccountSid": "AC" + "0" * 32,
    "From": "whatsapp:+5511987654321",
    "To": "whatsapp:+14155238886",
    "Body": "",
    "NumMedia": "2",
    "MediaUrl0": "https://api.twilio.com/2010-04-01/Accounts/AC0/Messages/MM1/Media/ME1",
    "MediaContentType0": "image/jpeg",
    "MediaUrl1": "https://api.twilio.com/2010-04-01/Accounts/AC0/Messages/MM1/Media/ME2",
    "MediaContentType1": "image/jpeg",
}


def queued(queue_url: str) -> list[FileKey]:
    sqs, found = boto3.client("sqs"), []
    while entries := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        found += [FileKey(**json.loads(entry["Body"])) for entry in entries]
    return sorted(found, key=lambda key: key.place)


@pytest.mark.parametrize(("provider", "payload", "files"), [("meta", IMAGE, 1), ("twilio", ALBUM, 2)])
def test_a_webhook_queues_the_files_of_new_messages_once(
    load: Load,
    events: dict[str, Callable[..., dict[str, Any]]],
    queue_url: str,
    rows: Rows,
    provider: str,
    payload: Any,
    files: int,
) -> None:
    webhook = load(f"{provider}_webhook")
    for _ in range(2):
        assert webhook.handler(events[provider](payload), None)["statusCode"] == 200
    found = rows("select message_id::text, place from message_media order by place")
    assert len(found) == files
    assert queued(queue_url) == [FileKey(*row) for row in found]


def test_a_queue_that_is_away_fails_no_webhook(
    load: Load,
    events: dict[str, Callable[..., dict[str, Any]]],
    queue_url: str,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEDIA_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/nowhere")
    assert load("meta_webhook").handler(events["meta"](IMAGE), None)["statusCode"] == 200
    assert rows("select state from message_media") == [("pending",)]
    monkeypatch.setenv("MEDIA_QUEUE_URL", queue_url)
    sweep = load("window_sweep")
    assert sweep.handler({}, Context())["media"] == 0
    rows("update message_media set due_at = now() returning 1")
    assert [sweep.handler({}, Context())["media"] for _ in range(2)] == [1, 0]
    assert len(queued(queue_url)) == 1


def test_a_sweep_goes_on_without_its_queues(
    load: Load, received: Callable[..., tuple[str, str]], rows: Rows, queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    received("meta", {"id": "1"})
    rows("update message_media set due_at = now() returning 1")
    monkeypatch.setenv("MEDIA_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/nowhere")
    assert load("window_sweep").handler({}, Context())["published"] == 1
    rows("update message_media set due_at = now() returning 1")
    monkeypatch.setenv("MEDIA_QUEUE_URL", "")
    assert load("window_sweep").handler({}, Context())["media"] == 0


def test_a_tick_that_ran_out_of_time_leaves_files_to_the_next(
    load: Load,
    received: Callable[..., tuple[str, str]],
    rows: Rows,
    queue_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received("meta", {"id": "1"})
    rows("update message_media set due_at = now() returning 1")
    sweep = load("window_sweep")
    monkeypatch.setattr(sweep, "EVENTS_A_CALL", 1)
    tick = sweep.handler({}, Context(remaining=4_000))
    assert (tick["published"], tick["media"], tick["left"]) == (1, 0, 1)
    assert sweep.handler({}, Context())["media"] == 1


@pytest.mark.parametrize("set_to", ["", None])
def test_where_nobody_wants_files_nothing_is_queued(
    load: Load,
    events: dict[str, Callable[..., dict[str, Any]]],
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    set_to: str | None,
) -> None:
    if set_to is not None:
        monkeypatch.setenv("MEDIA_QUEUE_URL", set_to)
    assert load("meta_webhook").handler(events["meta"](IMAGE), None)["statusCode"] == 200
    assert rows("select state from message_media") == [("pending",)]


def test_a_message_without_files_asks_no_queue(
    load: Load, events: dict[str, Callable[..., dict[str, Any]]], queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr("ventana.fetch_queues.MediaQueue.put", never)
    form = {name: value for name, value in ALBUM.items() if "Media" not in name} | {"Body": "hola"}
    assert load("twilio_webhook").handler(events["twilio"](form), None)["statusCode"] == 200


def test_a_provider_that_has_waited_long_waits_for_no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ventana.fetch_queues.new_files", lambda items, recorded: [FileKey(str(uuid4()), 0)])
    asked: list[Any] = []
    queue = MediaQueue("url", call_seconds=0.8)
    monkeypatch.setattr(queue, "put", asked.append)
    queue.put_new([], [], seconds_left=0.7)
    assert asked == []
    queue.put_new([], [], seconds_left=0.9)
    assert len(asked) == 1


def test_operators_see_what_became_of_each_file(
    load: Load,
    keep: Callable[..., bool],
    received: Callable[..., tuple[str, str]],
    peer: Peer,
    events: dict[str, Callable[..., dict[str, Any]]],
) -> None:
    peer.graph("1")
    conversation, message = received("meta", {"id": "1"}, {"id": "2"}, {"id": "3"})
    peer.pages["/v25.0/2"] = 400, {}, b'{"error": {"code": 100}}'
    keep(message, 0)
    keep(message, 1)
    api = load("api")

    def shown(path: str) -> dict[str, Any]:
        answer = api.handler(events["http"]("GET", path), Context())
        assert answer["statusCode"] == 200
        body: dict[str, Any] = json.loads(answer["body"])
        return body

    empty = dict.fromkeys(("reference", "content_type", "bytes", "error"))
    wanted = [
        {
            "state": "stored",
            "reference": f"s3://files/media/{conversation}/{message}/0",
            "content_type": "image/png",
            "bytes": len(PNG),
            "error": None,
        },
        {**empty, "state": "failed", "error": "the provider has no such file any more (status 400, code 100)"},
        {**empty, "state": "pending"},
    ]
    assert shown(f"/v1/messages/{message}")["media"] == wanted
    assert shown(f"/v1/conversations/{conversation}")["messages"][0]["media"] == wanted
    _, without = received("meta")
    assert shown(f"/v1/messages/{without}")["media"] == []
