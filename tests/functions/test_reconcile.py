"""The reconciler through its handler: providers on loopback list what webhooks brought, and what they did not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.functions.loopback import Quiet, serving
from ventana.errors import StorageUnavailable
from ventana.providers.kommo import reconcile as kommo
from ventana.providers.twilio import reconcile as twilio

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]

ACCOUNT = "AC" + "0" * 32
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
OURS = "+14155238886"
CUSTOMER = "+5511987654321"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class _Context:
    """A function with so much time for each look at the clock."""

    function_name = "reconcile"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:reconcile"
    aws_request_id = "request"

    def __init__(self, *remaining: int) -> None:
        self.remaining = list(remaining)

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining.pop(0) if self.remaining else 200_000


@dataclass
class Peer:
    """A provider on loopback: what it would list, what it was asked, and how it misbehaves."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    media: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    fails: list[tuple[int, bytes]] = field(default_factory=list)
    begins_to_fail_at: int = 0
    next_page: str | None = None
    newest_first: bool = True

    def lists(self, sid: str, ago: timedelta, **changed: Any) -> dict[str, Any]:
        """Have a customer's message that Twilio took so long ago."""
        moment = format_datetime(datetime.now(UTC) - ago)
        message = {
            "sid": sid,
            "account_sid": ACCOUNT,
            "direction": "inbound",
            "status": "received",
            "from": f"whatsapp:{CUSTOMER}",
            "to": f"whatsapp:{OURS}",
            "body": f"text of {sid}",
            "num_media": "0",
            "date_sent": moment,
            "date_created": moment,
            **changed,
        }
        self.messages.append(message)
        return message

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        if len(self.asked) > self.begins_to_fail_at and self.fails:
            return self.fails.pop(0)
        parts = urlsplit(path)
        if parts.path in self.answers:
            return 200, json.dumps(self.answers[parts.path]).encode()
        if parts.path == f"{MESSAGES}.json":
            return 200, json.dumps(self.page(dict(parse_qsl(parts.query)))).encode()
        sid = parts.path.removeprefix(f"{MESSAGES}/").removesuffix("/Media.json")
        return (200, json.dumps({"media_list": self.media[sid]}).encode()) if sid in self.media else (404, b"{}")

    def page(self, asked: dict[str, str]) -> dict[str, Any]:
        def at(message: dict[str, Any]) -> datetime:
            return parsedate_to_datetime(message["date_sent"] or message["date_created"])

        found = [each for each in self.messages if at(each).date().isoformat() >= asked["DateSent>"]]
        found.sort(key=at, reverse=self.newest_first)
        start, size = int(asked.get("PageToken", 0)), int(asked["PageSize"])
        following = None
        if start + size < len(found):
            following = f"{MESSAGES}.json?{urlencode({**asked, 'PageToken': start + size})}"
        return {"messages": found[start : start + size], "next_page_uri": self.next_page or following}


@pytest.fixture(autouse=True)
def templates_are_new(rows: Rows) -> None:
    """Nobody is asked for templates."""
    rows("insert into template_refreshes values ('meta', now()), ('twilio', now())")


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]) -> Iterator[Peer]:
    state = Peer()

    class Handler(Quiet):
        def do_GET(self) -> None:
            status, body = state.answer(self.path)
            state.authorizations.add(self.headers.get("authorization", ""))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as origin:
        monkeypatch.setenv("SIMULATOR_URL", origin)
        monkeypatch.setenv("RECONCILE_PROVIDERS", "twilio")
        monkeypatch.setattr(twilio, "CALLS_PER_SECOND", 1000)
        monkeypatch.setattr(kommo, "CALLS_PER_SECOND", 1000)
        yield state


