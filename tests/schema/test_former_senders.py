"""While a new version is deployed, the former one is at work beside it: nothing goes twice, nor in the wrong order."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    DAY,
    HOUR,
    LEASE,
    MARGIN,
    MINUTE,
    NOW,
    SECOND,
    TEMPLATE,
    answer,
    claim,
    claimed,
    conversation,
    phase_of,
    report,
    sent,
    state_of,
    status_of,
    text,
    unsent,
)
from ventana.errors import Unreachable
from ventana.schema.connection import Database
from ventana.schema.settle import claim_unsettled, settle_message
from ventana.schema.windows import sweep_sends

# The former version is connected as the owner, as `rows` is.


def accept_formerly(database: Database, to: str, *, at: datetime = NOW) -> str:
    message_id = str(uuid4())
    query = "select outcome from accept_outbound_v1(%s, %s, null, null, 'text', 'an answer', %s, %s)"
    assert rows(database, query, message_id, to, MARGIN, at) == [("accepted",)]
    return message_id


def claim_formerly(database: Database, message_id: str, at: datetime = NOW) -> tuple[Any, ...]:
    query = "select outcome, content from claim_outbound_v1(%s, %s, %s, %s)"
    return rows(database, query, message_id, LEASE, MARGIN, at)[0]


def finish_formerly(database: Database, message_id: str, how: str, at: datetime = NOW) -> Any:
    if how == "sent":
        query = "select finish_sent_v1(%s, %s, 'sending', %s)"
        return rows(database, query, message_id, f"out-{message_id}", at)[0][0]
    query = "select finish_unsent_v1(%s, %s, 'code', 'why', false, 5, %s)"
    return rows(database, query, message_id, how, at)[0][0]


def test_what_was_accepted_formerly_is_claimed_now(shared: Database) -> None:
    """In the order of acceptance, by whichever version."""
    ana = conversation(shared)
    acceptors = [accept_formerly, accept_formerly, answer, accept_formerly, answer]
    ids = [accept(shared, ana, at=NOW + number * SECOND) for number, accept in enumerate(acceptors)]
    at = [NOW + number * SECOND for number in (10, 11, 12, 13)]
    for message_id in ids:
        first = claim(shared, ids[-1], at[0])
        assert (first.message_id, first.content, first.attempts) == (message_id, text(), 1)
        assert claim_formerly(shared, message_id, at[1]) == ("leased", None)
        assert sent(shared, message_id, at[2]) == "sending"
        assert claim_formerly(shared, message_id, at[3])[0] == "done"


def test_a_former_sender_takes_plain_texts_that_are_next(shared: Database) -> None:
    ana = conversation(shared)
    ids = [answer(shared, ana), answer(shared, ana)]
    assert claim_formerly(shared, ids[1]) == ("leased", None), "not before its turn"
    assert claim_formerly(shared, ids[0]) == ("claimed", "an answer")
    busy = claim(shared, ids[1], NOW + SECOND)
    assert (busy.reason, busy.wait_seconds) == ("another sender is at it", 59.0)
    assert finish_formerly(shared, ids[0], "sent") == "sending"
    assert claim(shared, ids[1]).message_id == ids[1]
    assert phase_of(shared, ids[0]) is None


@pytest.mark.parametrize(
    "what",
    [
        {"send_at": NOW + HOUR},
        {"content": TEMPLATE},
        {"content": {"type": "image", "link": "https://example.com/a.png", "caption": "an answer"}},
        {"at": NOW + 25 * HOUR, "if_window_closed": "template", "fallback": TEMPLATE},
    ],
)
def test_a_former_sender_leaves_what_it_would_send_wrongly(shared: Database, what: dict[str, Any]) -> None:
    change = {**what}
    content = change.pop("content", text())
    message_id = answer(shared, conversation(shared), content, **change)
    assert claim_formerly(shared, message_id, change.get("at", NOW)) == ("leased", None)
    assert status_of(shared, message_id) == "accepted"


def test_a_former_sender_leaves_what_is_to_wait(shared: Database) -> None:
    message_id = claimed(shared, answer(shared, conversation(shared)))
    unsent(shared, message_id, Unreachable("away"), wait=10 * SECOND)
    assert claim_formerly(shared, message_id, NOW + 9 * SECOND)[0] == "leased"
    assert claim_formerly(shared, message_id, NOW + 10 * SECOND)[0] == "claimed"
    assert claim(shared, message_id, NOW + 11 * SECOND).wait_seconds == 59.0


@pytest.mark.parametrize("sweep_first", [False, True])
@pytest.mark.parametrize(
    ("how", "status", "phase"),
    [
        ("sent", "sending", None),
        ("failed", "failed", "over"),
        ("retry", "queued", "ready"),
        ("uncertain", "uncertain", "uncertain"),
        ("nothing", "uncertain", "uncertain"),
    ],
)
def test_what_a_former_sender_did_is_followed(
    database: Database, sweep_first: bool, how: str, status: str, phase: str | None
) -> None:
    """Whoever looks first, a sender or the sweep, and whether or not one looked while it was being sent."""
    message_id = answer(database, conversation(database), expires_in=3 * DAY)
    claim_formerly(database, message_id)
    if sweep_first:
        assert sweep_sends(database, 10, NOW + 30 * SECOND) == []
        assert [each.outcome for each in sweep_sends(database, 10, NOW + MINUTE)] == []
        assert state_of(database, message_id) == ("sending", "sending")
    else:
        assert claim(database, message_id, NOW + SECOND).reason == "another sender is at it"
    if how != "nothing":
        finish_formerly(database, message_id, how, NOW + 59 * SECOND)
    at = NOW + 2 * MINUTE
    swept = [each.outcome for each in sweep_sends(database, 10, at)] if sweep_first else []
    if how == "retry":
        if sweep_first:
            assert swept + [each.outcome for each in sweep_sends(database, 10, at)] == ["turn"]
        assert claim(database, message_id, at).message_id == message_id
        return
    assert claim(database, message_id, at).outcome == "done"
    assert (status_of(database, message_id), phase_of(database, message_id)) == (status, phase)
    if phase == "uncertain":
        assert [each.message_id for each in claim_unsettled(database, "twilio", 5, at + HOUR)] == [message_id]
        assert settle_message(database, message_id, "untaken", "desk", now=at + HOUR).status == "queued"
        assert claim(database, message_id, at + HOUR).message_id == message_id


def test_a_lease_that_a_former_sender_got_again_counts(shared: Database) -> None:
    message_id = answer(shared, conversation(shared))
    claim_formerly(shared, message_id)
    claim(shared, message_id, NOW + SECOND)
    finish_formerly(shared, message_id, "retry", NOW + 50 * SECOND)
    assert claim_formerly(shared, message_id, NOW + 50 * SECOND)[0] == "claimed"
    assert claim(shared, message_id, NOW + 70 * SECOND).wait_seconds == 40.0


@pytest.mark.parametrize("accepted_by", ["former", "present"])
def test_both_versions_at_once_claim_once(database: Database, at_once: AtOnce, accepted_by: str) -> None:
    for _ in range(10):
        ana = conversation(database)
        message_id = accept_formerly(database, ana) if accepted_by == "former" else answer(database, ana)

        def now(own: Database, message_id: str = message_id) -> str:
            return claim(own, message_id).outcome

        def formerly(own: Database, message_id: str = message_id) -> str:
            return str(claim_formerly(own, message_id)[0])

        assert sorted(at_once([now, formerly] * 2)).count("claimed") == 1


@pytest.mark.parametrize("forgotten", [False, True])
def test_the_sweep_takes_up_what_was_accepted_formerly(database: Database, forgotten: bool) -> None:
    """In its order, without touching what a former sender is at; also what was accepted in the moment of deployment."""
    ana = conversation(database)
    ids = [accept_formerly(database, ana, at=NOW + number * SECOND) for number in range(6)]
    if forgotten:
        rows(database, "delete from sends")
    claim_formerly(database, ids[0], NOW + 90 * SECOND)
    assert sweep_sends(database, 4, NOW + 30 * SECOND) == []
    first = sweep_sends(database, 4, NOW + 2 * MINUTE)
    assert len(first) == (0 if forgotten else 3), "what was forgotten is found, and due in a minute"
    swept = first + [each for _ in range(3) for each in sweep_sends(database, 4, NOW + 3 * MINUTE)]
    assert [(each.message_id, each.outcome) for each in swept if each.outcome == "turn"] == [
        (each, "turn") for each in ids[1:]
    ]


def test_an_uncertain_send_of_the_former_version_can_be_settled(shared: Database) -> None:
    message_id = accept_formerly(shared, conversation(shared))
    claim_formerly(shared, message_id)
    finish_formerly(shared, message_id, "uncertain")
    assert phase_of(shared, message_id) == "ready"
    found = settle_message(shared, message_id, "untaken", "desk", now=NOW + MINUTE)
    assert (found.outcome, found.status, found.lane) == ("settled", "queued", "reply")
    assert claim(shared, message_id, NOW + MINUTE).message_id == message_id


def test_what_a_former_sender_learned_too_late_is_not_sent_again(shared: Database) -> None:
    """It writes the provider's id to a message that has become uncertain meanwhile, and leaves it so."""
    message_id = answer(shared, conversation(shared))
    claim_formerly(shared, message_id)
    assert claim(shared, message_id, NOW + 2 * MINUTE).outcome == "done"
    assert finish_formerly(shared, message_id, "sent", NOW + 3 * MINUTE) == "uncertain"
    found = settle_message(shared, message_id, "untaken", "ana", now=NOW + HOUR)
    assert (found.outcome, found.status) == ("not_uncertain", "uncertain")
    report(shared, message_id, "delivered", NOW + HOUR)
    assert state_of(shared, message_id) == ("delivered", None)
