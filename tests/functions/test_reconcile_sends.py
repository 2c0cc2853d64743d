"""Sends whose answer was lost, settled by the reconciler: what the provider has is ours, what it has not goes again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import ModuleType
from typing import Any

import boto3
import pytest

from tests.functions.lambda_context import Context
from tests.functions.loopback import Quiet, serving
from tests.functions.sending import Desk
from ventana.errors import ListingFailed, NotConfigured, StorageUnavailable
from ventana.messages import Receipt

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], ModuleType]
Find = Callable[..., Receipt | None]

LONG = 240_000
ACCOUNT = "AC" + "0" * 32


@pytest.fixture(autouse=True)
def templates_are_new(rows: Rows) -> None:
    """Nobody is asked for templates."""
    rows("insert into template_refreshes values ('meta', now()), ('twilio', now())")


@pytest.fixture
def uncertain(desk: Desk, rows: Rows) -> Callable[..., str]:
    """A send of which nobody knows whether its provider took it, handed over so many minutes ago."""

    def make(provider: str = "twilio", text: str = "an answer", minutes: int = 5, **wishes: Any) -> str:
        message_id = desk.accept(desk.customer(provider), text, **wishes)
        rows("update kommo_messages set delivery_status = 'uncertain' where id = %s", message_id)
        rows(
            "update sends set phase = 'uncertain', due_at = now(), claimed_at = now() - %s where message_id = %s",
            timedelta(minutes=minutes),
            message_id,
        )
        return message_id

    return make


@pytest.fixture
def app(load: Load, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The reconciler, which lists nobody's messages."""
    monkeypatch.setenv("RECONCILE_PROVIDERS", "")
    return load("reconcile")


def told(monkeypatch: pytest.MonkeyPatch, find: Find, provider: str = "twilio") -> None:
    """Let a provider tell this of each send that it is asked for."""
    monkeypatch.setattr(f"ventana.providers.{provider}.settle.find_taken", find)


@pytest.mark.parametrize("provider", ["twilio", "kommo"])
def test_what_the_provider_has_gets_its_id_and_is_not_sent_again(
    app: ModuleType,
    desk: Desk,
    rows: Rows,
    uncertain: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
) -> None:
    message_id = uncertain(provider)
    told(monkeypatch, lambda *asked: Receipt("SM-found", "sent"), provider)
    assert app.handler({}, Context(LONG)) == {
        "sends": {"settled": 1, "untaken": 0, "unsettled": 0},
        "templates": {},
    }
    assert rows("select delivery_status, provider_message_id from kommo_messages where id = %s", message_id) == [
        ("sent", "SM-found")
    ]
    assert rows("select count(*) from sends") == [(0,)]
    assert desk.events("MessageStatusChanged")[-1]["cause"] == "listed"


