"""The sweep looks at the sends that are due: each gets a turn or its end, once, at a cost that follows what is due."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import pytest

from tests.schema.conftest import AtOnce, read_so_far
from tests.schema.sending import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    answer,
    claim,
    claimed,
    conversation,
    history_of,
    phase_of,
    report,
    sent,
    somebody,
    state_of,
    unsent,
    writes,
)
from ventana.errors import Rejected, Uncertain, Unreachable, WindowShut
from ventana.schema.connection import Database
from ventana.schema.dispatch import leave_outbound
from ventana.schema.settle import cancel_message, claim_unsettled, retry_message, settle_message
from ventana.schema.windows import forget, sweep_sends


def swept(database: Database, at: Any, limit: int = 100) -> list[tuple[str, str]]:
    return [(each.message_id, each.outcome) for each in sweep_sends(database, limit, at)]


@pytest.mark.parametrize(
    ("label", "seen", "state"),
    [
        ("accepted", [(60, "turn"), (60 + 30 * 60, "turn")], ("accepted", "ready")),
        ("queued", [(30 * 60, "turn"), (60 * 60, "turn")], ("queued", "ready")),
        ("scheduled", [(3600, "turn"), (3600 + 30 * 60, "turn")], ("accepted", "ready")),
        ("again", [(600 + 30 * 60, "turn")], ("queued", "ready")),
        ("left", [(900, "turn"), (900 + 30 * 60, "turn")], ("accepted", "ready")),
        ("short", [(30, "expired")], ("expired", "over")),
        ("brief", [(60, "turn"), (600, "expired")], ("expired", "over")),
        ("held", [(24 * 3600, "expired")], ("expired", "over")),
        ("sending", [(60, "uncertain")], ("uncertain", "uncertain")),
        ("sent", [], ("sending", None)),
        ("failed", [], ("failed", "over")),
        ("uncertain", [], ("uncertain", "uncertain")),
    ],
)
def test_what_becomes_of_each_and_when(database: Database, label: str, seen: list[Any], state: Any) -> None:
    """Not a second earlier, and not again before its time."""
    what: dict[str, Any] = {"expires_in": {"short": 30 * SECOND, "brief": 600 * SECOND}.get(label, DAY)}
    if label == "scheduled":
        what["send_at"] = NOW + HOUR
    if label == "held":
        what["if_window_closed"] = "hold"
    ana = conversation(database, at=NOW - DAY if label == "held" else NOW)
    message_id = answer(database, ana, **what)
    if label == "queued":
        database.value("select mark_queued_v1(array[%s::uuid], %s)", (message_id, NOW))
    elif label == "left":
        leave_outbound(database, message_id, 900 * SECOND, NOW)
    elif label in ("again", "sending", "sent", "failed", "uncertain"):
        claimed(database, message_id)
    if label == "sent":
        sent(database, message_id)
    elif label in ("again", "failed", "uncertain"):
        errors = {"again": Unreachable("away"), "failed": Rejected("no"), "uncertain": Uncertain("lost")}
        unsent(database, message_id, errors[label], wait=600 * SECOND)
    for after, outcome in seen:
        assert swept(database, NOW + (after - 1) * SECOND) == []
        assert swept(database, NOW + after * SECOND) == [(message_id, outcome)]
        assert swept(database, NOW + after * SECOND) == []
    if not seen:
        assert swept(database, NOW + 20 * DAY) == []
    assert state_of(database, message_id) == state


def test_everything_ends_in_the_end(database: Database) -> None:
    ana = conversation(database)
    ids = [answer(database, ana), answer(database, ana, send_at=NOW + HOUR)]
    ids.append(answer(database, conversation(database), at=NOW, if_window_closed="hold"))
    assert sorted(swept(database, NOW + 3 * DAY)) == sorted((each, "expired") for each in ids)
    assert history_of(database, ids[0]) == [("accepted", "api"), ("expired", "sweep")]
    assert forget(database, 100, NOW + 33 * DAY) == 0
    assert forget(database, 2, NOW + 33 * DAY + SECOND) == 2
    assert forget(database, 2, NOW + 33 * DAY + SECOND) == 1
    assert [phase_of(database, each) for each in ids] == [None] * 3


def test_what_a_sender_holds_is_passed_over(database: Database, connection: psycopg.Connection) -> None:
    """A sweep waits for nobody."""
    ids = [answer(database, conversation(database)) for _ in range(3)]
    with connection.transaction():
        connection.execute("select 1 from kommo_messages where id = %s for no key update", [ids[1]])
        found = swept(database, NOW + 2 * MINUTE)
    assert found == [(each, "turn") for each in (ids[0], ids[2])]
    assert swept(database, NOW + 2 * MINUTE) == [(ids[1], "turn")]


def test_sweeps_at_once_do_no_double_work_in_bounded_batches(database: Database, at_once: AtOnce) -> None:
    ids = [answer(database, conversation(database), expires_in=DAY if n % 3 else 30 * SECOND) for n in range(60)]
    for each in ids[1:60:3]:
        claimed(database, each)

    def sweep(own: Database) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for _ in range(12):
            batch = swept(own, NOW + MINUTE, 7)
            assert len(batch) <= 7
            found += batch
        return found

    found = [each for mine in at_once([sweep] * 4) for each in mine] + sweep(database)
    assert sorted(message_id for message_id, _ in found) == sorted(ids)
    assert [sum(outcome == each for _, outcome in found) for each in ("turn", "expired", "uncertain")] == [20] * 3


def test_sweeping_claiming_and_finishing_at_once(database: Database, at_once: AtOnce) -> None:
    """A lease that ends in this moment: whoever is first decides, and what was sent is not sent again."""
    ids = [answer(database, conversation(database)) for _ in range(30)]
    for each in ids:
        claimed(database, each)

    def finish(own: Database) -> None:
        for each in ids:
            sent(own, each, NOW + MINUTE)

    def sweep(own: Database) -> None:
        for _ in range(10):
            sweep_sends(own, 10, NOW + MINUTE)

    def turn(own: Database) -> None:
        for each in ids:
            assert claim(own, each, NOW + MINUTE).outcome == "done"

    at_once([finish, sweep, turn, turn])
    assert {state_of(database, each) for each in ids} == {("sending", None)}


FILL: LiteralString = """
insert into kommo_conversations (id, provider, phone)
select gen_random_uuid(), 'twilio', '+9' || n from generate_series(1, 5000) n;
insert into kommo_messages (conversation_id, provider, business_address, provider_message_id, role, content,
                            delivery_status, opens_window, created_at)