@pytest.fixture
def webhook(load: Load, events: Events) -> Callable[[dict[str, Any]], None]:
    """Bring a message that Twilio lists by its webhook, as Twilio would have."""
    app = load("twilio_webhook")

    def bring(message: dict[str, Any]) -> None:
        form = {
            "MessageSid": message["sid"],
            "AccountSid": ACCOUNT,
            "From": message["from"],
            "To": message["to"],
            "Body": message["body"],
            "NumMedia": "0",
            "ProfileName": "Ana",
            "MessageType": "text",
            "SmsStatus": "received",
        }
        assert app.handler(events["twilio"](form), _Context())["statusCode"] == 200

    return bring


def counts(run: dict[str, Any]) -> tuple[int, int, int]:
    return run["listed"], run["recovered"], run["left"]


def stored(rows: Rows) -> list[str]:
    return [sid for (sid,) in rows("select provider_message_id from kommo_messages order by 1")]


def checked_until(rows: Rows) -> datetime | None:
    found = rows("select checked_until from reconcile_cursors where provider = 'twilio'")
    return found[0][0] if found else None


def test_exactly_what_is_missing_is_recovered(
    load: Load, rows: Rows, peer: Peer, webhook: Callable[[dict[str, Any]], None]
) -> None:
    for number in range(5):
        message = peer.lists(f"SM{number}", number * HOUR + 5 * MINUTE)
        if number % 2:
            webhook(message)
    app = load("reconcile")
    assert app.handler({}, _Context())["twilio"] == {"listed": 5, "recovered": 3, "parked": 0, "left": 0}
    assert stored(rows) == ["SM0", "SM1", "SM2", "SM3", "SM4"]
    assert rows("select count(*), max(message_count) from kommo_conversations") == [(1, 5)]
    assert rows("select count(*) from events where name = 'MessageReceived'") == [(5,)]
    assert counts(app.handler({}, _Context())["twilio"]) == (1, 0, 0)
    assert peer.authorizations == {"Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDpuZXctdG9rZW4="}


def test_a_recovered_message_is_the_one_that_its_webhook_would_have_brought(
    load: Load, rows: Rows, peer: Peer, webhook: Callable[[dict[str, Any]], None]
) -> None:
    query = (
        "select c.phone, m.business_address, m.role, m.content_type, m.content, m.channel, m.opens_window,"
        " m.delivery_status, m.metadata from (select *, 'x' as channel from kommo_messages) m"
        " join kommo_conversations c on c.id = m.conversation_id where m.provider_message_id = %s"
    )
    brought, lost = peer.lists("SM1", 2 * HOUR, body="¿Hola? 👋"), peer.lists("SM2", HOUR, body="¿Hola? 👋")
    webhook(brought)
    load("reconcile").handler({}, _Context())
    (by_webhook,), (by_list,) = rows(query, "SM1"), rows(query, "SM2")
    assert by_list[:-1] == by_webhook[:-1]
    assert by_list[-1] == {**by_webhook[-1], "reconciled": True}
    ((payload, created),) = rows(
        "select provider_payload, created_at from kommo_messages where provider_message_id = 'SM2'"
    )
    assert payload == lost
    assert created == parsedate_to_datetime(lost["date_sent"])


@pytest.mark.parametrize("webhook_first", [True, False])
def test_a_webhook_that_arrives_meanwhile_makes_no_double(
    load: Load,
    rows: Rows,
    peer: Peer,
    webhook: Callable[[dict[str, Any]], None],
    monkeypatch: pytest.MonkeyPatch,
    webhook_first: bool,
) -> None:
    """Between asking what we have and recording what we have not, and after that."""
    app, message = load("reconcile"), peer.lists("SM1", HOUR)
    recorded = app.record_inbound

    def crossed(database: Any, items: Any) -> Any:
        if webhook_first:
            webhook(message)
        outcome = recorded(database, items)
        if not webhook_first:
            webhook(message)
        return outcome

    monkeypatch.setattr(app, "record_inbound", crossed)
    assert counts(app.handler({}, _Context())["twilio"]) == (1, 0 if webhook_first else 1, 0)
    assert stored(rows) == ["SM1"]
    assert rows("select count(*) from events where name = 'MessageReceived'") == [(1,)]


