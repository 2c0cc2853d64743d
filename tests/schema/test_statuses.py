"""Statuses rise, failed stays, and what comes before its message waits for it."""

from __future__ import annotations

import pytest

from tests.schema.conftest import rows
from tests.schema.recording import HELLO, SENT, outcomes, status
from ventana.schema.connection import Database


@pytest.mark.parametrize(
    ("reported", "final"),
    [
        (["sent", "delivered", "read"], "read"),
        (["read", "delivered", "sent"], "read"),
        (["delivered", "delivered"], "delivered"),
        (["failed", "delivered"], "failed"),
        (["delivered", "failed"], "delivered"),
        (["read", "failed", "sent"], "read"),
        (["sent", "failed", "read"], "failed"),
    ],
)
def test_statuses_rise_and_failed_stays(database: Database, reported: list[str], final: str) -> None:
    outcomes(database, [SENT])
    for name in reported:
        outcomes(database, [status(name)])
    assert rows(database, "select delivery_status from kommo_messages") == [(final,)]


def test_read_without_delivered_fills_both(database: Database) -> None:
    outcomes(database, [SENT, status("read")])
    assert rows(database, "select status from message_status_history order by id") == [("delivered",), ("read",)]


def test_the_error_of_a_failure_is_kept(database: Database) -> None:
    outcomes(database, [SENT, status("failed", error_code="131026", error_text="cannot be reached"), status("sent")])
    assert rows(database, "select error_code, error_text from kommo_messages") == [("131026", "cannot be reached")]


def test_a_status_before_its_message_is_applied_when_the_message_appears(database: Database) -> None:
    assert outcomes(database, [status("read"), status("sent"), status("read")]) == ["orphaned"] * 3
    assert outcomes(database, [SENT]) == ["recorded"]
    assert rows(database, "select delivery_status from kommo_messages") == [("read",)]
    assert rows(database, "select count(*) from parked_statuses") == [(0,)]


def test_a_status_never_touches_a_customers_message(database: Database) -> None:
    assert outcomes(database, [HELLO, status("read", "SM1")]) == ["recorded", "unchanged"]


def test_a_status_of_another_sender_is_parked_for_ever_and_harms_nobody(database: Database) -> None:
    assert outcomes(database, [status("delivered", "SM999", message_id="6f1cbc1e-0000-4000-8000-000000000000")]) == [
        "orphaned"
    ]
