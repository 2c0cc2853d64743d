"""What a provider answered, or did not, is kept once: whoever is faster, and whatever happened to the lease."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import (
    MINUTE,
    NOW,
    SECOND,
    TEMPLATE,
    answer,
    claim,
    claimed,
    conversation,
    events_of,
    history_of,
    phase_of,
    report,
    sent,
    somebody,
    state_of,
    unsent,
    writes,
)
from ventana.errors import (
    BadContent,
    OptedOut,
    PairThrottled,
    Rejected,
    SendError,
    Throttled,
    Uncertain,
    Unreachable,
    WindowClosed,
    WindowShut,
)
from ventana.messages import Customer, InboundMessage, Receipt, StatusUpdate
from ventana.schema.connection import Database
from ventana.schema.dispatch import finish_sent
from ventana.schema.inbound import record_inbound
from ventana.schema.settle import settle_message


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (Unreachable("away"), ("queued", "ready"), "unreachable"),
        (Throttled("slower", "20429"), ("queued", "ready"), "20429"),
        (PairThrottled("slower", "131056"), ("queued", "ready"), "131056"),
        (Rejected("no such number", "63003"), ("failed", "over"), "63003"),
        (BadContent("too long"), ("failed", "over"), "content_refused"),
        (OptedOut("stop", "21610"), ("failed", "over"), "21610"),
        (WindowShut("shut", "63016"), ("failed", "over"), "63016"),
        (Uncertain("the answer was lost"), ("uncertain", "uncertain"), "uncertain"),
        (SendError("what is this"), ("failed", "over"), "send_failed"),
    ],
)
def test_what_was_not_taken_says_why(shared: Database, error: SendError, state: Any, code: str) -> None:
    message_id = claimed(shared, answer(shared, conversation(shared)))
    assert unsent(shared, message_id, error, NOW + SECOND).status == state[0]
    assert state_of(shared, message_id) == state
    found = rows(shared, "select error_code, error_text, lease_until from kommo_messages where id = %s", message_id)
    assert found == [(code, str(error), None)]
    steps = "select status, error_code from message_status_history where message_id = %s order by id"
    assert rows(shared, steps, message_id)[-1] == (state[0], code)
    told = [event for event in events_of(shared, "MessageStatusChanged") if event["message_id"] == message_id][-1]
    assert (told["status"], told["previous_status"], told["error_code"]) == (state[0], "sending", code)


@pytest.mark.parametrize(
    ("error", "tries"),
    [(Unreachable("away"), 8), (Throttled("slower"), 20), (PairThrottled("slower"), 20)],
)
def test_tries_end(shared: Database, error: SendError, tries: int) -> None:
    message_id = answer(shared, conversation(shared))
    at, found = NOW, []
    for _ in range(tries):
        at += 2 * MINUTE
        claimed(shared, message_id, at)
        found.append(unsent(shared, message_id, error, at).status)
    assert found == ["queued"] * (tries - 1) + ["failed"]
    assert history_of(shared, message_id).count(("sending", "sender")) == tries


def test_a_wish_that_the_provider_tells_of_is_remembered(shared: Database) -> None:
    ana = conversation(shared)
    unsent(shared, claimed(shared, answer(shared, ana)), OptedOut("stop", "21610"))
    assert rows(shared, "select opted_out_at, opted_out_by from kommo_conversations where id = %s", ana) == [
        (NOW, "twilio")
    ]


@pytest.mark.parametrize(
    ("policy", "state"),
    [("reject", ("failed", "over")), ("template", ("queued", "ready")), ("hold", ("held", "held"))],
)
def test_the_providers_word_shuts_the_window(shared: Database, policy: Any, state: Any) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    message_id = claimed(shared, answer(shared, ana, if_window_closed=policy, fallback=TEMPLATE))
    assert unsent(shared, message_id, WindowShut("shut", "63016"), NOW + SECOND).status == state[0]
    assert state_of(shared, message_id) == state
    with pytest.raises(WindowClosed):
        answer(shared, ana, at=NOW + SECOND)
    told = [event for event in events_of(shared, "WindowClosed") if event["conversation_id"] == ana]
    assert [(event["reason"], event["closed_at"][:19]) for event in told] == [
        ("provider", (NOW + SECOND).isoformat()[:19])
    ]
    if policy == "template":
        assert claim(shared, message_id, NOW + SECOND).content == TEMPLATE
        assert unsent(shared, message_id, WindowShut("shut", "63016"), NOW + SECOND).status == "failed", (
            "once is enough"
        )
    writes(shared, customer, at=NOW + MINUTE)
    assert answer(shared, ana, at=NOW + MINUTE)


def test_the_providers_word_about_an_old_message_leaves_a_new_window_open(shared: Database) -> None:
    customer = somebody()
    ana = conversation(shared, customer)
    message_id = claimed(shared, answer(shared, ana))
    writes(shared, customer, at=NOW + SECOND)
    unsent(shared, message_id, WindowShut("shut", "63016"), NOW + 2 * SECOND)
    assert answer(shared, ana, at=NOW + 2 * SECOND)


def test_taken_is_not_yet_sent(shared: Database) -> None:
    message_id = claimed(shared, answer(shared, conversation(shared)))
    assert sent(shared, message_id) == "sending"
    assert (phase_of(shared, message_id), claim(shared, message_id).outcome) == (None, "done")
    report(shared, message_id, "sent")
    report(shared, message_id, "read")
    assert history_of(shared, message_id)[1:] == [
        ("sending", "sender"),
        ("sent", "provider"),
        ("delivered", "provider"),
        ("read", "provider"),
    ]


@pytest.mark.parametrize("own_id", [False, True])
@pytest.mark.parametrize("status", ["sending", "sent", "delivered", "failed"])
def test_a_status_may_be_faster_than_the_providers_answer(shared: Database, status: Any, own_id: bool) -> None:
    message_id = claimed(shared, answer(shared, conversation(shared)))
    report(shared, message_id, status, own_id=own_id)
    if own_id:
        assert phase_of(shared, message_id) == ("over" if status == "failed" else None)
        assert claim(shared, message_id, NOW + MINUTE).outcome == "done"
    assert sent(shared, message_id) == status
    assert phase_of(shared, message_id) == ("over" if status == "failed" else None)
    assert rows(shared, "select provider_message_id from kommo_messages where id = %s", message_id) == [
        (f"out-{message_id}",)
    ]


@pytest.mark.parametrize("error", [Unreachable("away"), Rejected("no"), Uncertain("lost"), WindowShut("shut")])
def test_a_status_wins_over_what_the_sender_believes(shared: Database, error: SendError) -> None:
    ana = conversation(shared)
    message_id = claimed(shared, answer(shared, ana))
    report(shared, message_id, "sent", own_id=True)
    assert unsent(shared, message_id, error).status == "sent"
    assert state_of(shared, message_id) == ("sent", None)
    assert answer(shared, ana)


@pytest.mark.parametrize("status", ["sending", "sent"])
@pytest.mark.parametrize("error", [Unreachable("away"), Throttled("slower")])
def test_a_status_takes_back_into_line_what_was_wrongly_put_there(shared: Database, error: Any, status: Any) -> None:
    message_id = claimed(shared, answer(shared, conversation(shared)))
    assert unsent(shared, message_id, error).status == "queued"
    report(shared, message_id, status, own_id=True)
    assert state_of(shared, message_id) == (status, None)
    assert claim(shared, message_id, NOW + MINUTE).outcome == "done"


@pytest.mark.parametrize("then", ["taken", "not taken"])
def test_a_sender_whose_lease_is_over_may_still_know(shared: Database, then: str) -> None:
    message_id = claimed(shared, answer(shared, conversation(shared)))
    assert claim(shared, message_id, NOW + MINUTE).outcome == "done"
    if then == "taken":
        assert sent(shared, message_id, NOW + 2 * MINUTE) == "sending"
        assert phase_of(shared, message_id) is None
    else:
        assert unsent(shared, message_id, Unreachable("away"), NOW + 2 * MINUTE).status == "uncertain"
        assert phase_of(shared, message_id) == "uncertain"


def test_a_sender_who_comes_back_to_what_was_settled_meanwhile(shared: Database) -> None:
    """A person decided that it was not taken, and it was: it is in line no more."""
    message_id = claimed(shared, answer(shared, conversation(shared)))
    claim(shared, message_id, NOW + MINUTE)
    assert settle_message(shared, message_id, "untaken", "ana", now=NOW + MINUTE).status == "queued"
    assert sent(shared, message_id, NOW + 2 * MINUTE) == "sending"
    assert phase_of(shared, message_id) is None
    assert claim(shared, message_id, NOW + 2 * MINUTE).outcome == "done"


CHAT = Customer(chat_id="chat-1", talk_id="7")


def in_chat(database: Database, number: str, body: str = "an answer") -> tuple[str, InboundMessage]:
    """A claimed answer in a chat whose provider echoes what we send, and its echo."""
    chat = Customer(chat_id=f"chat-{number}", talk_id="7")
    incoming = InboundMessage("kommo", f"1{number}", f"in-{number}", chat, "text", "hola", sent_at=NOW)
    ana = str(record_inbound(database, [incoming], NOW)[0].conversation_id)
    echo = InboundMessage(
        "kommo", f"1{number}", f"out-{number}", chat, "text", body, role="assistant", sent_at=NOW + SECOND
    )
    return claimed(database, answer(database, ana)), echo


@pytest.mark.parametrize("order", ["echo first", "echo last", "echo apart", "twice"])
def test_an_echo_of_our_own_send_is_no_second_message(shared: Database, order: str) -> None:
    """Also one that could not be matched, because the provider changed the text, and that was reported on already."""
    message_id, echo = in_chat(shared, order, "an answer, trimmed" if order == "echo apart" else "an answer")
    if order != "echo last":
        found = record_inbound(shared, [echo], NOW + SECOND)[0].outcome
        assert found == ("recorded" if order == "echo apart" else "echo")
    if order == "echo apart":
        item = StatusUpdate("kommo", echo.business_address, echo.provider_message_id, "read", NOW + SECOND)
        assert record_inbound(shared, [item], NOW + SECOND)[0].outcome == "moved"
    status = finish_sent(shared, message_id, Receipt(echo.provider_message_id, "sent"), NOW + SECOND)
    assert status == ("read" if order == "echo apart" else "sent")
    for _ in range(2 if order == "twice" else 1):
        assert record_inbound(shared, [echo], NOW + SECOND)[0].outcome == "duplicate"
    query = "select id::text from kommo_messages where role = 'assistant' and business_address = %s"
    assert rows(shared, query, echo.business_address) == [(message_id,)]
    counts = "select message_count, bot_message_count from kommo_conversations where business_address = %s"
    assert rows(shared, counts, echo.business_address) == [(2, 1)]
    assert phase_of(shared, message_id) is None


def test_an_echo_settles_what_was_uncertain(shared: Database) -> None:
    message_id, echo = in_chat(shared, "uncertain")
    assert unsent(shared, message_id, Uncertain("lost")).status == "uncertain"
    assert record_inbound(shared, [echo], NOW + SECOND)[0].outcome == "echo"
    assert state_of(shared, message_id) == ("sent", None)


def test_a_status_and_the_answer_at_once(database: Database, at_once: AtOnce) -> None:
    for _ in range(12):
        message_id = claimed(database, answer(database, conversation(database)))

        def answered(own: Database, message_id: str = message_id) -> Any:
            return sent(own, message_id)

        def reported(own: Database, message_id: str = message_id) -> Any:
            return report(own, message_id, "delivered").outcome

        def failed(own: Database, message_id: str = message_id) -> Any:
            return report(own, message_id, "sent", own_id=True).outcome

        at_once([answered, reported, failed])
        assert state_of(database, message_id) == ("delivered", None)
    assert rows(database, "select count(*) from parked_statuses") == [(0,)]
