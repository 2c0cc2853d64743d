"""Each window is announced once as closing and once as closed; each event is published at least once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.schema.conftest import AtOnce, rows
from ventana.messages import Customer, InboundMessage
from ventana.providers import PROVIDERS
from ventana.schema.connection import Database
from ventana.schema.conversation_lists import Wanted, WindowState, list_conversations
from ventana.schema.events import claim_events, finish_events
from ventana.schema.inbound import record_inbound
from ventana.schema.windows import Swept, sweep_windows
from ventana.window import POLICY, window

NOW = datetime.now(UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HELLO = InboundMessage("meta", "1065", "wamid.1", Customer(phone="+5511987654321"), "text", "hola", sent_at=NOW)


def events(database: Database, name: str) -> int:
    return int(rows(database, "select count(*) from events where name = %s", name)[0][0])


def customers(database: Database, written: list[timedelta], channel: str = "whatsapp") -> list[str]:
    """One conversation for each time since its customer wrote; their ids."""
    batch = [
        replace(
            HELLO,
            provider_message_id=f"wamid.{uuid4()}",
            customer=Customer(phone=f"+55{number}{len(channel)}"),
            sent_at=NOW - ago,
            channel=channel,
        )
        for number, ago in enumerate(written)
    ]
    return [str(row.conversation_id) for row in record_inbound(database, list(batch))]


def listed(database: Database, state: WindowState) -> set[str]:
    found, _ = list_conversations(database, Wanted(window=state), now=NOW, providers=[*PROVIDERS])
    return {each.id for each in found}


def test_a_window_is_announced_once_as_closing_and_once_as_closed(database: Database) -> None:
    customers(database, [timedelta(0)])
    found = [
        sweep_windows(database, HOUR, 100, NOW + at)
        for at in (22 * HOUR, 23 * HOUR + MINUTE, 23 * HOUR + 2 * MINUTE, 24 * HOUR, 25 * HOUR)
    ]
    assert found == [Swept(0, 0), Swept(1, 0), Swept(0, 0), Swept(0, 1), Swept(0, 0)]
    assert (events(database, "WindowClosing"), events(database, "WindowClosed")) == (1, 1)


def test_a_new_message_cancels_and_opens_another_window(database: Database) -> None:
    customers(database, [timedelta(0)])
    sweep_windows(database, HOUR, 100, NOW + 23 * HOUR + MINUTE)
    rows(database, "update kommo_conversations set last_user_message_at = %s returning 1", NOW + 23 * HOUR + 2 * MINUTE)
    assert sweep_windows(database, HOUR, 100, NOW + 24 * HOUR) == Swept(0, 0)
    assert sweep_windows(database, HOUR, 100, NOW + 46 * HOUR + 30 * MINUTE) == Swept(1, 0)


def test_missed_ticks_are_caught_up_without_a_late_warning(database: Database) -> None:
    customers(database, [timedelta(0)])
    assert sweep_windows(database, HOUR, 100, NOW + 72 * HOUR) == Swept(0, 1)
    assert events(database, "WindowClosing") == 0


def test_a_closed_conversation_is_marked_until_the_customer_writes(database: Database) -> None:
    customers(database, [25 * HOUR])
    sweep_windows(database, HOUR, 100)
    assert rows(database, "select needs_template from kommo_conversations") == [(True,)]
    customers(database, [timedelta(0)])
    assert rows(database, "select needs_template from kommo_conversations") == [(False,)]


def test_a_channel_without_a_window_is_never_announced(database: Database) -> None:
    customers(database, [30 * HOUR], channel="telegram")
    sweep_windows(database, HOUR, 100)
    assert events(database, "WindowClosed") == 0
    assert rows(database, "select needs_template from kommo_conversations") == [(False,)]


def test_sweeps_at_once_do_no_double_work(database: Database, at_once: AtOnce) -> None:
    customers(database, [25 * HOUR] * 60)

    def sweep(own: Database) -> int:
        found = 0
        while closed := sweep_windows(own, HOUR, 7).closed:
            found += closed
        return found

    assert sum(at_once([sweep] * 4)) == 60
    assert events(database, "WindowClosed") == 60


def test_a_batch_is_bounded(database: Database) -> None:
    customers(database, [25 * HOUR] * 5)
    assert [sweep_windows(database, HOUR, 2).closed for _ in range(4)] == [2, 2, 1, 0]


def test_the_sets_agree_with_the_pure_functions(database: Database) -> None:
    written = [timedelta(0), 22 * HOUR, 23 * HOUR + 30 * MINUTE, 23 * HOUR + 59 * MINUTE, 24 * HOUR, 40 * HOUR]
    by_id = dict(zip(customers(database, written), written, strict=True))
    needing = {id_ for id_, ago in by_id.items() if window(NOW - ago, NOW).needs_template}
    assert listed(database, "shut") == needing
    assert listed(database, "open") == set(by_id) - needing
    assert listed(database, "closing") == {id_ for id_, ago in by_id.items() if 23 * HOUR < ago < 24 * HOUR}


def test_the_policy_is_the_same_in_python_and_in_the_database(database: Database) -> None:
    assert {channel: database.value("select window_length_v1(%s)", (channel,)) for channel in POLICY} == dict(POLICY)


def test_events_come_out_in_order_once_confirmed(database: Database) -> None:
    customers(database, [timedelta(0)] * 3)
    first = claim_events(database, 2, MINUTE, NOW + MINUTE)
    assert [event.name for event in first] == ["MessageReceived"] * 2
    assert len(claim_events(database, 9, MINUTE, NOW + MINUTE)) == 1
    finish_events(database, [event.id for event in first])
    again = claim_events(database, 9, MINUTE, NOW + 3 * MINUTE)
    assert len(again) == 1, "the unconfirmed one comes again after its lease"
