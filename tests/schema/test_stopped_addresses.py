"""An address whose provider refuses our account is left alone, but for one try now and then, and resumes by itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LEASE,
    MINUTE,
    NOW,
    SECOND,
    TEMPLATE,
    A,
    B,
    answer,
    claim,
    claimed,
    conversation,
    events_of,
    history_of,
    sent,
    state_of,
    text,
    unsent,
)
from ventana.errors import BadContent, Misconfigured, SendError, Uncertain, Unreachable
from ventana.schema.addresses import (
    BusinessAddress,
    count_stopped,
    find_address,
    list_addresses,
    resume_address,
    save_address,
)
from ventana.schema.connection import Database
from ventana.schema.windows import sweep_sends

REFUSED = Misconfigured("the token was revoked", "190")


def address(database: Database) -> BusinessAddress:
    found = find_address(database, "twilio", A)
    assert found
    return found


def answers(database: Database, number: int) -> list[str]:
    """For as many customers who wrote to A, so that none of them waits for another."""
    return [answer(database, conversation(database, to=A), expires_in=3 * DAY) for _ in range(number)]


def stop(database: Database, message_id: str, at: datetime = NOW) -> None:
    claimed(database, message_id, at)
    assert unsent(database, message_id, REFUSED, at).status == "queued"


def test_the_first_refusal_stops_the_address_and_says_so_once(database: Database) -> None:
    first, second, elsewhere = *answers(database, 2), answer(database, conversation(database, to=B))
    claimed(database, first)
    found = unsent(database, first, REFUSED)
    assert (found.status, found.stopped) == ("queued", True)
    assert address(database).stopped_at == NOW
    assert (address(database).stopped_code, address(database).stopped_text) == ("190", "the token was revoked")
    assert [(event["business_address"], event["error_code"]) for event in events_of(database, "AddressStopped")] == [
        (A, "190")
    ]
    waits = claim(database, second, NOW + SECOND)
    assert (waits.outcome, waits.reason, waits.wait_seconds) == ("wait", "the address is stopped", 14.0)
    claimed(database, elsewhere, NOW + SECOND)
    assert count_stopped(database) == 1
    assert rows(database, "select attempts from sends where message_id = %s", first) == [(0,)], "no try is used up"


def test_one_message_tries_again(database: Database, at_once: AtOnce) -> None:
    ids = answers(database, 9)
    stop(database, ids[0])
    at = NOW + 15 * SECOND
    found = at_once([lambda own, each=each: claim(own, each, at) for each in ids[1:]])  # type: ignore[misc]
    assert sorted(each.outcome for each in found) == ["claimed"] + ["wait"] * 7
    assert {each.wait_seconds for each in found if each.outcome == "wait"} == {5.0}, (
        "they look soon whether it got through"
    )
    assert claim(database, ids[0], at + LEASE - SECOND).wait_seconds == 1.0


def test_tries_become_rarer(database: Database) -> None:
    ids = answers(database, 2)
    stop(database, ids[0])
    at, waits = NOW, []
    for _ in range(9):
        waits.append(claim(database, ids[1], at).wait_seconds or 0)
        at += waits[-1] * SECOND
        claimed(database, ids[1], at)
        assert not unsent(database, ids[1], REFUSED, at).stopped
    assert waits == [15, 30, 60, 120, 240, 480, 900, 900, 900]
    assert len(events_of(database, "AddressStopped")) == 1
    assert address(database).stopped_at == NOW


def test_what_was_under_way_neither_stops_it_further_nor_lets_it_go_on(database: Database) -> None:
    ids = answers(database, 10)
    for each in ids[:9]:
        claimed(database, each)
    for number, each in enumerate(ids[:8]):
        assert unsent(database, each, REFUSED, NOW + SECOND).stopped == (number == 0)
    sent(database, ids[8], NOW + 2 * SECOND)
    assert claim(database, ids[9], NOW + 2 * SECOND).wait_seconds == 14.0
    assert address(database).stopped_at == NOW + SECOND


def test_a_success_lets_everything_go_on(database: Database) -> None:
    ids = answers(database, 4)
    for each in (ids[0], ids[1]):
        claimed(database, each)
    stop(database, ids[2])
    unsent(database, ids[0], REFUSED)
    unsent(database, ids[1], Unreachable("away"), wait=HOUR)
    rows(database, "update sends set due_at = %s", NOW + HOUR)
    at = NOW + 15 * SECOND
    claimed(database, ids[3], at)
    sent(database, ids[3], at + SECOND)
    assert (address(database).stopped_at, address(database).probe_at, count_stopped(database)) == (None, None, 0)
    assert [(event["by"], event["business_address"]) for event in events_of(database, "AddressResumed")] == [
        ("probe", A)
    ]
    swept = sweep_sends(database, 10, at + SECOND)
    assert sorted(each.message_id for each in swept) == sorted(ids[:3]), "who waited has a turn at once"
    for each in ids[:3]:
        claimed(database, each, at + SECOND)


@pytest.mark.parametrize("error", [BadContent("too long", "131009"), Uncertain("lost"), Unreachable("away")])
def test_a_try_that_proves_nothing_leaves_it_stopped(database: Database, error: SendError) -> None:
    ids = answers(database, 2)
    stop(database, ids[0])
    at = NOW + 15 * SECOND
    claimed(database, ids[1], at)
    unsent(database, ids[1], error, at + SECOND)
    assert address(database).stopped_at == NOW
    assert claim(database, ids[0], at + 59 * SECOND).wait_seconds == 1.0
    claimed(database, ids[0], at + MINUTE)


def test_an_operator_lets_it_go_on_at_once(database: Database) -> None:
    ids = answers(database, 2)
    stop(database, ids[0])
    claim(database, ids[1], NOW + SECOND)
    assert resume_address(database, "twilio", A, "ana", NOW + 2 * SECOND)
    assert not resume_address(database, "twilio", A, "ana", NOW + 2 * SECOND)
    assert not resume_address(database, "twilio", "+1", "ana", NOW + 2 * SECOND)
    for each in ids:
        claimed(database, each, NOW + 2 * SECOND)
    assert [event["by"] for event in events_of(database, "AddressResumed")] == ["ana"]
    assert unsent(database, ids[0], REFUSED, NOW + 3 * SECOND).stopped, "and stops again, should it have to"
    assert claim(database, ids[0], NOW + 3 * SECOND).wait_seconds == 15.0


def test_a_message_that_waits_for_its_address_keeps_its_tries_and_its_time(database: Database) -> None:
    ana = conversation(database, to=A)
    first, behind = answer(database, ana, expires_in=HOUR), answer(database, ana, expires_in=2 * MINUTE)
    stop(database, first)
    assert history_of(database, first)[-1] == ("queued", "retry")
    swept = {each.message_id: each.outcome for each in sweep_sends(database, 10, NOW + 2 * MINUTE)}
    assert swept == {behind: "expired"}, "though it never came to be the first"
    assert state_of(database, behind) == ("expired", "over")


def test_addresses_are_set_up_and_listed(database: Database) -> None:
    saved = save_address(database, "twilio", A, 0.5, TEMPLATE)
    assert (saved.messages_per_second, saved.fallback_template) == (0.5, TEMPLATE)
    save_address(database, "meta", "1065", None, None)
    stop(database, answers(database, 1)[0])
    assert save_address(database, "twilio", A, None, None).stopped_at == NOW, "what it is in stays"
    assert [(each.provider, each.address) for each in list_addresses(database)] == [("meta", "1065"), ("twilio", A)]
    assert find_address(database, "meta", A) is None
    assert address(database).fallback_template is None
    for wrong in (0, -1):
        with pytest.raises(Exception, match="23514"):
            save_address(database, "twilio", A, wrong, None)


def test_a_template_with_any_text_is_kept_whole(database: Database) -> None:
    odd: Any = {"type": "template", "name": "a\u0000b", "variables": {"1": "👋🏽 ¿qué? \\u0000"}}
    saved = save_address(database, "twilio", A, None, odd).fallback_template or {}
    assert saved["variables"] == odd["variables"]
    message = answer(database, conversation(database, to=A), text("x" * 70_000))
    assert claim(database, message).content == text("x" * 70_000)