def test_every_page_is_read(load: Load, rows: Rows, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio, "PAGE_SIZE", 3)
    for number in range(8):
        peer.lists(f"SM{number}", (number + 2) * MINUTE)
    assert counts(load("reconcile").handler({}, _Context())["twilio"]) == (8, 8, 0)
    assert [dict(parse_qsl(urlsplit(path).query)).get("PageToken") for path in peer.asked] == [None, "3", "6"]
    assert rows("select array_agg(content order by created_at) from kommo_messages") == [
        ([f"text of SM{number}" for number in reversed(range(8))],)
    ]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://example.com/2010-04-01/Messages.json?Page=1",
        "//example.com/Messages.json?Page=1",
        f"/2010-04-01/Accounts/{ACCOUNT}/Recordings.json?Page=1",
        f"/2010-04-01/Accounts/AC{'1' * 32}/Messages.json?Page=1",
        "@example.com/",
    ],
)
def test_a_page_that_lies_elsewhere_is_not_followed(load: Load, rows: Rows, peer: Peer, elsewhere: str) -> None:
    peer.lists("SM1", HOUR)
    peer.next_page = elsewhere
    assert load("reconcile").handler({}, _Context())["twilio"]["failed"] == "listing_failed"
    assert len(peer.asked) == 1
    assert checked_until(rows) is None


