"""Templates from provider to customer: the reconciler asks the simulated providers, the API offers what they have
approved, and what it says is to be sent is taken by them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra.local.identity import Identity
from tests.functions.api_calls import CALLER, NOBODY, OURS, Api, Events, Load, Rows, a_conversation
from tests.functions.lambda_context import Context
from tests.functions.sending import record_of
from tests.local.world import World

NAMES = ["confirmar_visita", "pedido_listo", "retomar_consulta"]
HOUR_AGO = "update template_refreshes set refreshed_at = now() - interval '59 minutes' returning 1"
JUST_NOW = "update template_refreshes set refreshed_at = now() - interval '57 minutes' returning 1"


@pytest.fixture
def world(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The simulated providers; functions that are loaded after this have accounts there."""
    made = World(Identity.random())
    made.simulators.open()
    store = boto3.client("secretsmanager")
    for name, values in made.identity.stored_secrets().items():
        store.put_secret_value(SecretId=name.removesuffix("Secret").lower(), SecretString=json.dumps(values))
    monkeypatch.setenv("SIMULATOR_URL", made.simulators.url)
    monkeypatch.setenv("PUBLIC_BASE_URL", made.gateway.url)
    yield made
    made.stop()


@pytest.fixture
def call(world: World, load: Load, events: Events) -> Api:
    return Api(load, events, {"sub": CALLER})


def reconcile(load: Load, **event: Any) -> Any:
    return load("reconcile").handler(event, Context(200_000))["templates"]


def change(world: World, provider: str, **order: Any) -> None:
    status, answer = world.order("/account", provider=provider, **order)
    assert status == 200, answer


def filled(template: dict[str, Any]) -> dict[str, Any]:
    """What is to be sent, every parameter filled in with its example."""
    told = json.dumps(template["send"])
    for parameter in template["parameters"]:
        told = told.replace("{{" + parameter["key"] + "}}", parameter["example"] or "x")
    assert "{{" not in told
    found: dict[str, Any] = json.loads(told)
    return found


def test_the_first_run_asks_every_provider_that_sends_templates(world: World, load: Load, call: Api) -> None:
    assert reconcile(load) == {"meta": 3, "twilio": 3}
    for provider in ("meta", "twilio"):
        status, shown = call("GET", "/v1/templates", query=f"provider={provider}&address={OURS[provider]}")
        assert status == 200
        assert [each["name"] for each in shown["templates"]] == NAMES, "none that was rejected"
        assert {each["language"] for each in shown["templates"]} == {"es"}
        visit, order, greeting = shown["templates"]
        assert [button["text"] for button in visit["buttons"]] == ["Sí", "Otro día"]
        assert order["parameters"] == [{"key": "1", "example": "Ana"}, {"key": "2", "example": "4711"}]
        assert greeting["parameters"] == greeting["buttons"] == []
        assert shown["refreshed_at"] is not None