@pytest.mark.parametrize("lane", ["reply", "bulk"])
def test_what_the_provider_has_not_goes_again_in_its_lane(
    app: ModuleType, desk: Desk, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    message_id = uncertain(lane=lane)
    told(monkeypatch, lambda *asked: None)
    assert app.handler({}, Context(LONG))["sends"] == {"settled": 0, "untaken": 1, "unsettled": 0}
    assert desk.state(message_id) == "queued"
    assert desk.turn(lane) is None
    assert desk.state(message_id) == "sending"


def test_what_has_run_out_of_time_meanwhile_is_not_sent_late(
    app: ModuleType, desk: Desk, rows: Rows, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = uncertain()
    rows("update sends set expires_at = now()")
    told(monkeypatch, lambda *asked: None)
    app.handler({}, Context(LONG))
    assert desk.state(message_id) == "expired"
    with pytest.raises(LookupError):
        desk.turn()


def test_a_turn_that_cannot_be_queued_is_left_to_the_sweep(
    app: ModuleType, desk: Desk, rows: Rows, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = uncertain()
    told(monkeypatch, lambda *asked: None)
    monkeypatch.setattr(app.queue, "put_quietly", lambda *turns: [])
    app.handler({}, Context(LONG))
    assert desk.state(message_id) == "queued"
    assert rows("select due_at <= now() + interval '1 minute' from sends") == [(True,)]


@pytest.mark.parametrize("error", [ListingFailed("it is away"), KeyError("+5511987600001")])
def test_what_cannot_be_told_is_asked_for_later_and_ever_more_rarely(
    app: ModuleType,
    desk: Desk,
    rows: Rows,
    uncertain: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    asked: list[str] = []

    def away(message: Any, *more: object) -> None:
        asked.append(message.id)
        raise error

    message_id = uncertain()
    told(monkeypatch, away)
    pauses = []
    for _ in range(3):
        rows("update sends set due_at = now()")
        assert app.handler({}, Context(LONG))["sends"] == {"settled": 0, "untaken": 0, "unsettled": 1}
        pauses += [minutes for (minutes,) in rows("select round(extract(epoch from due_at - now()) / 60) from sends")]
    assert pauses == [2, 4, 8]
    assert desk.state(message_id) == "uncertain"
    assert app.handler({}, Context(LONG))["sends"]["unsettled"] == 0, "it is not due"
    assert asked == [message_id] * 3
    assert "+5511987600001" not in capsys.readouterr().out


def test_a_provider_is_asked_for_the_time_of_the_send_with_what_is_known_to_be_others(
    app: ModuleType, desk: Desk, rows: Rows, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = desk.accept(desk.customer("twilio"))
    rows("update kommo_messages set provider_message_id = 'SM-other' where id = %s", other)
    uncertain(minutes=10)
    seen: list[Any] = []

    def find(message: Any, since: datetime, until: datetime, secrets: Any, http: Any, known: Any) -> None:
        seen.extend((message.content, since, until, known(["SM-other", "SM-new"])))

    told(monkeypatch, find)
    app.handler({}, Context(LONG))
    content, since, until, others = seen
    assert content == {"type": "text", "body": "an answer"}
    assert timedelta(minutes=10) <= datetime.now(UTC) - since <= timedelta(minutes=11)
    assert datetime.now(UTC) - until < timedelta(seconds=10)
    assert others == {"SM-other"}


def test_several_are_settled_in_one_run_each_by_itself(
    app: ModuleType, desk: Desk, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        uncertain(text=str(number))
    found = {str(number): Receipt(f"SM{number}") for number in range(0, 12, 2)}

    def find(message: Any, *more: object) -> Receipt | None:
        body = message.content["body"]
        if body in ("3", "5"):
            raise ListingFailed("several messages could be this one")
        return found.get(body)

    told(monkeypatch, find)
    assert app.handler({}, Context(LONG))["sends"] == {"settled": 6, "untaken": 4, "unsettled": 2}


def test_what_is_told_by_a_status_meanwhile_stays_so(
    app: ModuleType, desk: Desk, rows: Rows, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = uncertain()

    def find(*asked: object) -> None:
        rows("select move_message_v2(%s, 'delivered', now(), 'provider', null, null)", message_id)

    told(monkeypatch, find)
    app.handler({}, Context(LONG))
    assert desk.state(message_id) == "delivered"
    with pytest.raises(LookupError):
        desk.turn()


def test_nobody_is_asked_before_the_status_had_its_time(
    app: ModuleType, desk: Desk, rows: Rows, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uncertain()
    rows("update sends set due_at = now() + interval '1 minute'")
    told(monkeypatch, lambda *asked: pytest.fail("asked too early"))
    assert app.handler({}, Context(LONG))["sends"] == {"settled": 0, "untaken": 0, "unsettled": 0}


def test_nobody_is_asked_without_time_for_the_answer(
    app: ModuleType, desk: Desk, rows: Rows, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uncertain()
    told(monkeypatch, lambda *asked: pytest.fail("asked too late"))
    assert app.handler({}, Context(20_000))["sends"] == {"settled": 0, "untaken": 0, "unsettled": 0}
    assert rows("select asked from sends") == [(0,)]


@pytest.mark.parametrize("without", ["variable", "credentials"])
def test_a_provider_that_is_not_set_up_is_passed_by_and_the_others_are_asked(
    load: Load,
    desk: Desk,
    uncertain: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    without: str,
) -> None:
    monkeypatch.setenv("RECONCILE_PROVIDERS", "")
    uncertain("kommo")
    uncertain("twilio")
    told(monkeypatch, lambda *asked: None)
    if without == "variable":
        monkeypatch.delenv("KOMMO_SECRET_ID")
    else:
        boto3.client("secretsmanager").put_secret_value(SecretId="kommo", SecretString="{}")
    assert load("reconcile").handler({}, Context(LONG))["sends"]["untaken"] == 1
    assert "WARNING" not in capsys.readouterr().out


def test_a_database_that_is_away_fails_the_run(
    app: ModuleType, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: object) -> None:
        raise StorageUnavailable("the database did not answer")

    monkeypatch.setattr(app, "claim_unsettled", away)
    with pytest.raises(StorageUnavailable):
        app.handler({}, Context(LONG))


def test_settling_goes_on_where_listing_failed(
    load: Load, desk: Desk, uncertain: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILE_PROVIDERS", "meta")
    uncertain()
    told(monkeypatch, lambda *asked: None)
    run = load("reconcile").handler({}, Context(LONG))
    assert run["meta"]["failed"] == NotConfigured.code
    assert run["sends"]["untaken"] == 1


@pytest.fixture
def twilio_lists(monkeypatch: pytest.MonkeyPatch, aws: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    """What Twilio on loopback lists as sent."""
    messages: list[dict[str, Any]] = []

    class Handler(Quiet):
        def do_GET(self) -> None:
            body = json.dumps({"messages": messages, "next_page_uri": None}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as origin:
        monkeypatch.setenv("RECONCILE_PROVIDERS", "")
        monkeypatch.setenv("SIMULATOR_URL", origin)
        yield messages


@pytest.mark.parametrize("taken", [True, False])
def test_twilio_is_really_asked(
    desk: Desk,
    rows: Rows,
    uncertain: Callable[..., str],
    twilio_lists: list[dict[str, Any]],
    load: Load,
    taken: bool,
) -> None:
    message_id = uncertain(text="¿Llegó?")
    ((phone,),) = rows("select phone from kommo_conversations")
    created = format_datetime(datetime.now(UTC) - timedelta(minutes=5))
    twilio_lists.append(
        {
            "sid": "SM" + "9" * 32,
            "account_sid": ACCOUNT,
            "direction": "outbound-api",
            "from": "whatsapp:+14155238886",
            "to": f"whatsapp:{phone}",
            "body": "¿Llegó?" if taken else "something else",
            "num_media": "0",
            "date_created": created,
            "date_sent": created,
        }
    )
    assert load("reconcile").handler({}, Context(LONG))["sends"]["settled" if taken else "untaken"] == 1
    assert desk.state(message_id) == ("sending" if taken else "queued")