def test_pages_of_the_day_before_what_is_asked_for_are_left_unread(
    load: Load, rows: Rows, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twilio filters by day: towards midnight a run would read the whole day again and again."""
    monkeypatch.setattr(twilio, "PAGE_SIZE", 2)
    rows("insert into reconcile_cursors (provider, checked_until) values ('twilio', now()) returning 1")
    monkeypatch.setattr(twilio.Account, "first_page", lambda self, since: _since_the_beginning(self))
    for number in range(10):
        peer.lists(f"SM{number}", HOUR + number * MINUTE)
    assert counts(load("reconcile").handler({}, _Context())["twilio"]) == (0, 0, 0)
    assert len(peer.asked) == 1
    peer.newest_first = False
    assert counts(load("reconcile").handler({}, _Context())["twilio"]) == (0, 0, 0)
    assert len(peer.asked) == 1 + 5, "a list in another order is read to its end"


def _since_the_beginning(account: twilio.Account) -> str:
    return f"{account.messages}.json?DateSent%3E=2000-01-01&PageSize=2"


def test_the_first_run_looks_back_a_day_and_the_next_one_a_little_beyond_the_last(
    load: Load, rows: Rows, peer: Peer
) -> None:
    peer.lists("SM-too-old", 25 * HOUR)
    peer.lists("SM-day", 23 * HOUR)
    app = load("reconcile")
    started = datetime.now(UTC)
    assert counts(app.handler({}, _Context())["twilio"]) == (1, 1, 0)
    first_day = (started - 24 * HOUR - MINUTE).date().isoformat()
    assert dict(parse_qsl(urlsplit(peer.asked[0]).query))["DateSent>"] == first_day
    first = checked_until(rows)
    assert first is not None
    assert abs(first - (started - MINUTE)) < timedelta(seconds=20)

    peer.lists("SM-late-in-the-list", 8 * MINUTE)
    peer.lists("SM-before-the-overlap", 13 * MINUTE)
    peer.lists("SM-on-its-way", timedelta(seconds=20))
    assert counts(app.handler({}, _Context())["twilio"]) == (1, 1, 0)
    assert stored(rows) == ["SM-day", "SM-late-in-the-list"]
    assert (checked_until(rows) or started) > first
    assert counts(app.handler({"grace_seconds": 0}, _Context())["twilio"]) == (2, 1, 0)
    assert stored(rows) == ["SM-day", "SM-late-in-the-list", "SM-on-its-way"]


def test_a_run_that_has_no_more_time_keeps_its_place(
    load: Load, rows: Rows, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilio, "PAGE_SIZE", 2)
    for number in range(5):
        peer.lists(f"SM{number}", number * HOUR + 5 * MINUTE)
    app = load("reconcile")
    assert counts(app.handler({}, _Context(1_000))["twilio"]) == (0, 0, 1)
    assert peer.asked == []
    assert counts(app.handler({}, _Context(200_000, 1_000))["twilio"]) == (2, 2, 1)
    assert checked_until(rows) is None
    ((since, until),) = rows("select listing_since, listing_until from reconcile_cursors")
    assert until - since == 24 * HOUR
    assert counts(app.handler({}, _Context(200_000, 1_000))["twilio"]) == (2, 2, 1)
    assert counts(app.handler({}, _Context())["twilio"]) == (1, 1, 0)
    assert [dict(parse_qsl(urlsplit(path).query)).get("PageToken") for path in peer.asked] == [None, "2", "4"]
    assert rows("select checked_until, listing_since, listing_until, place from reconcile_cursors") == [
        (until, None, None, None)
    ]
    assert len(stored(rows)) == 5


@pytest.mark.parametrize(
    "change",
    [
        "update reconcile_cursors set updated_at = now() - interval '2 hours' returning 1",
        "update reconcile_cursors set place = '/2010-04-01/Accounts/ACother/Messages.json?Page=7' returning 1",
    ],
)
def test_a_place_that_is_old_or_of_another_account_is_forgotten(
    load: Load, rows: Rows, peer: Peer, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(twilio, "PAGE_SIZE", 2)
    for number in range(3):
        peer.lists(f"SM{number}", number * HOUR + 5 * MINUTE)
    app = load("reconcile")
    app.handler({}, _Context(200_000, 1_000))
    rows(change)
    assert counts(app.handler({}, _Context())["twilio"]) == (3, 1, 0)
    assert "PageToken" not in peer.asked[1]
    assert checked_until(rows)


@pytest.mark.parametrize(
    "answer",
    [
        *((status, b"{}") for status in (401, 403, 404, 429, 500, 200)),
        (503, b"<html>"),
        (200, b"<html>"),
        (200, b'{"messages": null}'),
        (307, b""),
    ],
)
def test_a_list_that_is_refused_leaves_the_cursor(
    load: Load, rows: Rows, peer: Peer, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes]
) -> None:
    """What came before is recorded; the next run goes on at the page that was refused."""
    monkeypatch.setattr(twilio, "PAGE_SIZE", 2)
    for number in range(4):
        peer.lists(f"SM{number}", number * HOUR + 5 * MINUTE)
    peer.fails, peer.begins_to_fail_at = [answer], 1
    app = load("reconcile")
    run = app.handler({}, _Context())["twilio"]
    assert (counts(run), run["failed"]) == ((2, 2, 0), "listing_failed")
    assert checked_until(rows) is None
    assert counts(app.handler({}, _Context())["twilio"]) == (2, 2, 0)
    assert checked_until(rows)
    assert len(stored(rows)) == 4


def test_a_provider_that_is_away_leaves_the_cursor(
    load: Load, rows: Rows, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR_URL", "http://127.0.0.1:1")
    assert load("reconcile").handler({}, _Context())["twilio"]["failed"] == "unreachable"
    assert checked_until(rows) is None


def test_a_database_that_is_away_fails_the_run(load: Load, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    with pytest.raises(StorageUnavailable):
        load("reconcile").handler({}, _Context())
    assert peer.asked == []


def test_what_is_no_customers_whatsapp_message_is_ignored(load: Load, rows: Rows, peer: Peer) -> None:
    for number, direction in enumerate(("outbound-api", "outbound-reply", "outbound-call")):
        peer.lists(f"SM{number}", HOUR, direction=direction, status="undelivered", error_code=63016)
    peer.lists("SM-queued", HOUR, direction="outbound-api", date_sent=None)
    peer.lists("SM-sms", HOUR, **{"from": CUSTOMER, "to": OURS})
    peer.lists("", HOUR)
    assert counts(load("reconcile").handler({}, _Context())["twilio"]) == (0, 0, 0)
    for table in ("kommo_messages", "kommo_conversations", "parked_statuses", "parked_items", "events"):
        assert rows(f"select count(*) from {table}") == [(0,)]


def test_a_recovered_message_opens_the_window_by_its_own_time(
    load: Load, rows: Rows, peer: Peer, webhook: Callable[[dict[str, Any]], None]
) -> None:
    lost = peer.lists("SM-lost", 23 * HOUR)
    app = load("reconcile")
    app.handler({}, _Context())
    sent_at = parsedate_to_datetime(lost["date_sent"])
    assert rows("select last_user_message_at from kommo_conversations") == [(sent_at,)]

    webhook(peer.lists("SM-now", timedelta(0)))
    ((newest,),) = rows("select last_user_message_at from kommo_conversations")
    assert newest > sent_at
    peer.lists("SM-lost-as-well", 5 * MINUTE)
    assert counts(app.handler({}, _Context())["twilio"]) == (1, 1, 0)
    assert rows("select last_user_message_at from kommo_conversations") == [(newest,)]


def test_a_message_without_a_time_opens_no_window_now(load: Load, rows: Rows, peer: Peer) -> None:
    page = {"messages": [peer.lists("SM1", HOUR, date_sent=None, date_created="yesterday")], "next_page_uri": None}
    peer.answers[f"{MESSAGES}.json"] = page
    load("reconcile").handler({}, _Context())
    assert rows("select last_user_message_at < now() - interval '23 hours' from kommo_conversations") == [(True,)]


def test_files_of_a_recovered_message_are_named(load: Load, rows: Rows, peer: Peer) -> None:
    uri = f"{MESSAGES}/MM1/Media/ME1"
    peer.media["MM1"] = [{"sid": "ME1", "content_type": "image/jpeg", "uri": f"{uri}.json"}]
    peer.lists("MM1", HOUR, num_media="1", body="así quedó")
    peer.lists("MM-deleted", HOUR, num_media="1", body="")
    assert counts(load("reconcile").handler({}, _Context())["twilio"]) == (2, 2, 0)
    assert rows("select provider_message_id, content_type, content, media_url from kommo_messages order by 1 desc") == [
        ("MM1", "image", "así quedó", f"https://api.twilio.com{uri}"),
        ("MM-deleted", "file", "", None),
    ]
    assert rows("select source ->> 'url', source ->> 'mime_type' from message_media") == [
        (f"https://api.twilio.com{uri}", "image/jpeg")
    ]


def test_files_that_cannot_be_listed_now_are_asked_for_again(load: Load, rows: Rows, peer: Peer) -> None:
    peer.media["MM1"] = []
    peer.lists("MM1", HOUR, num_media="1")
    peer.fails, peer.begins_to_fail_at = [(503, b"")], 1
    app = load("reconcile")
    assert app.handler({}, _Context())["twilio"]["failed"] == "listing_failed"
    assert stored(rows) == []
    assert counts(app.handler({}, _Context())["twilio"]) == (1, 1, 0)


def test_a_customer_without_a_phone_is_found_by_id(load: Load, rows: Rows, peer: Peer) -> None:
    peer.lists("SM1", HOUR, **{"from": "whatsapp:US.13491208655302741918"})
    load("reconcile").handler({}, _Context())
    assert rows("select phone, provider_user_id from kommo_conversations") == [(None, "US.13491208655302741918")]


def test_what_cannot_be_understood_is_parked_once_and_takes_no_neighbour_with_it(
    load: Load, rows: Rows, peer: Peer
) -> None:
    peer.lists("SM1", 5 * MINUTE, **{"from": "whatsapp:nobody"})
    peer.lists("SM2", 5 * MINUTE, body="nul \0 and half an emoji \ud83d")
    app = load("reconcile")
    assert app.handler({}, _Context())["twilio"] == {"listed": 2, "recovered": 1, "parked": 1, "left": 0}
    app.handler({}, _Context())
    assert rows("select kind, times from parked_items") == [("poison", 2)]
    assert stored(rows) == ["SM2"]


@pytest.mark.parametrize(("provider", "secret"), [("meta", None), ("telex", None), ("twilio", "{}")])
def test_who_cannot_be_asked_does_not_hold_up_the_others(
    load: Load, rows: Rows, peer: Peer, monkeypatch: pytest.MonkeyPatch, provider: str, secret: str | None
) -> None:
    import boto3

    monkeypatch.setenv("RECONCILE_PROVIDERS", f"{provider},kommo")
    if secret:
        boto3.client("secretsmanager").put_secret_value(SecretId=provider, SecretString=secret)
    peer.answers["/api/v4/talks"] = {"_embedded": {"talks": []}}
    run = load("reconcile").handler({}, _Context())
    assert run[provider]["failed"] == "not_configured"
    assert "failed" not in run["kommo"]


def talk(number: int, ago: timedelta) -> dict[str, Any]:
    updated = int((datetime.now(UTC) - ago).timestamp())
    return {"talk_id": number, "chat_id": f"chat-{number}", "contact_id": 7, "updated_at": updated, "origin": "waba"}


def chat_message(message_id: str, ago: timedelta, **changed: Any) -> dict[str, Any]:
    written = int((datetime.now(UTC) - ago).timestamp())
    author = {"type": "external", "name": "Carla"}
    return {"id": message_id, "type": "incoming", "text": "hola", "created_at": written, "author": author, **changed}


def test_kommos_talks_are_read_where_an_operator_says_so(
    load: Load, rows: Rows, peer: Peer, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILE_PROVIDERS", "kommo")
    known = chat_message("m-known", 3 * HOUR)
    hook = {"id": "m-known", "type": "incoming", "chat_id": "chat-1", "talk_id": "1", "text": "hola"}
    fields = {f"message[add][0][{name}]": value for name, value in hook.items()}
    fields |= {"account[id]": "100", "message[add][0][created_at]": str(known["created_at"])}
    assert load("kommo_webhook").handler(events["kommo"](fields), _Context())["statusCode"] == 200
    peer.answers = {
        "/api/v4/talks": {"_embedded": {"talks": [talk(1, HOUR), talk(2, 30 * HOUR), {"talk_id": None}]}},
        "/api/v4/talks/1/messages": {
            "_embedded": {
                "messages": [
                    known,
                    chat_message("m-lost", 2 * HOUR, text="¿Llegó?"),
                    chat_message("m-ours", HOUR, type="outgoing", author={"type": "bot"}),
                    chat_message("m-of-nobody", HOUR, type=None, author=None),
                    chat_message("m-old", 30 * HOUR),
                    chat_message("m-timeless", HOUR, created_at=None),
                    "what is this?",
                ]
            }
        },
    }
    run = load("reconcile").handler({}, _Context())["kommo"]
    assert counts(run) == (2, 1, 0)
    assert stored(rows) == ["m-known", "m-lost"]
    assert rows("select kommo_chat_id, kommo_talk_id, user_message_count from kommo_conversations") == [
        ("chat-1", "1", 2)
    ]
    assert peer.asked == ["/api/v4/talks?limit=50&page=1", "/api/v4/talks/1/messages"]
    assert peer.authorizations == {"Bearer t"}


@pytest.mark.parametrize("answer", [(401, b"{}"), (429, b"{}"), (404, b"{}"), (200, b"{}"), (200, b"[]")])
def test_a_list_of_kommos_that_is_refused_leaves_the_cursor(
    load: Load, rows: Rows, peer: Peer, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes]
) -> None:
    monkeypatch.setenv("RECONCILE_PROVIDERS", "kommo")
    peer.fails = [answer]
    assert load("reconcile").handler({}, _Context())["kommo"]["failed"] == "listing_failed"
    assert rows("select count(*) from reconcile_cursors") == [(0,)]


def test_kommo_is_asked_less_often_than_it_allows() -> None:
    assert kommo.CALLS_PER_SECOND < 7
