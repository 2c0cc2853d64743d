"""Addresses of ours and pairs of them with customers: how fast they are sent from, slowed down, stopped and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest

from tests.functions.sending import STATE, Desk, Peer, pace
from ventana.providers.base import Pace
from ventana.schema.dispatch import BUSY, CROWDED, Claim

Rows = Callable[..., list[tuple[Any, ...]]]

NO_TOKEN = {
    "twilio": (401, {"code": 20003, "message": "Authenticate", "status": 401}),
    "meta": (400, {"error": {"code": 190, "message": "expired"}}),
    "kommo": (401, {}),
}


def test_one_customer_gets_so_many_at_once_and_then_one_at_a_time(
    desk: Desk, peer: Peer, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """joel #133: a pair of addresses may be sent to far less often than a number may send."""
    pace(desk, monkeypatch, Pace(messages_per_second=1000, pair_seconds=30, pair_burst=2))
    one, other = desk.customer("meta"), desk.customer("meta")
    messages = [desk.accept(one, text) for text in ("one", "two", "three")]
    assert desk.deliver(messages[2]) == messages[2]
    assert peer.sent() == ["one", "two"]
    assert 28 <= desk.delays[-1][1] <= 30
    assert desk.deliver(desk.accept(other, "hello")) is None, "and nobody waits for them"
    rows("update send_pairs set free_at = now() + interval '30 seconds' returning 1")
    desk.time_passes()
    assert desk.turn() is None
    assert peer.sent() == ["one", "two", "hello", "three"]