@pytest.mark.parametrize("provider", ["meta", "twilio"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_offered_is_taken_while_the_window_is_shut(
    world: World, load: Load, call: Api, rows: Rows, aws: dict[str, str], provider: str, name: str
) -> None:
    reconcile(load)
    conversation = a_conversation(rows, provider, hours_ago=30)
    _, shown = call("GET", "/v1/templates", query=f"conversation_id={conversation}")
    template = filled(next(each for each in shown["templates"] if each["name"] == name))
    world.order("/customer", provider=provider, **{"from": "+5511987654321"}, text="hola", age_seconds=30 * 3600)
    body = {"conversation_id": conversation, "type": "template", "template": template}
    status, accepted = call("POST", "/v1/messages", body)
    assert status == 202, accepted
    record = record_of(accepted["id"], url=aws["SEND_QUEUE_URL"])
    assert load("sender").handler({"Records": [record]}, Context(60_000)) == {"batchItemFailures": []}
    _, sent = world.call("GET", f"/sent?provider={provider}")
    assert [(each["kind"], each["message_id"]) for each in sent["sent"]] == [("template", accepted["id"])]
    assert rows("select delivery_status, error_code from kommo_messages where id = %s", accepted["id"]) == [
        ("sending", None)
    ]


@pytest.mark.parametrize(("provider", "code"), [("meta", "132000"), ("twilio", "21656")])
def test_a_place_that_is_not_filled_in_is_refused_there(
    world: World, load: Load, call: Api, rows: Rows, aws: dict[str, str], provider: str, code: str
) -> None:
    """The simulated providers look as closely as the real ones."""
    reconcile(load)
    conversation = a_conversation(rows, provider)
    _, shown = call("GET", "/v1/templates", query=f"conversation_id={conversation}")
    template = filled(next(each for each in shown["templates"] if each["name"] == "pedido_listo"))
    for part in ("components", "variables"):
        template.pop(part, None)
    body = {"conversation_id": conversation, "type": "template", "template": template}
    _, accepted = call("POST", "/v1/messages", body)
    load("sender").handler({"Records": [record_of(accepted["id"], url=aws["SEND_QUEUE_URL"])]}, Context(60_000))
    assert rows("select delivery_status, error_code from kommo_messages where id = %s", accepted["id"]) == [
        ("failed", code)
    ]


def test_they_are_asked_once_an_hour_or_when_they_are_told_to(world: World, load: Load, rows: Rows) -> None:
    assert reconcile(load) == {"meta": 3, "twilio": 3}
    assert reconcile(load) == {}
    rows(JUST_NOW)
    assert reconcile(load) == {}
    rows(HOUR_AGO)
    assert reconcile(load) == {"meta": 3, "twilio": 3}
    assert reconcile(load, templates=True) == {"meta": 3, "twilio": 3}
    assert reconcile(load, templates="yes") == {}


def test_what_changes_there_changes_here(world: World, load: Load, call: Api) -> None:
    reconcile(load)
    change(world, "twilio", change={"contents": []})
    _, accounts = world.call("GET", "/accounts")
    paused = [{**each, "status": "PAUSED"} for each in accounts["accounts"]["meta"]["templates"][:1]]
    change(world, "meta", change={"templates": [*paused, *accounts["accounts"]["meta"]["templates"][1:]]})
    assert reconcile(load, templates=True) == {"meta": 2, "twilio": 0}
    assert call("GET", "/v1/templates", query="provider=twilio")[1]["templates"] == []
    shown = call("GET", "/v1/templates", query="provider=meta")[1]["templates"]
    assert [each["name"] for each in shown] == NAMES[:2]


@pytest.mark.parametrize("refuse", ["credentials", "rights"])
def test_a_provider_that_refuses_takes_nothing_away_and_stops_no_other(
    world: World, load: Load, call: Api, rows: Rows, refuse: str, capsys: pytest.CaptureFixture[str]
) -> None:
    reconcile(load)
    change(world, "meta", refuse=refuse)
    rows(HOUR_AGO)
    assert reconcile(load) == {"meta": "listing_failed", "twilio": 3}
    assert len(call("GET", "/v1/templates", query="provider=meta")[1]["templates"]) == 3
    assert reconcile(load) == {"meta": "listing_failed"}, "it is asked again in five minutes"
    printed = capsys.readouterr().out
    assert "templates_failed" in printed
    assert world.identity.meta_access_token not in printed


def test_a_provider_that_is_away_takes_nothing_away(
    world: World, load: Load, call: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile(load)
    monkeypatch.setenv("SIMULATOR_URL", "http://127.0.0.1:9")
    assert reconcile(load, templates=True) == {"meta": "unavailable", "twilio": "unavailable"}
    assert len(call("GET", "/v1/templates", query="provider=meta")[1]["templates"]) == 3


def test_a_provider_that_is_not_set_up_has_none(world: World, load: Load) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId="meta", SecretString="{}")
    assert reconcile(load) == {"twilio": 3}


def test_when_time_runs_out_they_are_asked_for_later(world: World, load: Load) -> None:
    late = load("reconcile").handler({}, Context(20_000))["templates"]
    assert late == {"meta": "unavailable", "twilio": "unavailable"}
    assert reconcile(load) == {"meta": 3, "twilio": 3}


def test_a_conversation_has_the_templates_of_its_address(world: World, load: Load, call: Api, rows: Rows) -> None:
    """Meta's go from the numbers of their account; Kommo sends none."""
    reconcile(load)
    ours, kommo = a_conversation(rows, "meta"), a_conversation(rows, "kommo", "+5511987650000")
    elsewhere = a_conversation(rows, "meta", "+5511987650001")
    rows("update kommo_conversations set business_address = '999' where id::text = %s returning 1", elsewhere)
    found = [call("GET", "/v1/templates", query=f"conversation_id={each}")[1] for each in (ours, elsewhere, kommo)]
    assert [len(each["templates"]) for each in found] == [3, 0, 0]
    assert found[2]["refreshed_at"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "provider"),
        (f"address={OURS['meta']}", "provider"),
        ("provider=sms", "provider"),
        ("provider=meta&address=a%20b", "address"),
        ("conversation_id=1", "conversation_id"),
        (f"conversation_id={NOBODY}&provider=meta", "conversation_id"),
    ],
)
def test_a_question_says_for_whom(call: Api, query: str, field: str) -> None:
    status, problem = call("GET", "/v1/templates", query=query)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert field in [each["field"] for each in problem["errors"]]


def test_a_conversation_that_is_none_has_none(call: Api) -> None:
    status, problem = call("GET", "/v1/templates", query=f"conversation_id={NOBODY}")
    assert (status, problem["code"]) == (404, "not_found")
