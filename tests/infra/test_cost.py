"""The cost model: its arithmetic by hand, its counts from the templates, and figures that grow where they should."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from infra.cost import __main__ as command
from infra.cost.limits import limits
from infra.cost.model import DEV, PROD, Declared, Stage, monthly
from infra.cost.prices import INSTANCES, PRICES
from infra.cost.usage import Assumed, Measured, uses
from tests.infra.stack import Stack as Deployed

NAMES = ("TwilioWebhook", "MetaWebhook", "KommoWebhook", "Api", "Sender", "WindowSweep")
MEASURED = Measured("2026-01-01", "a machine", 5000.0, {name: {"ms": 10.0, "log_bytes": 400.0} for name in NAMES})
PLAIN = Assumed(
    ours=0.5,
    statuses=2.0,
    reads=0.0,
    turns=1.0,
    events=2.0,
    files=0.0,
    network_ms=0.0,
    provider_ms=90.0,
    cold_share=0.0,
)
STAGE = PROD[1_000_000]


@pytest.fixture(scope="module")
def declared() -> Declared:
    return Declared.read()


def test_what_one_message_uses_by_hand() -> None:
    used = uses(MEASURED, PLAIN)
    # Half of them come in, the other half is told of twice: one and a half webhooks.
    assert sum(used[name].events for name in NAMES[:3]) == pytest.approx(1.5)
    assert (used["Api"].events, used["Sender"].events, used["Sender"].ms) == (0.5, 0.5, 100.0)
    assert used["Api"].log_bytes == 400 + PLAIN.platform_log_bytes


def test_a_bill_by_hand(declared: Declared) -> None:
    """What grows with messages, for a million of them, against an idle month of the same stack."""
    small = replace(declared, memory=dict.fromkeys(declared.memory, 1024))
    bill, idle = (monthly(size, STAGE, small, MEASURED, PLAIN) for size in (1e6, 0.0))
    more = {service: bill[service] - idle[service] for service in bill}
    events = 1.5e6 + 0.5e6 + 0.5e6
    seconds = (1.5e6 + 0.5e6) * 0.010 + 0.5e6 * 0.100
    assert more["Lambda"] == pytest.approx(seconds * 0.0000133334 + events * 0.0000002)
    assert more["API Gateway"] == pytest.approx(2.0)
    assert more["SQS"] == pytest.approx(3 * 0.5e6 * 0.0000005)
    assert more["EventBridge"] == pytest.approx(2.0 + 2e6 * 1500 / 1e9 * 0.10)
    assert more["RDS"] == pytest.approx((12 * 1e6 * 5000 / 1e9 - 20) * 0.115 * 2)
    assert more["SnapStart"] == more["VPC endpoints"] == more["RDS Proxy"] == more["S3"] == 0


def test_what_is_there_anyway_by_hand(declared: Declared) -> None:
    idle = monthly(0.0, STAGE, declared, MEASURED, PLAIN)
    assert idle["VPC endpoints"] == pytest.approx(3 * 2 * 730 * 0.01)
    assert idle["RDS"] == pytest.approx(2 * (730 * 0.065 + 20 * 0.115))
    assert idle["RDS Proxy"] == pytest.approx(2 * 730 * 0.015)
    assert idle["NAT and transfer"] == pytest.approx(2 * 730 * 0.045)


def test_counts_are_those_of_the_templates(declared: Declared, stack: Deployed) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    fed = [each["EventSourceArn"] for each in stack.of_type("AWS::Lambda::EventSourceMapping").values()]
    assert declared.fifo_queues + declared.queues == len(fed)
    assert 0 < declared.fifo_queues <= sum(bool(queue.get("FifoQueue")) for queue in queues.values())
    assert declared.secrets == 1 + len(stack.of_type("AWS::SecretsManager::Secret"))
    assert declared.endpoints == 3
    assert declared.alarm_metrics >= len(stack.of_type("AWS::CloudWatch::Alarm"))
    assert set(declared.memory) >= set(NAMES)


def test_more_messages_cost_more_and_each_of_them_less(declared: Declared) -> None:
    measured, assumed = Measured.read(), Assumed()
    bills = [sum(monthly(size, stage, declared, measured, assumed).values()) for size, stage in PROD.items()]
    assert bills == sorted(bills)
    each = [bill / size for bill, size in zip(bills, PROD, strict=True)]
    assert each == sorted(each, reverse=True)


def test_a_trial_stack_costs_less_than_production(declared: Declared) -> None:
    dev, prod = (sum(monthly(0.0, stage, declared, MEASURED, PLAIN).values()) for stage in (DEV, STAGE))
    assert dev < prod


def test_limits_by_hand(declared: Declared) -> None:
    found = {limit.what: limit.messages for limit in limits(STAGE, declared, MEASURED, PLAIN)}
    assert (found["one address at kommo"], found["one address at meta"]) == (12, 160)
    assert found["senders"] == pytest.approx(declared.concurrency["SenderConcurrency"] / 0.1 / 0.5)
    busy = 2.0 * 0.010 + 0.5 * 0.100
    assert found["Lambda"] == pytest.approx(1000 / busy)
    assert list(found.values()) == sorted(found.values())


def test_connections_are_those_that_rds_allows() -> None:
    assert INSTANCES["db.t4g.medium"].connections == 450
    assert INSTANCES["db.m7g.2xlarge"].connections == 3604


@pytest.mark.parametrize("name", PRICES)
def test_a_price_says_of_what_and_where_it_stands(name: str) -> None:
    price = PRICES[name]
    assert price.dollars > 0
    assert price.unit
    assert re.match(r"aws\.amazon\.com/[a-z0-9/-]+$", price.page)


def test_all_that_was_measured_is_there_for_the_model() -> None:
    measured = Measured.read()
    assert set(NAMES) <= set(measured.functions)
    assert all(found["ms"] > 0 and found["log_bytes"] > 0 for found in measured.functions.values())


def test_the_table_adds_up_and_says_what_is_too_little(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["100_000_000"]) == 0
    said = capsys.readouterr().out
    column = [line.split() for line in said.partition("\nLimits")[0].splitlines() if re.search(r"\.\d\d$", line)]
    *services, together, _ = [float(line[-1].replace(",", "")) for line in column]
    assert sum(services) == pytest.approx(together, abs=0.1)
    assert "raise SenderConcurrency  TOO LITTLE" in said


@pytest.mark.parametrize(
    ("messages", "wanted"), [(1.0, "db.t4g.medium"), (5e7, "db.m7g.2xlarge"), (1e9, "db.m7g.2xlarge")]
)
def test_a_size_between_gets_the_next_larger_database(messages: float, wanted: str) -> None:
    stage: Stage = command.stage_for(messages)
    assert stage.instance == wanted


def test_what_is_no_number_is_refused(capsys: pytest.CaptureFixture[Any]) -> None:
    assert command.main(["many"]) == 2
    assert "numbers of messages" in capsys.readouterr().err
