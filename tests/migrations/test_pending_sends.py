"""Answers that are on their way when a migration comes, or goes, arrive once, in order, and as what they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from ventana.content import Content, Template
from ventana.errors import Uncertain, Unreachable
from ventana.messages import Customer, InboundMessage, Receipt
from ventana.providers.base import Pace
from ventana.schema.connection import Database
from ventana.schema.dispatch import claim_outbound, finish_sent, finish_unsent, paces_json
from ventana.schema.inbound import as_json, dumped, record_inbound
from ventana.schema.lifecycle import change_conversation, conversation_history
from ventana.schema.migrate import FOLDER, load, run
from ventana.schema.outbound import OutboundRequest, Part, accept_outbound
from ventana.schema.settle import cancel_message, claim_unsettled
from ventana.schema.windows import sweep_sends
from ventana.settings import Settings

FORMER = "20261122_07_reconcile"
VERSIONS = [migration.version for migration in load(FOLDER)]
PRESENT = VERSIONS[VERSIONS.index(FORMER) + 1 :]
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TEMPLATE: Template = {"type": "template", "content_sid": "HX1"}


def migrate(action: str, dsn: str, to: str | None = None) -> None:
    run(action, dsn, to=to, say=lambda line: None)


@pytest.fixture
def former(empty_database: str) -> str:
    """DSN of a database of the former version, in which a customer wrote at NOW."""
    migrate("up", empty_database, FORMER)
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            "insert into kommo_conversations (provider, phone, business_address, last_user_message_at)"
            " values ('twilio', '+5511', '+1', %s)",
            [NOW],
        )
    return empty_database


@pytest.fixture
def database(former: str) -> Iterator[Database]:
    opened = Database(Settings(database_url=former))
    yield opened
    opened.close()


def rows(dsn: str, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def accept_formerly(dsn: str, at: datetime, number: str | None = None) -> str:
    message_id = str(uuid4())
    query = "select outcome from accept_outbound_v1(%s, null, 'twilio', '+5511', 'text', %s, '0', %s)"
    assert rows(dsn, query, message_id, number or message_id, at) == [("accepted",)]
    return message_id


def claim_formerly(dsn: str, message_id: str, at: datetime) -> tuple[Any, ...]:
    return rows(dsn, "select outcome, content from claim_outbound_v1(%s, '1 minute', '0', %s)", message_id, at)[0]


def accept(database: Database, at: datetime, content: Content | None = None, **changes: Any) -> str:
    part = Part(str(uuid4()), content or {"type": "text", "body": "an answer"})
    what = {"caller": "desk", "provider": "twilio", "to": "+5511", **changes}
    return accept_outbound(database, OutboundRequest([part], **what), timedelta(0), at).message_ids[0]


def claim(database: Database, message_id: str, at: datetime) -> Any:
    return claim_outbound(database, message_id, "reply", paces_json({"twilio": Pace(100_000)}), MINUTE, MINUTE, at)


def status_of(dsn: str, message_id: str) -> str:
    return str(rows(dsn, "select delivery_status from kommo_messages where id = %s", message_id)[0][0])


def in_every_state(dsn: str) -> dict[str, str]:
    """A message in each state that the former version knows, each accepted a second after the one before."""
    states = ("taken", "failed", "dead", "uncertain", "sending", "again", "queued", "first", "second", "third")
    found = {state: accept_formerly(dsn, NOW + number * SECOND) for number, state in enumerate(states)}
    for state in ("taken", "failed", "dead", "uncertain", "sending", "again"):
        at = NOW + (HOUR if state == "sending" else 10 * SECOND)
        assert claim_formerly(dsn, found[state], at)[0] == "claimed"
    rows(dsn, "select finish_sent_v1(%s, 'SM1', 'sending', %s)", found["taken"], NOW + 11 * SECOND)
    for state, how in (("failed", "failed"), ("uncertain", "uncertain"), ("again", "retry")):
        query = "select finish_unsent_v1(%s, %s, 'code', 'why', false, 5, %s)"
        rows(dsn, query, found[state], how, NOW + 11 * SECOND)
    rows(dsn, "update kommo_messages set delivery_status = 'queued' where id = %s", found["queued"])
    return found


def test_what_is_on_its_way_is_taken_over(former: str, database: Database) -> None:
    found = in_every_state(former)
    migrate("up", former)
    assert dict(rows(former, "select message_id::text, phase from sends")) == {
        found["dead"]: "sending",
        found["uncertain"]: "uncertain",
        found["sending"]: "sending",
        **{found[state]: "ready" for state in ("again", "queued", "first", "second", "third")},
    }
    at = NOW + HOUR + SECOND
    assert claim(database, found["third"], at).reason == "another sender is at it", "the one that is being sent"
    assert status_of(former, found["dead"]) == "uncertain", "its sender had died"
    assert finish_sent(database, found["sending"], Receipt("SM2"), at) == "sending"
    for state in ("again", "queued", "first", "second", "third"):
        taken = claim(database, found["third"], at)
        assert (taken.message_id, taken.content) == (found[state], {"type": "text", "body": found[state]}), state
        finish_sent(database, found[state], Receipt(state), at)
    assert {each.message_id for each in claim_unsettled(database, "twilio", 9, at + HOUR)} == {
        found["dead"],
        found["uncertain"],
    }


@pytest.mark.parametrize("version", PRESENT)
def test_the_former_version_goes_on_beside_each_step(former: str, database: Database, version: str) -> None:
    """Accepting, claiming and finishing, before and after it; and nothing is lost when the last step is done."""
    before = accept_formerly(former, NOW)
    migrate("up", former, version)
    after = [accept_formerly(former, NOW + number * SECOND) for number in (1, 2)]
    assert claim_formerly(former, before, NOW + MINUTE) == ("claimed", before)
    assert rows(former, "select finish_sent_v1(%s, 'SM1', 'sending', %s)", before, NOW + MINUTE) == [("sending",)]
    migrate("up", former)
    for each in after:
        assert claim(database, after[-1], NOW + MINUTE).message_id == each
        finish_sent(database, each, Receipt(each), NOW + MINUTE)
    assert sweep_sends(database, 10, NOW + 2 * HOUR) == []
    assert rows(former, "select count(*) from sends") == [(0,)]


def test_a_database_without_any_message_is_taken_over(former: str) -> None:
    migrate("up", former)
    assert rows(former, "select count(*) from sends") == [(0,)]


def pending(database: Database) -> dict[str, str]:
    """A message in each state in which the present version may leave it."""
    found = {
        "lost": accept(database, NOW),
        "again": accept(database, NOW),
        "claimed": accept(database, NOW),
        "text": accept(database, NOW),
        "bulk": accept(database, NOW, lane="bulk", expires_in=3 * HOUR),
        "later": accept(database, NOW, send_at=NOW + 5 * HOUR),
        "held": accept(database, NOW + 25 * HOUR, if_window_closed="hold"),
        "template": accept(database, NOW, TEMPLATE),
        "instead": accept(database, NOW + 25 * HOUR, if_window_closed="template", fallback=TEMPLATE),
        "image": accept(database, NOW, {"type": "image", "link": "https://example.com/a.png", "caption": "look"}),
    }
    for state in ("lost", "again", "claimed"):
        rows_of = "update sends set send_order = -send_order where message_id = %s"
        database.value(f"with first as ({rows_of} returning 1) select count(*) from first", (found[state],))
        assert claim(database, found[state], NOW).message_id == found[state]
        if state == "lost":
            finish_unsent(database, found[state], Uncertain("lost"), SECOND, NOW)
        elif state == "again":
            finish_unsent(database, found[state], Unreachable("away"), SECOND, NOW)
            database.value(
                "update sends set send_order = -send_order where message_id = %s returning 1", (found[state],)
            )
    return found


CANCELLED = ("later", "held", "template", "instead", "image")


def test_the_former_version_goes_on_with_what_it_understands(former: str, database: Database) -> None:
    """Texts are sent by it; what it would send too early or as something else is cancelled, and told of."""
    migrate("up", former)
    found = pending(database)
    migrate("revert", former, FORMER)
    by_id = {message_id: state for state, message_id in found.items()}
    for state in CANCELLED:
        assert status_of(former, found[state]) == "cancelled", state
        assert claim_formerly(former, found[state], NOW + SECOND)[0] == "done", state
    told = "select detail ->> 'message_id' from events where detail ->> 'cause' = 'revert'"
    assert {by_id[row[0]] for row in rows(former, told)} == set(CANCELLED)
    steps = "select message_id::text from message_status_history where status = 'cancelled'"
    assert {by_id[row[0]] for row in rows(former, steps)} == set(CANCELLED)

    assert claim_formerly(former, found["claimed"], NOW + 59 * SECOND)[0] == "leased"
    stranded = "select message_id::text, outcome from rescue_sends_v1('1 minute', '30 minutes', 100, %s)"
    assert {by_id[each]: how for each, how in rows(former, stranded, NOW + HOUR)} == {
        "claimed": "uncertain",
        "again": "stranded",
        "text": "stranded",
        "bulk": "stranded",
    }
    for state in ("again", "text", "bulk"):
        assert claim_formerly(former, found[state], NOW + HOUR) == ("claimed", "an answer"), state
    query = "select finish_sent_v1(%s, 'SM1', 'sending', %s)"
    assert rows(former, query, found["lost"], NOW + HOUR) == [("uncertain",)]


def test_what_waited_during_a_revert_goes_on_after_it(former: str, database: Database) -> None:
    """In its order, before what was accepted meanwhile; what was sent or joined meanwhile is not what it was."""
    migrate("up", former)
    for _ in range(20):
        cancel_message(database, accept(database, NOW), "ana", NOW)
    found = pending(database)
    sent_formerly = accept(database, NOW)
    migrate("revert", former, FORMER)
    assert claim_formerly(former, sent_formerly, NOW)[0] == "claimed"
    rows(former, "select finish_sent_v1(%s, 'SM7', 'sending', %s)", sent_formerly, NOW)
    more = accept_formerly(former, NOW + SECOND)
    migrate("up", former)

    states = dict(rows(former, "select message_id::text, phase from sends where phase <> 'over'"))
    assert states == {
        found["claimed"]: "sending",
        found["lost"]: "uncertain",
        **{found[state]: "ready" for state in ("again", "text", "bulk")},
        more: "ready",
    }
    assert rows(former, "select count(*) from sends where phase = 'over'") == [(20,)]
    kept = "select lane, expires_at from sends where message_id = %s"
    assert rows(former, kept, found["bulk"]) == [("bulk", NOW + 3 * HOUR)]
    assert finish_sent(database, found["claimed"], Receipt("SM9"), NOW + SECOND) == "sending"
    last = accept(database, NOW + SECOND)
    went = []
    while (taken := claim(database, last, NOW + MINUTE)).message_id:
        went.append(taken.message_id)
        finish_sent(database, taken.message_id, Receipt(taken.message_id), NOW + MINUTE)
    assert went == [found["again"], found["text"], found["bulk"], more, last]


def test_customers_who_were_joined_during_a_revert(former: str, database: Database) -> None:
    """All that was kept of either is the one's."""
    migrate("up", former)
    other = Customer(user_id="BR.1")
    hello = InboundMessage("twilio", "+1", "SM1", other, "text", "hola", sent_at=NOW)
    recorded = record_inbound(database, [replace(hello, provider_message_id="SM2", business_address="+2"), hello], NOW)
    theirs = str(recorded[0].conversation_id)
    message_id = accept(database, NOW, to="BR.1")
    change_conversation(database, theirs, "note", "ana", {"body": "x"}, NOW)
    migrate("revert", former, FORMER)
    both = replace(hello, provider_message_id="SM3", customer=Customer(phone="+5511", user_id="BR.1"))
    ((joined,),) = rows(
        former, "select conversation_id::text from record_inbound_v1(%s::jsonb, %s)", dumped([as_json(both)]), NOW
    )
    assert joined != theirs
    migrate("up", former)
    assert [each.changed_by for each in conversation_history(database, joined)] == ["ana"]
    assert rows(former, "select conversation_id::text from sends where message_id = %s", message_id) == [(joined,)]
    assert claim(database, message_id, NOW + MINUTE).conversation_id == joined
    assert rows(
        former,
        "select count(*) from former_windows f join kommo_conversations c on c.id = f.conversation_id"
        " where c.business_address = f.business_address",
    ) == [(0,)]
