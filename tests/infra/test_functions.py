"""What is true of every function, and how a deployment brings them and the database forward together."""

from __future__ import annotations

import pytest

from tests.infra.stack import ROOT, Stack, referred, without_hash

FOLDERS = {
    "KommoWebhook": "functions/kommo_webhook/",
    "MetaWebhook": "functions/meta_webhook/",
    "TwilioWebhook": "functions/twilio_webhook/",
    "Api": "functions/api/",
    "Sender": "functions/sender/",
    "SpillDrain": "functions/spill_drain/",
    "Media": "functions/media/",
    "ContactLookup": "functions/contact_lookup/",
    "WindowSweep": "functions/window_sweep/",
    "Reconcile": "functions/reconcile/",
    "Echo": "functions/echo_bot/",
    "Migrator": "functions/migrator/",
}
WITH_TWILIO = {"TwilioWebhook", "Sender", "Reconcile"}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_function_is_what_its_folder_says(stack: Stack, name: str) -> None:
    written = stack.source["Resources"][name]
    function = stack.properties(name)
    assert written["Properties"]["CodeUri"] == FOLDERS[name]
    assert written["Metadata"] == {"BuildMethod": "makefile", "ContextPath": "functions"}
    assert function["Handler"] == "app.handler"
    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]
    assert (ROOT / FOLDERS[name] / "app.py").is_file()


def test_every_folder_under_functions_is_deployed(stack: Stack) -> None:
    folders = {f"functions/{path.parent.name}/" for path in ROOT.glob("functions/*/app.py")}
    assert set(stack.functions()) == set(FOLDERS)
    assert folders <= set(FOLDERS.values())


@pytest.mark.parametrize("name", FOLDERS)
def test_a_function_has_the_layers_that_it_imports(stack: Stack, name: str) -> None:
    layers = without_hash(referred(layer) for layer in stack.properties(name)["Layers"])
    assert layers == (["VentanaLayer", "TwilioLayer"] if name in WITH_TWILIO else ["VentanaLayer"])


@pytest.mark.parametrize("name", FOLDERS)
def test_a_function_logs_json_into_a_group_that_forgets(stack: Stack, name: str) -> None:
    function = stack.properties(name)
    group = referred(function["LoggingConfig"]["LogGroup"])
    assert function["LoggingConfig"]["LogFormat"] == "JSON"
    assert group == f"{name}Logs"
    assert stack.properties(group)["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert stack.properties(group)["LogGroupName"] == {"Fn::Sub": f"/aws/lambda/${{AWS::StackName}}-{name}"}


def test_every_log_group_forgets(stack: Stack) -> None:
    for group in stack.of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_function_is_traced_and_enters_the_vpc_when_there_is_one(stack: Stack, name: str) -> None:
    function = stack.properties(name)
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["VpcConfig"] == {
        "Fn::If": [
            "InVpc",
            {"SubnetIds": {"Ref": "SubnetIds"}, "SecurityGroupIds": {"Ref": "SecurityGroupIds"}},
            {"Ref": "AWS::NoValue"},
        ]
    }


def test_the_api_gives_up_before_its_gateway_does(stack: Stack) -> None:
    assert stack.properties("Api")["Timeout"] < 30


def test_the_database_is_migrated_before_any_function_changes(stack: Stack) -> None:
    waiting = {name for name in stack.functions() if stack.resources[name].get("DependsOn") == "Migration"}
    assert waiting == set(FOLDERS) - {"Migrator"}


def test_a_changed_migrations_folder_or_database_runs_the_migrator(stack: Stack) -> None:
    migration = stack.properties("Migration")
    versions = stack.of_type("AWS::Lambda::Version")
    assert referred(migration["ServiceToken"]) == "Migrator"
    assert referred(migration["MigrationsHash"]) in versions
    assert referred(migration["Database"]) == "DatabaseSecretArn"


def test_a_migrator_has_all_the_time_that_lambda_gives_and_is_not_started_twice(stack: Stack) -> None:
    once = stack.properties("MigratorInvokedOnce")
    assert stack.properties("Migrator")["Timeout"] == 900 < stack.properties("Migration")["ServiceTimeout"]
    assert (referred(once["FunctionName"]), once["Qualifier"], once["MaximumRetryAttempts"]) == (
        "Migrator",
        "$LATEST",
        0,
    )
    assert stack.resources["Migration"]["DependsOn"] == "MigratorInvokedOnce"
