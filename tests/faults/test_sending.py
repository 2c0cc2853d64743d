"""Sent once, in order, inside the window: the real system sends while providers fail and senders are killed.

A short form runs with all tests; `make faults-sending` sends as many as N says (5,000) to a tenth as many customers,
and prints its tables.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from infra.local.client import Client
from tests.faults.misbehaving import providers_misbehave, senders_killed
from tests.faults.report import table
from tests.faults.sending import answer_all, customers_write
from tests.faults.sending_report import rate, reasons, shares, states_of, table_of
from tests.local.running import Running, remove, running

LONG = os.environ.get("VENTANA_FAULTS") == "long"
SENDS = int(os.environ.get("VENTANA_SENDS") or 5000) if LONG else 180
CUSTOMERS = max(3, SENDS // (10 if LONG else 6))
KILLS, KILL_EVERY_SECONDS = (SENDS // 60, 3.0) if LONG else (5, 1.5)
PRIMES = (41, 43, 47, 67, 71, 97) if LONG else (17, 19, 23, 29, 31, 37)
"""Of so many calls one goes wrong in each of six ways: in the long form every tenth call, here every fourth."""
PATIENCE_SECONDS = SENDS + 600.0 if LONG else 90.0
LONGEST_RUN_SECONDS = 300.0  # of a function
LOOK_SECONDS = 5.0 if LONG else 1.0
WAITS = {
    "PROVIDER_TIMEOUT_MS": "1500",
    "LEASE_SECONDS": "8",  # longer than three calls and what they wait for
    "VISIBILITY_SECONDS": "10",  # longer than the lease, as on AWS
}
TO_DO = """
select count(*) filter (where s.phase <> 'uncertain'),
       count(*) filter (where s.phase = 'uncertain' and s.provider <> 'meta')
  from sends s where s.phase <> 'over'
"""
REPORTED = "select count(*) from kommo_messages where delivery_status = 'sending'"
HURRY = "update sends set due_at = now() where phase = 'uncertain' and claimed_at < now() - interval '5 seconds'"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the system's processes in /proc"),
]


def test_each_answer_arrives_once_in_order_and_inside_its_window(tmp_path_factory: pytest.TempPathFactory) -> None:
    state = tmp_path_factory.mktemp("sending") / "state"
    with running(state, **WAITS) as system:
        system.wait_for("Ctrl-C ends it")
        dsn = system.runtime["dsn"]
        customers = customers_write(system.simulators, dsn, CUSTOMERS)
        providers_misbehave(system.simulators, PRIMES)
        began = time.monotonic()
        with senders_killed(state, KILL_EVERY_SECONDS, KILLS) as killed:
            taken = answer_all(system.runtime, customers, SENDS)
            wait_until_mostly_sent(system, began)
        settle(system, began)
        seconds, answers = time.monotonic() - began, taken.answers
        sent = system.simulators.call("GET", "/sent")[1]["sent"]
        violations = system.simulators.call("GET", "/violations")[1]["violations"]
        states, did = states_of(dsn, answers), done(state)
        found, why = shares(answers, states, sent, violations), reasons(answers, states, sent)
    remove(state)
    told = "\n\n".join(
        (
            f"{len(answers)} answers to {len(customers)} customers, {taken.repeated} of them asked for twice;"
            f" {did['unsent']} of {did['unsent'] + did['sent']} calls went wrong, {killed.count} senders were killed\n"
            f"accepted {len(answers) / taken.seconds:.1f}/s, sent {rate(answers, sent):.1f}/s,"
            f" {did['turn_waits']} turns waited in the queue, all over after {seconds:.0f} s",
            table_of(found),
            table(why) if why else "nothing failed, and nothing is uncertain",
        )
    )
    print(f"\n{told}")  # noqa: T201 - what `make faults-sending` is for
    assert (len(answers), len({answer.message_id for answer in answers}), taken.told_twice) == (SENDS, SENDS, 0), told
    for share in found:
        wrong = (share.doubled, share.disordered, share.outside_window, share.lost, share.denied)
        assert (*wrong, share.unsettled, share.unexplained) == (0,) * 7, told
        assert share.provider == "meta" or share.uncertain == 0, told


def done(state: Path) -> Counter[str]:
    """How often senders did what, by their log."""
    log = (state / "logs" / "Sender.log").read_text("utf-8", "replace")
    return Counter(re.findall(r'"message":"(sent|unsent|turn_waits|turn_failed)"', log))


def wait_until_mostly_sent(system: Running, began: float) -> None:
    """Until little is left in line: while senders are killed, some of it always is."""
    while to_do(system)[0] > SENDS / 10 and time.monotonic() - began < PATIENCE_SECONDS:
        time.sleep(LOOK_SECONDS)


def settle(system: Running, began: float) -> None:
    """Sweep and reconcile until nothing is left to do. In a hurry, what is to be asked in minutes is asked now."""
    console = Client(system.runtime["simulator_url"], patience=LONGEST_RUN_SECONDS)
    while any(to_do(system)) and time.monotonic() - began < PATIENCE_SECONDS:
        if not LONG:
            with psycopg.connect(system.runtime["dsn"]) as connection:
                connection.execute(HURRY)
        for function in ("WindowSweep", "Reconcile"):
            status, answer = console.call("POST", f"/invoke/{function}", {})
            assert status == 200, answer
        time.sleep(LOOK_SECONDS)
    give_up = time.monotonic() + 15
    with psycopg.connect(system.runtime["dsn"], autocommit=True) as connection:
        while connection.execute(REPORTED).fetchone() != (0,) and time.monotonic() < give_up:
            time.sleep(0.2)


def to_do(system: Running) -> tuple[int, int]:
    """How many sends somebody should still work on, and of how many providers can be asked."""
    with psycopg.connect(system.runtime["dsn"]) as connection:
        row = connection.execute(TO_DO).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])