@pytest.mark.parametrize("own", [False, True])
def test_an_address_sends_no_faster_than_it_may(
    desk: Desk, peer: Peer, rows: Rows, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """By its provider's pace, or its own, which an operator has set: check-api PR #1679."""
    if not own:
        pace(desk, monkeypatch, Pace(messages_per_second=0.1))
    else:
        rows("insert into business_addresses (provider, address, messages_per_second) values ('meta', '1065', 0.1)")
    first, second, elsewhere = (desk.accept(desk.customer(provider)) for provider in ("meta", "meta", "twilio"))
    assert desk.deliver(first) is None
    assert desk.deliver(second) == second
    assert desk.delays in ([("reply", 11)], [("reply", 12)]), "nine tenths of it, evenly"
    assert desk.deliver(elsewhere) is None, "other addresses go on"
    desk.time_passes()
    assert desk.turn() is None
    assert desk.states(first, second) == ["sending", "sending"]


def test_pace_is_kept_by_waiting_here_where_the_wait_is_short(
    desk: Desk, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace(desk, monkeypatch, Pace(messages_per_second=20))
    conversation = desk.customer("meta")
    messages = [desk.accept(conversation, str(number)) for number in range(6)]
    assert desk.deliver(messages[-1]) is None
    assert peer.sent() == [str(number) for number in range(6)]
    assert desk.delays == []


class Crowd:
    """An address whose every free moment others have just used up, for so many looks."""

    def __init__(self, desk: Desk, looks: int) -> None:
        self._claim, self._looks, self.left = desk.app.claim_outbound, looks, looks

    def __call__(self, *arguments: Any) -> Any:
        if not self.left:
            return self._claim(*arguments)
        self.left -= 1
        nothing = dict.fromkeys(Claim.__dataclass_fields__)
        return Claim(**{**nothing, "outcome": "wait", "reason": CROWDED, "wait_seconds": 0.01})  # type: ignore[arg-type]


def test_a_reply_in_a_crowd_leaves_its_sender_to_other_addresses(
    desk: Desk, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise whoever answers from another address waits until the crowd of this one has gone."""
    monkeypatch.setattr(desk.app, "claim_outbound", crowd := Crowd(desk, 10))
    message_id = desk.accept(desk.customer())
    assert desk.deliver(message_id) == message_id
    assert crowd.left == 7, "two waits here, and the third in the queue"
    desk.time_passes()
    assert desk.turn(receives=4) == message_id
    first, later = (seconds for _, seconds in desk.delays)
    assert 1 <= first <= 2 < later <= 16
    crowd.left = 0
    desk.time_passes()
    assert desk.turn() is None


def test_a_bulk_send_in_a_crowd_waits_where_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.app, "claim_outbound", Crowd(desk, 10))
    assert desk.deliver(desk.accept(desk.customer(), lane="bulk"), "bulk") is None
    assert desk.delays == []


def test_the_reasons_to_wait_are_those_that_the_sender_knows(
    desk: Desk, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace(desk, monkeypatch, Pace(messages_per_second=0.1))
    first, second = desk.accept(desk.customer()), desk.accept(desk.customer())
    app = desk.app

    def look(message_id: str) -> Any:
        return app.claim_outbound(app.database, message_id, "reply", app.PACES, timedelta(1), timedelta(0))

    assert look(first).outcome == "claimed"
    assert (look(first).reason, look(second).reason) == (BUSY, CROWDED)


def test_a_throttled_address_slows_down_ever_more_and_recovers(desk: Desk, peer: Peer, rows: Rows) -> None:
    peer.answer = (400, {"error": {"code": 130429, "message": "rate"}})
    slowed = "select throttles, slowed_until is not null from business_addresses"
    first, second = desk.accept(desk.customer("meta")), desk.accept(desk.customer("meta"))
    desk.app.WAITED_FOR_SECONDS = 0.0
    assert desk.deliver(first) == first
    assert rows(slowed) == [(1, True)]
    assert desk.deliver(second) == second, "others from there wait as well"
    assert len(peer.requests) == 1
    desk.time_passes()
    assert {desk.turn(), desk.turn()} == {first, second}
    assert rows("select throttles >= 2, slowed_until - now() > interval '1 second' from business_addresses") == [
        (True, True)
    ]
    peer.answer = None
    desk.time_passes()
    assert [desk.turn(), desk.turn()] == [None, None]
    assert rows("select throttles, slowed_until from business_addresses") == [(0, None)]


@pytest.mark.parametrize("provider", ["twilio", "meta", "kommo"])
def test_an_account_that_is_not_in_order_stops_the_address_and_burns_no_message(
    desk: Desk, peer: Peer, rows: Rows, capsys: pytest.CaptureFixture[str], provider: str
) -> None:
    peer.answer = NO_TOKEN[provider]
    first, second = desk.accept(desk.customer(provider)), desk.accept(desk.customer(provider))
    for _ in range(12):
        desk.time_passes()
        desk.deliver(first)
        desk.forget_turns()
    desk.deliver(second)
    assert len(peer.requests) == 12
    assert desk.states(first, second) == ["queued", "accepted"]
    assert rows("select max(attempts) from sends") == [(0,)], "a broken account is no attempt"
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line["provider"] for line in said if line.get("message") == "address_stopped"] == [provider]
    assert [event["business_address"] for event in desk.events("AddressStopped")] == [
        rows("select address from business_addresses")[0][0]
    ]

    peer.answer = None
    desk.time_passes()
    assert desk.deliver(first) is None
    assert desk.deliver(second) is None
    assert rows("select stopped_at, stopped_code, probe_at, probes from business_addresses") == [(None, None, None, 0)]
    assert [event["by"] for event in desk.events("AddressResumed")] == ["probe"]


def test_one_message_probes_while_the_others_wait(desk: Desk, peer: Peer, rows: Rows) -> None:
    peer.answer = NO_TOKEN["meta"]
    messages = [desk.accept(desk.customer("meta")) for _ in range(4)]
    for message_id in messages:
        assert desk.deliver(message_id) == message_id
    assert len(peer.requests) == 1
    desk.time_passes()
    for _ in messages:
        desk.turn()
    assert len(peer.requests) == 2


def test_an_address_that_is_stopped_for_long_leaves_its_messages_to_the_sweep(
    desk: Desk, peer: Peer, rows: Rows
) -> None:
    message_id = desk.accept(desk.customer("meta"))
    rows(
        "insert into business_addresses (provider, address, stopped_at, probe_at, probes)"
        " values ('meta', '1065', now(), now() + interval '15 minutes', 7)"
    )
    assert desk.deliver(message_id) is None
    assert (desk.state(message_id), peer.requests, desk.delays) == ("accepted", [], [])
    rows("select resume_address_v1('meta', '1065', 'operator', now())")
    assert rows("select due_at <= now() from sends") == [(True,)], "and are due at once when somebody resumes it"


def test_credentials_that_are_missing_stop_the_address(desk: Desk, peer: Peer, rows: Rows) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="meta", SecretString="{}")
    message_id = desk.accept(desk.customer("meta"))
    assert desk.deliver(message_id) == message_id
    assert rows("select stopped_at is not null, stopped_code from business_addresses") == [(True, "misconfigured")]
    assert rows(STATE, message_id) == [("queued", None, "misconfigured")]


def test_a_stopped_address_is_counted_once(desk: Desk, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    monkeypatch.setattr(desk.app, "count", lambda name, value=1: counted.append(name))
    peer.answer = NO_TOKEN["meta"]
    message_id = desk.accept(desk.customer("meta"))
    for _ in range(3):
        desk.deliver(message_id)
        desk.forget_turns()
        desk.time_passes()
    assert counted.count("AddressesStopped") == 1
    assert counted.count("SendMisconfigured") == 3
