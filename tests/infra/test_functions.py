"""What is true of every function, and how a deployment brings them and the database forward together."""

from __future__ import annotations

import pytest

from tests.infra.stack import ROOT, Stack, listed, named_in, referred, when, without_hash

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
    "HealthCheck": "functions/health_check/",
}
WITH_TWILIO = {"TwilioWebhook", "Sender", "Reconcile"}
CALL_PROVIDERS = {"Sender", "Media", "ContactLookup", "Reconcile", "HealthCheck"}
WITH_TRAFFIC = {"KommoWebhook", "MetaWebhook", "TwilioWebhook", "Api", "Sender"}
"""Those whose new version takes over step by step, and not before credentials were tried."""


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
def test_a_function_is_traced_and_has_a_way_out_only_if_it_calls_providers(stack: Stack, name: str) -> None:
    function = stack.properties(name)
    assert function["TracingConfig"] == {"Mode": "Active"}
    network = when("InVpc", function["VpcConfig"])
    kind = "Provider" if name in CALL_PROVIDERS else "Function"
    subnets, groups = (when("MakesNetwork", network[key]) for key in ("SubnetIds", "SecurityGroupIds"))
    assert subnets == {"Fn::Split": [",", {"Fn::GetAtt": ["Network", f"Outputs.{kind}SubnetIds"]}]}
    assert groups == [{"Fn::GetAtt": ["Network", f"Outputs.{kind}SecurityGroupId"]}]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_new_layer_or_variable_is_a_new_version_behind_the_alias(stack: Stack, name: str) -> None:
    assert stack.source["Resources"][name]["Properties"]["AutoPublishAliasAllProperties"] is True
    alias = stack.properties(f"{name}Aliaslive")
    assert (referred(alias["FunctionName"]), alias["Name"]) == (name, "live")


@pytest.mark.parametrize("name", FOLDERS)
def test_the_value_of_each_parameter_makes_a_version(stack: Stack, name: str) -> None:
    """SAM looks at the names of parameters: without their values in it, a changed one would never be live."""
    (version,) = [
        version
        for logical, version in stack.of_type("AWS::Lambda::Version").items()
        if referred(version["FunctionName"]) == name
    ]
    of_versions = {key: value for key, value in stack.properties(name).items() if key != "ReservedConcurrentExecutions"}
    taken = named_in(of_versions) & set(stack.source["Parameters"])
    assert taken <= named_in(version["Description"])


@pytest.mark.parametrize("name", FOLDERS)
def test_a_function_that_somebody_waits_for_starts_from_a_snapshot(stack: Stack, name: str) -> None:
    wanted = {"ApplyOn": "PublishedVersions"} if name in WITH_TRAFFIC else None
    assert stack.properties(name).get("SnapStart") == wanted


def test_a_release_takes_over_step_by_step_and_goes_back_when_the_alarm_rings(stack: Stack) -> None:
    groups = stack.of_type("AWS::CodeDeploy::DeploymentGroup")
    assert set(groups) == {f"{name}DeploymentGroup" for name in WITH_TRAFFIC}
    for name, group in groups.items():
        alarm = "SenderDeploymentAlarm" if name == "SenderDeploymentGroup" else "DeploymentAlarm"
        assert group["AlarmConfiguration"] == {"Enabled": True, "Alarms": [{"Name": {"Ref": alarm}}]}
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    for name in WITH_TRAFFIC:
        policy = stack.resources[f"{name}Aliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert policy["DeploymentGroupName"] == {"Ref": f"{name}DeploymentGroup"}


def test_nobody_waits_for_himself(stack: Stack) -> None:
    """CloudFormation refuses a circle only when it is deployed, and functions, API and alarms name each other."""
    needs = {
        name: {
            other
            for other in (
                *named_in(resource.get("Properties")),
                *named_in(resource.get("UpdatePolicy")),
                *listed(resource.get("DependsOn", [])),
            )
            if other in stack.resources and other != name
        }
        for name, resource in stack.resources.items()
    }
    while free := {name for name, others in needs.items() if not others}:
        needs = {name: others - free for name, others in needs.items() if name not in free}
    assert needs == {}


def test_the_api_gives_up_before_its_gateway_does(stack: Stack) -> None:
    assert stack.properties("Api")["Timeout"] < 30


def test_the_database_is_migrated_before_any_function_changes(stack: Stack) -> None:
    waiting = {name for name in stack.functions() if "Migration" in listed(stack.resources[name].get("DependsOn"))}
    assert waiting == set(FOLDERS) - {"Migrator"}


def test_credentials_are_tried_before_any_traffic_moves(stack: Stack) -> None:
    waiting = {name for name in stack.functions() if "Credentials" in listed(stack.resources[name].get("DependsOn"))}
    assert waiting == WITH_TRAFFIC
    credentials = stack.properties("Credentials")
    assert referred(credentials["ServiceToken"]) == "HealthCheck"
    assert referred(credentials["Release"]) in stack.of_type("AWS::Lambda::Version")
    assert stack.properties("HealthCheck")["Timeout"] < credentials["ServiceTimeout"]


def test_a_changed_migrations_folder_or_database_runs_the_migrator(stack: Stack) -> None:
    migration = stack.properties("Migration")
    versions = stack.of_type("AWS::Lambda::Version")
    assert referred(migration["ServiceToken"]) == "Migrator"
    assert referred(migration["MigrationsHash"]) in versions
    assert migration["Database"]["Fn::If"] == [
        "MakesDatabase",
        {"Fn::GetAtt": ["Database", "Outputs.DatabaseResourceId"]},
        {"Ref": "DatabaseSecretArn"},
    ]


def test_a_migrator_has_all_the_time_that_lambda_gives_and_is_not_started_twice(stack: Stack) -> None:
    once = stack.properties("MigratorInvokedOnce")
    assert stack.properties("Migrator")["Timeout"] == 900 < stack.properties("Migration")["ServiceTimeout"]
    assert (referred(once["FunctionName"]), once["Qualifier"], once["MaximumRetryAttempts"]) == (
        "Migrator",
        "$LATEST",
        0,
    )
    assert stack.resources["Migration"]["DependsOn"] == "MigratorInvokedOnce"