select c.id, 'twilio', '+1', 'done-' || c.phone || '-' || n, 'assistant', 'x',
       case n % 3 when 0 then 'read' when 1 then 'sent' else 'failed' end, false, now() - interval '1 day'
  from kommo_conversations c, generate_series(1, 10) n where c.phone like '+9%';
insert into sends (message_id, conversation_id, provider, business_address, phase, due_at, expires_at)
select id, conversation_id, 'twilio', '+1', 'over', now() + interval '1 day', now()
  from kommo_messages where delivery_status = 'failed' and business_address = '+1';
insert into idempotency_keys (caller, key, request_hash, created_at)
select 'desk', 'key-' || n, '', now() from generate_series(1, 10000) n;
"""
TABLES = ("kommo_conversations", "kommo_messages", "sends", "idempotency_keys", "former_windows", "send_pairs")


@pytest.mark.parametrize("analyzed", [False, True])
def test_the_cost_follows_what_is_due(database: Database, connection: psycopg.Connection, analyzed: bool) -> None:
    """Rows read for the lives of some answers and a sweep, on empty tables and then, by kept plans, on tables that hold
    50,000 finished messages.
    """

    def lives(number: int) -> int:
        before = read_so_far(database, *TABLES)
        customer, at = somebody(), NOW + number * 3 * MINUTE
        ana = conversation(database, customer, at=at)
        ids = [answer(database, ana, at=at, key=f"{number}-{place}", request_hash="") for place in range(4)]
        sent(database, claimed(database, ids[0], at), at)
        report(database, ids[0], "failed", at, retryable=True)
        unsent(database, claimed(database, ids[1], at), Rejected("no"), at)
        retry_message(database, ids[1], "ana", DAY, MINUTE, at)
        unsent(database, claimed(database, ids[2], at), Uncertain("lost"), at)
        settle_message(database, ids[2], "untaken", "ana", now=at)
        unsent(database, claimed(database, ids[2], at), WindowShut("shut"), at)
        answer(database, ana, at=at, if_window_closed="hold", expires_in=3 * DAY)
        writes(database, customer, at=at + SECOND)
        cancel_message(database, ids[3], "ana", at)
        sweep_sends(database, 100, at + 2 * MINUTE)
        claim_unsettled(database, "twilio", 10, at + 2 * MINUTE)
        forget(database, 100, at)
        return read_so_far(database, *TABLES) - before

    empty = [lives(number) for number in range(8)][-1]
    connection.execute("set session_replication_role = replica")  # no triggers: the counters do not matter
    connection.execute(FILL)
    if analyzed:
        connection.execute("analyze")
    full = [lives(number) for number in range(8, 16)]
    assert max(full) <= 1.3 * empty, (empty, full)
