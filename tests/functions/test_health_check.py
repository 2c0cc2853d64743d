"""The health check: as the custom resource that decides about a deployment, and asked directly."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from infra.local.identity import Identity
from infra.local.simulators.server import Simulators
from tests.functions.lambda_context import Context
from tests.functions.loopback import Quiet, serving
from ventana.providers import PROVIDERS
from ventana.schema import readiness

Load = Callable[[str], Any]
Answers = list[dict[str, Any]]
SCHEMA = Path(readiness.__file__).parent
VERSION = "arn:aws:lambda:us-east-1:123456789012:function:HealthCheck"


@dataclass
class World:
    """Simulated providers, secrets that fit them, and where CloudFormation wants its answer."""

    simulators: Simulators
    stored: dict[str, dict[str, Any]]
    answer_url: str = ""
    answers: Answers = field(default_factory=list)

    def store(self, provider: str, **values: Any) -> None:
        self.stored[provider] |= values
        self.write(provider, json.dumps(self.stored[provider]))

    def write(self, provider: str, text: str) -> None:
        boto3.client("secretsmanager").put_secret_value(SecretId=provider, SecretString=text)

    def event(self, kind: str, release: int = 2, before: int = 1) -> dict[str, Any]:
        return {
            "RequestType": kind,
            "ResponseURL": self.answer_url,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Credentials",
            "ResourceProperties": {"Release": f"{VERSION}:{release}"},
            **({"OldResourceProperties": {"Release": f"{VERSION}:{before}"}} if kind == "Update" else {}),
        }


@pytest.fixture
def world(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    identity = Identity.random()
    simulators = Simulators(identity, "https://gateway.example.com")
    simulators.open()
    monkeypatch.setenv("SIMULATOR_URL", simulators.url)
    stored = {name.removesuffix("Secret").lower(): values for name, values in identity.stored_secrets().items()}
    made = World(simulators, stored)
    for provider in PROVIDERS:
        made.store(provider)

    class Handler(Quiet):
        def do_PUT(self) -> None:
            made.answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(Handler) as origin:
        made.answer_url = f"{origin}/answer"
        yield made
    simulators.close()


def findings(answer: dict[str, Any], name: str, *levels: str) -> list[str]:
    return [each["what"] for each in answer["findings"][name] if each["level"] in (levels or ("warning", "problem"))]


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_deployment_with_good_credentials_succeeds(load: Load, world: World, kind: str) -> None:
    load("health_check").handler(world.event(kind), Context(60_000))
    (answer,) = world.answers
    assert (answer["Status"], answer["RequestId"], answer["Data"]) == ("SUCCESS", "request", {"warnings": ""})


def test_a_deletion_checks_nothing(load: Load, world: World) -> None:
    for provider in PROVIDERS:
        world.write(provider, "no json")
    load("health_check").handler(world.event("Delete"), Context(60_000))
    assert [answer["Status"] for answer in world.answers] == ["SUCCESS"]


def test_asked_directly_it_tells_all(load: Load, world: World) -> None:
    answer = load("health_check").handler({"source": "aws.scheduler"}, Context(60_000))
    assert answer["healthy"] is True
    assert set(answer["findings"]) == {*PROVIDERS, "database"}
    assert {each["level"] for found in answer["findings"].values() for each in found} == {"ok"}
    assert not any(each["about"] == "webhook" for name in PROVIDERS for each in answer["findings"][name])


WRONG = {"kommo": "access_tokens", "meta": "access_tokens", "twilio": "auth_tokens"}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_wrong_credential_fails_the_deployment_and_says_what_to_do(
    load: Load, world: World, provider: str, kind: str
) -> None:
    world.store(provider, **{WRONG[provider]: ["mistyped"]})
    load("health_check").handler(world.event(kind), Context(60_000))
    (answer,) = world.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(f"{provider}: the value of {WRONG[provider]} is not accepted; put one that is")
    assert "mistyped" not in json.dumps(answer)
    assert len(json.dumps(answer)) <= 4096


@pytest.mark.parametrize("provider", PROVIDERS)
def test_of_several_values_the_one_that_is_used_must_be_good(load: Load, world: World, provider: str) -> None:
    good = world.stored[provider][WRONG[provider]]
    world.store(provider, **{WRONG[provider]: [*good, "former"]})
    answer = load("health_check").handler({}, Context(60_000))
    assert answer["healthy"] is True
    assert findings(answer, provider) == [f"value 2 of {WRONG[provider]} is not accepted"]
    world.store(provider, **{WRONG[provider]: ["mistyped", *good]})
    answer = load("health_check").handler({}, Context(60_000))
    assert answer["healthy"] is False
    assert f"value 1 of {WRONG[provider]} is not accepted" in findings(answer, provider, "problem")


@pytest.mark.parametrize("text", ["{}", '{"access_tokens": []}'])
def test_a_first_deployment_with_empty_secrets_is_warned_and_succeeds(load: Load, world: World, text: str) -> None:
    for provider in PROVIDERS:
        world.write(provider, text)
    load("health_check").handler(world.event("Create"), Context(60_000))
    (answer,) = world.answers
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["warnings"].count("not configured") == 3


def test_a_provider_without_a_secret_is_a_warning(load: Load, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("META_SECRET_ID")
    monkeypatch.setenv("TWILIO_SECRET_ID", "gone")
    answer = load("health_check").handler({}, Context(60_000))
    assert answer["healthy"] is True
    assert findings(answer, "meta") == findings(answer, "twilio") == ["not configured: there is no secret"]


def test_a_secret_that_is_no_json_fails(load: Load, world: World) -> None:
    world.write("meta", "EAAB…")
    load("health_check").handler(world.event("Update"), Context(60_000))
    assert world.answers[0]["Status"] == "FAILED"
    assert "meta: the secret 'meta' is not a JSON object; put a JSON object into it" in world.answers[0]["Reason"]


def test_a_credential_that_is_missing_among_others_fails(load: Load, world: World) -> None:
    world.store("meta", verify_tokens=[])
    load("health_check").handler(world.event("Update"), Context(60_000))
    assert "meta: the secret has no value for verify_tokens; add it" in world.answers[0]["Reason"]


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_provider_that_is_out_of_order_is_a_warning(
    load: Load, world: World, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    class Broken(Quiet):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(Broken) as origin:
        monkeypatch.setenv("SIMULATOR_URL", origin)
        load("health_check").handler(world.event("Create"), Context(60_000))
    (answer,) = world.answers
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["warnings"].count("could not be asked just now") == 3


def test_a_provider_that_cannot_be_reached_is_a_warning(
    load: Load, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR_URL", "http://127.0.0.1:1")
    answer = load("health_check").handler({}, Context(60_000))
    assert answer["healthy"] is True
    assert {each["about"] for name in PROVIDERS for each in answer["findings"][name]} == {"reach"}


def test_a_provider_that_hangs_is_answered_for_in_time(
    load: Load, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    class Hanging(Quiet):
        def do_GET(self) -> None:
            over.wait(20)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(Hanging) as origin:
        monkeypatch.setenv("SIMULATOR_URL", origin)
        app = load("health_check")
        started = time.monotonic()
        app.handler(world.event("Create"), Context(int(app.ANSWER_SECONDS * 1000) + 1500))
        assert time.monotonic() - started < 6
        over.set()
    (answer,) = world.answers
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["warnings"].count("did not answer in time") == 3


def test_an_account_that_is_not_in_order_is_told_and_fails_nothing(load: Load, world: World) -> None:
    account = world.simulators._simulators["twilio"].account
    account.change({"senders": {Identity.twilio_sender_sid: {"status": "OFFLINE"}}})
    answer = load("health_check").handler({}, Context(60_000))
    assert answer["healthy"] is True
    assert "is OFFLINE" in findings(answer, "twilio", "problem")[0]


def test_webhooks_that_nobody_has_set_yet_are_no_reason(load: Load, world: World) -> None:
    for simulator in world.simulators._simulators.values():
        simulator.account.disconnect()
    load("health_check").handler(world.event("Create"), Context(60_000))
    assert (world.answers[0]["Status"], world.answers[0]["Data"]) == ("SUCCESS", {"warnings": ""})


def test_a_database_that_is_away_fails(load: Load, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nothing")
    load("health_check").handler(world.event("Create"), Context(60_000))
    assert world.answers[0]["Status"] == "FAILED"
    assert "database: the database refused" in world.answers[0]["Reason"]
    assert "see that it runs" in world.answers[0]["Reason"]


def test_a_schema_that_lacks_what_the_code_calls_fails(load: Load, world: World, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("alter function sweep_windows_v3 rename to sweep_windows_v9")
    load("health_check").handler(world.event("Update"), Context(60_000))
    assert world.answers[0]["Status"] == "FAILED"
    assert (
        "database: this release calls what the schema does not have: sweep_windows_v3; run the migrator"
        in (world.answers[0]["Reason"])
    )
    with psycopg.connect(database_url) as connection:
        connection.execute("alter function sweep_windows_v9 rename to sweep_windows_v3")


def test_a_migration_that_was_left_half_way_is_a_warning(
    load: Load, world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To whom may read the ledger; the application's own role may not."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "update ventana_meta.schema_migrations set state = 'running' where version = '20261122_01_message_delivery'"
        )
    answer = load("health_check").handler({}, Context(60_000))
    assert answer["healthy"] is True
    (what,) = findings(answer, "database")
    assert what == "migrations that have begun and not ended: 20261122_01_message_delivery"


def test_the_way_back_never_fails(load: Load, world: World) -> None:
    """A stack whose roll-back fails is stuck until somebody frees it by hand."""
    world.store("twilio", auth_tokens=["mistyped"])
    app = load("health_check")
    app.handler(world.event("Update", release=10, before=9), Context(60_000))
    app.handler(world.event("Update", release=9, before=10), Context(60_000))
    assert [answer["Status"] for answer in world.answers] == ["FAILED", "SUCCESS"]
    assert "twilio: the value of auth_tokens is not accepted" in world.answers[1]["Data"]["warnings"]


def test_no_secret_is_told_or_logged(load: Load, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.store("twilio", auth_tokens=["mistyped-token"])
    load("health_check").handler(world.event("Create"), Context(60_000))
    said = capsys.readouterr().out + json.dumps(world.answers)
    hidden = {str(value) for values in world.stored.values() for each in values.values() for value in as_list(each)}
    hidden |= {base64.b64encode(each.encode()).decode() for each in hidden}
    public = {
        world.stored["kommo"]["account_id"],
        world.stored["kommo"]["subdomain"],
        world.stored["twilio"]["account_sid"],
    }
    assert "is not accepted" in said
    assert [value for value in hidden - public if value in said] == []


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_what_the_code_calls_is_found_without_a_list() -> None:
    sources = [path for path in SCHEMA.glob("*.py") if path.stem not in readiness.OF_THE_MIGRATOR]
    written = {name for path in sources for name in readiness.CALLED.findall(path.read_text())}
    assert readiness.called_functions() == written
    assert len(written) > 20
