"""`make doctor` beside a running system: all is well, then one thing after the other is broken."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from moto import mock_aws

from infra.doctor import checks
from infra.doctor.deployed import AwsInside
from infra.doctor.line import Line, summary
from infra.doctor.local import LATE_SECONDS, LocalInside
from infra.doctor.place import Place, PlaceFailed, find
from infra.local.client import Client
from infra.local.identity import Identity
from tests.faults.breaking import Server
from tests.local.examining import change, misled, run, secrets_of
from tests.local.running import Running, remove, running
from ventana.http import HttpReply, HttpRequest
from ventana.providers import PROVIDERS
from ventana.secrets import ProviderSecrets


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("doctor-postgres"))
    yield made
    made.remove()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("doctor") / "state"
    with running(state, DATABASE_URL=server.dsn) as up:
        up.wait_for("Ctrl-C ends it")
        yield up
    remove(state)


@pytest.fixture
def sound(system: Running) -> Iterator[Running]:
    yield system
    for provider in PROVIDERS:
        change(system, provider, reset=True)
        Client(system.runtime["simulator_url"]).call("POST", "/fault", {"provider": provider, "count": 0})


def said(state: Path, **more: str) -> tuple[int, str]:
    done = run("infra.doctor", state, **more)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.e2e
@pytest.mark.slow
def test_of_a_sound_system_all_is_well(system: Running) -> None:
    status, text = said(system.state)
    assert status == 0, text
    assert text.startswith("the local system\n\nok    the API answers, and so does its database\n")
    assert text.endswith("\nall is well\n")
    for words in ("clock agrees", "all migrations have run", "the sweep", "nothing is parked", "no address is stopped"):
        assert words in text
    for provider in PROVIDERS:
        assert f"ok    {provider}: a forged webhook" in text or f"ok    {provider}: a webhook with a forged" in text
    assert not [each for each in secrets_of(system) if each in text]


@pytest.mark.e2e
@pytest.mark.slow
def test_its_webhooks_store_nothing(system: Running) -> None:
    counts = "select (select count(*) from kommo_messages), (select count(*) from parked_items)"
    with psycopg.connect(system.runtime["dsn"]) as connection:
        before = connection.execute(counts).fetchone()
    said(system.state)
    with psycopg.connect(system.runtime["dsn"]) as connection:
        assert connection.execute(counts).fetchone() == before


@pytest.mark.e2e
@pytest.mark.slow
def test_the_health_check_runs_with_the_rights_of_its_role(system: Running) -> None:
    status, answer = system.simulators.call("POST", "/invoke/HealthCheck", {})
    assert (status, answer["healthy"]) == (200, True)
    levels = {name: {each["level"] for each in found} for name, found in answer["findings"].items()}
    assert levels == {name: {"ok"} for name in (*PROVIDERS, "database")}


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("kommo", {"refuse": "credentials"}, "the value of access_tokens is not accepted"),
    ("meta", {"refuse": "credentials"}, "the value of access_tokens is not accepted"),
    ("kommo", {"change": {"hooks": {}}, "disconnect": True}, "no webhook of the account comes here"),
    ("twilio", {"disconnect": True}, f"sender {Identity.twilio_sender_sid} has no webhook"),
    (
        "meta",
        {"change": {"waba": {"override": "https://crm.example.com/hook"}}},
        "points elsewhere, to crm.example.com",
    ),
    ("meta", {"change": {"number": {"status": "BANNED"}}}, "is banned"),
]


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize(("provider", "order", "sentence"), BROKEN)
def test_what_is_broken_at_a_provider_is_told(
    sound: Running, provider: str, order: dict[str, Any], sentence: str
) -> None:
    change(sound, provider, **order)
    status, text = said(sound.state)
    assert status == 1
    (line,) = [line for line in text.splitlines() if sentence in line]
    assert line.startswith(f"FAIL  {provider}: ")
    assert text.splitlines()[text.splitlines().index(line) + 1].startswith("        ")


@pytest.mark.e2e
@pytest.mark.slow
def test_a_hook_that_was_switched_off_is_told(sound: Running) -> None:
    url = next(iter(sound.simulators.call("GET", "/accounts")[1]["accounts"]["kommo"]["hooks"]))
    change(sound, "kommo", change={"hooks": {url: {"disabled": True}}})
    status, text = said(sound.state)
    assert status == 1
    assert "FAIL  kommo: the webhook is switched off\n        Kommo does that after 100 failures in two hours" in text


@pytest.mark.e2e
@pytest.mark.slow
def test_a_provider_that_is_away_is_no_problem_of_ours(sound: Running) -> None:
    fault = {"provider": "twilio", "mode": "http_500", "call": "question", "count": 100}
    sound.simulators.call("POST", "/fault", fault)
    status, text = said(sound.state)
    assert status == 0
    assert "warn  twilio: could not be asked just now: the provider answered 500\n        try again later" in text
    assert text.endswith("no problems, 1 warning\n")


@pytest.mark.e2e
@pytest.mark.slow
def test_secrets_that_the_functions_do_not_hold_are_told(sound: Running, tmp_path: Path) -> None:
    other = {"twilio_auth_token": "a", "meta_app_secret": "b", "meta_verify_token": "c", "kommo_webhook_token": "d"}
    status, text = said(misled(sound, tmp_path / "other", **other))
    assert status == 1
    for line in (
        "twilio: the value of auth_tokens is not accepted",
        "twilio: the webhook of messages, signed with value 1 of auth_tokens, is taken: no, it was answered with 403",
        "meta: no value of app_secrets is accepted",
        "meta: the handshake with value 1 of verify_tokens is answered: no, it was answered with 403",
        "kommo: no webhook of the account comes here",
        "kommo: a webhook with value 1 of webhook_tokens is taken: no, it was answered with 403",
    ):
        assert f"FAIL  {line}" in text
    assert "the function holds another secret than this" in text


@pytest.mark.e2e
@pytest.mark.slow
def test_a_database_that_is_away_is_told(sound: Running, server: Server) -> None:
    with server.killed():
        status, text = said(sound.state)
    assert status == 1
    assert "FAIL  the API answers, but its database does not\n        see that Postgres runs" in text
    assert "FAIL  the database cannot be reached" in text
    assert "warn  what waits for operators cannot be seen" in text
    assert "ok    kommo: a webhook with a forged token is refused" in text


@pytest.mark.e2e
@pytest.mark.slow
def test_what_waits_for_operators_is_told(sound: Running) -> None:
    with psycopg.connect(sound.runtime["dsn"], autocommit=True) as connection:
        connection.execute("update business_addresses set stopped_at = now(), stopped_text = 'the token has expired'")
        status, text = said(sound.state)
        connection.execute("update business_addresses set stopped_at = null, stopped_text = null")
    assert status == 1
    assert "stopped, because the provider refuses us (" in text
    assert ": the token has expired" in text
    assert sound.runtime["addresses"]["twilio_address"] not in text
    assert "warn  what waits for operators cannot be seen: /v1 refuses the token" in said(sound.state, TOKEN="x")[1]


def test_without_a_running_system_one_line_says_so(tmp_path: Path) -> None:
    refused = run("infra.doctor", tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("make doctor: no system runs here")
    assert refused.stderr.count("\n") == 1


class Nothing:
    """An inside that tells nothing."""

    def migrations(self) -> list[Line]:
        return []

    deployment = queues = sweep = migrations


def place(answer: HttpReply, api: str = "http://127.0.0.1:1") -> Place:
    """A system whose webhooks are all answered like this."""

    def web(request: HttpRequest) -> HttpReply:
        return answer

    stored = Identity.random().stored_secrets()
    secrets = {name: ProviderSecrets(name, stored[f"{name.title()}Secret"]) for name in PROVIDERS}
    return Place("a test", api, "https://gateway.example.com", secrets, web, web, None, Nothing())


def test_an_api_that_is_not_there_is_told_once() -> None:
    lines = [line for line in checks.examine(place(HttpReply(503, b""))) if line.level == "problem"]
    assert [line.what for line in lines] == ["the API at 127.0.0.1 does not answer (NewConnectionError)"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whoever_takes_everything_is_not_trusted(provider: str) -> None:
    lines = list(checks._provider(place(HttpReply(200, b"")), provider, reachable=True))
    (forged, *_) = [line for line in lines if "forged" in line.what]
    assert (forged.level, "no, it was answered with 200" in forged.what) == ("problem", True)
    assert "nothing there can be trusted" in forged.advice


@pytest.mark.parametrize(
    ("offset", "level", "words"),
    [(0, "ok", "agrees"), (-300, "warning", "seconds ahead of"), (300, "warning", "seconds behind")],
)
def test_the_clock_is_compared(offset: int, level: str, words: str) -> None:
    line = checks._clock(formatdate(time.time() + offset, usegmt=True))
    assert (line.level, words in line.what) == (level, True)
    assert checks._clock("").level == "warning"


def test_a_sweep_that_has_stopped_is_told(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "runtime.json").write_text("{}")
    inside = LocalInside("", logs)
    assert [line.level for line in inside.sweep()] == ["ok"]
    log = logs / "WindowSweep.log"
    log.write_text("")
    assert [line.level for line in inside.sweep()] == ["ok"]
    old = time.time() - LATE_SECONDS - 60
    os.utime(log, (old, old))
    (line,) = inside.sweep()
    assert (line.level, line.what) == ("problem", "the sweep last ran 4 minutes ago")


def test_the_summary_counts() -> None:
    assert summary([Line("ok", "x")]) == "all is well"
    assert summary([Line("problem", "x"), Line("warning", "y"), Line("warning", "z")]) == "1 problem, 2 warnings"


QUEUES = ("SendQueue", "SendDeadLetterQueue", "SweepFailureQueue")
SECRETS = {"meta": '{"app_secrets": ["x"]}', "kommo": "not json"}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Queues and outputs as of our template; the secrets beside it, because moto's stacks have none."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        store = boto3.client("secretsmanager")
        outputs = {
            f"{name.title()}SecretArn": store.create_secret(Name=name, SecretString=text)["ARN"]
            for name, text in SECRETS.items()
        }
        outputs["ApiUrl"] = "https://abc.execute-api.us-east-1.amazonaws.com"
        outputs["PublicOrigin"] = "https://chat.example.com"
        template = {
            "Resources": {name: {"Type": "AWS::SQS::Queue"} for name in QUEUES},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        boto3.client("cloudformation").create_stack(StackName="ventana-test", TemplateBody=json.dumps(template))
        yield "ventana-test"


def test_a_deployed_stack_is_found_by_its_name(stack: str) -> None:
    found = find({"STACK": stack, "TOKEN": "operator"})
    assert (found.origin, found.api) == ("https://chat.example.com", "https://abc.execute-api.us-east-1.amazonaws.com")
    assert found.name == "the stack ventana-test"
    assert found.inside.deployment() == [Line("ok", "the last deployment is create complete")]
    assert found.token == "operator"
    meta = found.secrets["meta"]
    assert isinstance(meta, ProviderSecrets)
    assert meta.every("app_secrets") == ("x",)
    assert found.secrets["kommo"] == "its secret is not a JSON object"
    assert found.secrets["twilio"] == "the stack has no output that names its secret"
    with pytest.raises(PlaceFailed, match=r"the stack nobody cannot be read \(ValidationError\): see that the profile"):
        find({"STACK": "nobody"})


def test_the_queues_of_a_stack_are_looked_into(stack: str) -> None:
    inside = AwsInside(stack, "UPDATE_COMPLETE")
    assert inside.queues() == [Line("ok", "2 dead letter queues are empty, and nothing waits long in the others")]
    boto3.client("sqs").send_message(QueueUrl=inside._id("SendDeadLetterQueue"), MessageBody="x")
    (line,) = inside.queues()
    assert (line.level, line.what) == ("problem", "SendDeadLetterQueue holds 1 that nobody could handle")


def test_what_the_profile_may_not_see_is_a_warning(stack: str) -> None:
    inside = AwsInside(stack, "UPDATE_COMPLETE")
    assert [line.level for line in (*inside.migrations(), *inside.sweep())] == ["warning", "warning"]


@pytest.mark.parametrize(
    ("status", "level"),
    [("UPDATE_ROLLBACK_COMPLETE", "problem"), ("UPDATE_IN_PROGRESS", "warning"), ("UPDATE_COMPLETE", "ok")],
)
def test_a_deployment_that_did_not_go_through_is_told(stack: str, status: str, level: str) -> None:
    (line,) = AwsInside(stack, status).deployment()
    assert (line.level, line.what) == (level, f"the last deployment is {status.lower().replace('_', ' ')}")


def measured(namespace: str, metric: str, dimension: str, of: str, value: float) -> None:
    """As AWS writes it down a minute ago."""
    point: Any = {
        "MetricName": metric,
        "Dimensions": [{"Name": dimension, "Value": of}],
        "Timestamp": datetime.now(UTC) - timedelta(minutes=1),
        "Value": value,
    }
    boto3.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[point])


@pytest.mark.parametrize("runs", [True, False])
def test_a_sweep_of_a_stack_is_seen_by_its_invocations(stack: str, runs: bool) -> None:
    inside = AwsInside(stack, "UPDATE_COMPLETE")
    inside._resources["WindowSweep"] = {"PhysicalResourceId": "sweep"}
    measured("AWS/Lambda", "Invocations", "FunctionName", "sweep" if runs else "another", 1.0)
    (line,) = inside.sweep()
    assert line.level == ("ok" if runs else "problem")


def test_what_waits_long_in_a_queue_is_told(stack: str) -> None:
    inside = AwsInside(stack, "UPDATE_COMPLETE")
    url = inside._id("SendQueue")
    boto3.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    measured("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", url.rpartition("/")[2], 1200.0)
    (line,) = inside.queues()
    assert (line.level, line.what) == ("warning", "the oldest in SendQueue waits for 20 minutes")
