"""`make connect` against the simulated providers: what it prints, what it sets, what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.client import Client
from infra.local.identity import Identity
from tests.local.examining import change, misled, run, secrets_of
from tests.local.running import Running, remove, running
from ventana.providers import PROVIDERS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("connect") / "state"
    with running(state) as up:
        up.wait_for("Ctrl-C ends it")
        yield up
    remove(state)


@pytest.fixture(autouse=True)
def as_at_first(system: Running) -> None:
    for provider in PROVIDERS:
        change(system, provider, reset=True)


def test_the_settings_of_every_provider_are_printed_and_nothing_is_set(system: Running) -> None:
    for provider in PROVIDERS:
        change(system, provider, disconnect=True)
    before = system.simulators.call("GET", "/accounts")
    shown = run("infra.connect", system.state)
    assert (shown.returncode, shown.stderr) == (0, "")
    base, secrets = system.runtime["base_url"], system.runtime["secrets"]
    for value in (
        f"{base}/webhooks/twilio#rc=3&rp=5xx,ct,rt&rt=4000\n",
        f"{base}/webhooks/twilio/status\n",
        f"{base}/webhooks/meta\n",
        f"{secrets['meta_verify_token']}\n",
        f"{base}/webhooks/kommo/{secrets['kommo_webhook_token']}\n",
    ):
        assert f"         {value}" in shown.stdout
    assert [shown.stdout.index(f"{name}\n  1. ") for name in PROVIDERS] == sorted(
        shown.stdout.index(f"{name}\n  1. ") for name in PROVIDERS
    )
    assert "make connect APPLY=1" in shown.stdout
    assert system.simulators.call("GET", "/accounts") == before


def test_it_sets_everything_and_checks_it(system: Running) -> None:
    for provider in PROVIDERS:
        change(system, provider, disconnect=True)
    done = run("infra.connect", system.state, APPLY="1")
    assert (done.returncode, done.stderr) == (0, "")
    for line in (
        "ok    kommo: the webhook was set",
        "ok    meta: the app's webhook was set",
        f"ok    meta: the webhook of account {Identity.meta_waba_id} was set",
        f"ok    twilio: sender {Identity.twilio_sender_sid}: its webhooks were set",
    ):
        assert line in done.stdout
    assert done.stdout.endswith("\nall is well\n")
    assert not [each for each in secrets_of(system) if each in done.stdout]
    again = run("infra.connect", system.state, APPLY="1")
    assert "ok    kommo: the webhook is set already" in again.stdout
    assert again.returncode == 0


def test_one_provider_can_be_picked(system: Running) -> None:
    shown = run("infra.connect", system.state, PROVIDER="twilio")
    assert shown.stdout.startswith("twilio\n")
    assert "/webhooks/meta" not in shown.stdout
    unknown = run("infra.connect", system.state, PROVIDER="twillio")
    assert unknown.returncode == 1
    assert unknown.stderr == "make connect: there is no provider twillio: use one of kommo, meta, twilio\n"


def test_what_goes_to_somebody_else_is_taken_over_only_when_told(system: Running) -> None:
    elsewhere = {"senders": {Identity.twilio_sender_sid: {"webhook": {"callback_url": "https://crm.example.com/x"}}}}
    change(system, "twilio", change=elsewhere)
    left = run("infra.connect", system.state, APPLY="1", PROVIDER="twilio")
    assert left.returncode == 1
    assert "left alone, its webhook goes to crm.example.com" in left.stdout
    assert "FAIL  twilio: the webhook of sender" in left.stdout
    assert "REPLACE=1" in left.stdout
    taken = run("infra.connect", system.state, APPLY="1", REPLACE="1", PROVIDER="twilio")
    assert (taken.returncode, taken.stdout.splitlines()[-1]) == (0, "all is well")


def test_a_handshake_with_another_token_than_the_system_has_fails(system: Running, tmp_path: Path) -> None:
    other = misled(system, tmp_path / "other", meta_verify_token="not the one")
    failed = run("infra.connect", other, APPLY="1", PROVIDER="meta")
    assert failed.returncode == 1
    assert "FAIL  meta: the app's webhook could not be set: Meta called it, and was not answered as it wants" in (
        failed.stdout
    )
    assert "wait five minutes" in failed.stdout


def test_a_token_that_may_not_set_webhooks_is_told(system: Running) -> None:
    change(system, "kommo", refuse="rights", disconnect=True)
    failed = run("infra.connect", system.state, APPLY="1", PROVIDER="kommo")
    assert failed.returncode == 1
    assert "FAIL  kommo: the webhooks cannot be listed (status 403: the access token may not do that" in failed.stdout
    assert "an administrator of the account" in failed.stdout


def test_nothing_is_said_to_be_set_where_nobody_was_reached(system: Running) -> None:
    fault = {"provider": "kommo", "mode": "http_500", "call": "question", "count": 100}
    Client(system.runtime["simulator_url"]).call("POST", "/fault", fault)
    failed = run("infra.connect", system.state, APPLY="1", PROVIDER="kommo")
    Client(system.runtime["simulator_url"]).call("POST", "/fault", {"provider": "kommo", "count": 0})
    assert failed.returncode == 1
    assert "FAIL  kommo: could not be asked just now: the provider answered 500" in failed.stdout


def test_without_a_running_system_one_line_says_so(tmp_path: Path) -> None:
    refused = run("infra.connect", tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("make connect: no system runs here")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_customers_are_heard_once_their_provider_is_connected(system: Running, provider: str) -> None:
    letter = {"provider": provider, "from": "+5511987650077", "text": "¿Hola?"}
    change(system, provider, disconnect=True)
    assert system.simulators.call("POST", "/customer", letter)[1]["status"] == 0
    assert run("infra.connect", system.state, APPLY="1", PROVIDER=provider).returncode == 0
    assert system.simulators.call("POST", "/customer", letter)[1]["status"] == 200


def test_what_a_secret_lacks_is_said_beside_the_settings(system: Running, tmp_path: Path) -> None:
    shown = run("infra.connect", misled(system, tmp_path / "other", meta_verify_token=""), PROVIDER="meta")
    assert shown.returncode == 0
    assert "FAIL  meta: the secret has no value for verify_tokens\n" in shown.stdout
    assert "(make one up, and add it to verify_tokens first)" in shown.stdout
