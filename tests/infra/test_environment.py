"""Each function gets the variables that it reads, by the names of ventana.settings."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.stack import ROOT, Stack, when
from ventana import settings as contract
from ventana.providers import PROVIDERS
from ventana.settings import Settings
from ventana.webhook import SPARE_SECONDS

EVERY = {
    "DATABASE_SECRET_ID",
    "DATABASE_HOST",
    "DATABASE_NAME",
    "DATABASE_USER",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
}
SPILL = {"SPILL_QUEUE_URL", "SPILL_BUCKET", "SPILL_TIMEOUT_MS"}
TURNS = {"SEND_QUEUE_URL", "BULK_QUEUE_URL"}
WEBHOOK = {"DATABASE_TIMEOUT_MS", "PUBLIC_BASE_URL", "MEDIA_QUEUE_URL", "EVENT_BUS_NAME"} | SPILL | TURNS
GIVEN = {
    "KommoWebhook": {"KOMMO_SECRET_ID"} | WEBHOOK,
    "MetaWebhook": {"META_SECRET_ID"} | WEBHOOK,
    "TwilioWebhook": {"TWILIO_SECRET_ID"} | WEBHOOK,
    "Api": {"DATABASE_TIMEOUT_MS", "EVENT_BUS_NAME", "WINDOW_MARGIN_SECONDS", "SETTLE_AFTER_SECONDS", "WRITE_SCOPE"}
    | {"MEDIA_BUCKET"}
    | TURNS
    | {"DEAD_LETTER_QUEUES"},
    "Sender": {
        "DATABASE_TIMEOUT_MS",
        "PUBLIC_BASE_URL",
        "KOMMO_SECRET_ID",
        "META_SECRET_ID",
        "TWILIO_SECRET_ID",
        "EVENT_BUS_NAME",
        "WINDOW_MARGIN_SECONDS",
        "LEASE_SECONDS",
        "PROVIDER_TIMEOUT_MS",
    }
    | TURNS,
    "SpillDrain": {"DATABASE_TIMEOUT_MS"} | SPILL | TURNS,
    "Media": {
        "DATABASE_TIMEOUT_MS",
        "KOMMO_SECRET_ID",
        "META_SECRET_ID",
        "TWILIO_SECRET_ID",
        "MEDIA_QUEUE_URL",
        "MEDIA_BUCKET",
        "MEDIA_MAX_BYTES",
        "LEASE_SECONDS",
    },
    "ContactLookup": {"DATABASE_TIMEOUT_MS", "KOMMO_SECRET_ID"},
    "WindowSweep": {
        "DATABASE_TIMEOUT_MS",
        "EVENT_BUS_NAME",
        "WINDOW_WARNING_MINUTES",
        "SETTLE_AFTER_SECONDS",
        "MEDIA_QUEUE_URL",
        "LOOKUP_QUEUE_URL",
    }
    | TURNS,
    "Reconcile": {"DATABASE_TIMEOUT_MS", "KOMMO_SECRET_ID", "META_SECRET_ID", "TWILIO_SECRET_ID", "RECONCILE_PROVIDERS"}
    | TURNS,
    "Echo": {"DATABASE_TIMEOUT_MS", "SEND_QUEUE_URL", "WINDOW_MARGIN_SECONDS"},
    "Migrator": {"APPLICATION_ROLE"},  # statements of a migration take as long as they take
    "HealthCheck": {"DATABASE_TIMEOUT_MS", "PUBLIC_BASE_URL", "KOMMO_SECRET_ID", "META_SECRET_ID", "TWILIO_SECRET_ID"},
}
LOCAL_ONLY = {"DATABASE_URL", "SIMULATOR_URL"}
BY_FIELD = {
    "send_queue_urls": TURNS,
    "bulk_queue_arn_end": {"BULK_QUEUE_URL"},
    "secret_id": set[str](),  # of whichever provider
    "secret_ids": set[str](),
}
"""Variables behind those members of the settings that have another name."""
PATIENCE = {"KommoWebhook": 2, "MetaWebhook": 5, "TwilioWebhook": 15}
"""Seconds after which a provider gives up."""
ASKED_FOR = PATIENCE | {"TwilioWebhook": 4}
"""And where we ask it to try again sooner than that: the options behind the webhook URL in README."""


class Recording(dict[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return default


def read_by_settings() -> set[str]:
    environment = Recording()
    Settings.from_environment(environment)
    return environment.asked | {f"{provider.upper()}_SECRET_ID" for provider in PROVIDERS}


def variables(stack: Stack, name: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.properties(name)["Environment"]["Variables"]
    return found


@pytest.mark.parametrize("name", GIVEN)
def test_a_function_gets_what_it_reads(stack: Stack, name: str) -> None:
    assert set(variables(stack, name)) == GIVEN[name] | EVERY


@pytest.mark.parametrize(
    "name", ["Api", "Sender", "SpillDrain", "Media", "ContactLookup", "WindowSweep", "Reconcile", "Echo"]
)
def test_a_function_reads_what_it_gets(stack: Stack, name: str) -> None:
    code = (ROOT / stack.source["Resources"][name]["Properties"]["CodeUri"] / "app.py").read_text()
    if "from ventana.api" in code:  # its routes live in the layer
        code += "".join(path.read_text() for path in (ROOT / "layers/ventana/ventana/api").glob("*.py"))
    fields = re.findall(r"settings\.(?:required\(\"|)(\w+)", code)
    read = {variable for field in fields for variable in BY_FIELD.get(field, {field.upper()})}
    if "SpillQueue(settings)" in code:
        read |= SPILL
    own = {variable for variable in GIVEN[name] if not variable.endswith("_SECRET_ID")} - {"DATABASE_TIMEOUT_MS"}
    assert read - {"DATABASE_TIMEOUT_MS"} - LOCAL_ONLY == own


def test_the_template_gives_exactly_what_settings_reads(stack: Stack) -> None:
    given = {name for function in stack.functions() for name in variables(stack, function)}
    # The role that the migrator lets in is no setting of the functions: they are it.
    ours = {name for name in given if not name.startswith("POWERTOOLS_")} - {"APPLICATION_ROLE"}
    assert ours == read_by_settings() - LOCAL_ONLY


def test_settings_documents_each_variable_that_it_reads() -> None:
    documented = set(re.findall(r"^([A-Z_]+)\b", contract.__doc__ or "", flags=re.MULTILINE))
    assert {name for name in read_by_settings() if name not in documented} <= {
        f"{provider.upper()}_SECRET_ID" for provider in PROVIDERS
    }
    assert documented <= read_by_settings()


@pytest.mark.parametrize("name", PATIENCE)
def test_a_webhook_answers_while_the_provider_listens_and_finishes_what_it_began(stack: Stack, name: str) -> None:
    given = variables(stack, name)
    statement = int(given["DATABASE_TIMEOUT_MS"]) / 1000
    spill = SPARE_SECONDS + 2 * int(given["SPILL_TIMEOUT_MS"]) / 1000
    assert statement < 0.75 * PATIENCE[name], "connecting, verifying and the way back take time as well"
    assert statement + spill < ASKED_FOR[name], "also when the server is silent and the queue answers late"
    assert stack.properties(name)["Timeout"] == PATIENCE[name] + 1


@pytest.mark.parametrize("name", [name for name in GIVEN if name != "Migrator"])
def test_the_database_is_given_up_before_the_function_is_killed(stack: Stack, name: str) -> None:
    assert int(variables(stack, name)["DATABASE_TIMEOUT_MS"]) < 1000 * stack.properties(name)["Timeout"]


def test_functions_go_through_the_proxy_and_migrations_past_it_as_the_owner(stack: Stack) -> None:
    hosts = {name: when("MakesDatabase", variables(stack, name)["DATABASE_HOST"]) for name in stack.functions()}
    direct = hosts.pop("Migrator")
    assert {str(host) for host in hosts.values()} == {str({"Fn::GetAtt": ["Database", "Outputs.ProxyEndpoint"]})}
    assert direct == {"Fn::GetAtt": ["Database", "Outputs.DatabaseEndpoint"]}
    owner = variables(stack, "Migrator")
    assert owner["DATABASE_USER"] == ""
    assert when("MakesDatabase", owner["DATABASE_SECRET_ID"]) == {"Fn::GetAtt": ["Database", "Outputs.MasterSecretArn"]}
    assert when("MakesDatabase", owner["APPLICATION_ROLE"]) == "ventana_app"


def test_no_function_behind_the_api_names_the_api(stack: Stack) -> None:
    """The API names its functions: naming it back is a circle that CloudFormation refuses."""
    for name in ("KommoWebhook", "MetaWebhook", "TwilioWebhook", "Api", "HealthCheck"):
        assert "HttpApi" not in str(variables(stack, name))


def test_values_are_the_stacks_own(stack: Stack) -> None:
    for name in stack.functions():
        found = variables(stack, name)
        existing = {"Ref": "DatabaseSecretArn"}
        if name != "Migrator":
            assert found["DATABASE_SECRET_ID"]["Fn::If"] == ["MakesDatabase", "", existing]
            assert found["DATABASE_USER"]["Fn::If"] == ["MakesDatabase", "ventana_app", ""]
        assert found.get("SEND_QUEUE_URL", {"Ref": "SendQueue"}) == {"Ref": "SendQueue"}
        assert found.get("BULK_QUEUE_URL", {"Ref": "BulkQueue"}) == {"Ref": "BulkQueue"}
        assert found.get("SETTLE_AFTER_SECONDS", {"Ref": "SettleAfterSeconds"}) == {"Ref": "SettleAfterSeconds"}
        assert found.get("EVENT_BUS_NAME", {"Ref": "EventBus"}) == {"Ref": "EventBus"}
        assert found.get("SPILL_QUEUE_URL", {"Ref": "SpillQueue"}) == {"Ref": "SpillQueue"}
        assert found.get("SPILL_BUCKET", {"Ref": "SpillBucket"}) == {"Ref": "SpillBucket"}
        assert when("StoresMedia", found.get("MEDIA_QUEUE_URL", {"Ref": "MediaQueue"})) == {"Ref": "MediaQueue"}
        assert when("StoresMedia", found.get("MEDIA_BUCKET", {"Ref": "MediaBucket"})) == {"Ref": "MediaBucket"}
        assert found.get("LOOKUP_QUEUE_URL", {"Ref": "LookupQueue"}) == {"Ref": "LookupQueue"}
        for provider in PROVIDERS:
            wanted = {"Ref": f"{provider.title()}Secret"}
            assert found.get(f"{provider.upper()}_SECRET_ID", wanted) == wanted
