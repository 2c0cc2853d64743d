"""What an engineer is asked for, told and given back."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from tests.infra.stack import ROOT, Stack

MUST_BE_GIVEN = {"DatabaseSecretArn", "JwtIssuer", "JwtAudience"}
CONSTRAINTS = {"AllowedPattern", "AllowedValues", "MinValue"}


@pytest.fixture
def parameters(stack: Stack) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = stack.source["Parameters"]
    return found


def test_each_parameter_says_what_it_is_and_what_it_takes(parameters: dict[str, dict[str, Any]]) -> None:
    for name, parameter in parameters.items():
        assert parameter["Description"].endswith("."), name
        assert CONSTRAINTS & set(parameter), name
        assert ("AllowedPattern" in parameter) == ("ConstraintDescription" in parameter), name


def test_each_parameter_has_a_default_unless_guessing_would_deploy_something_useless(
    parameters: dict[str, dict[str, Any]],
) -> None:
    assert {name for name, parameter in parameters.items() if "Default" not in parameter} == MUST_BE_GIVEN


def test_each_parameter_is_shown_in_a_group(stack: Stack, parameters: dict[str, dict[str, Any]]) -> None:
    groups = stack.source["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(parameters)


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("DatabaseSecretArn", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ventana/db-AbC123", True),
        ("DatabaseSecretArn", "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:rds!db-1-AbC123", True),
        ("DatabaseSecretArn", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ventana", False),
        ("DatabaseSecretArn", "ventana/db", False),
        ("JwtIssuer", "https://login.example.com/tenant/", True),
        ("JwtIssuer", "http://login.example.com", False),
        ("JwtIssuer", "", False),
        ("JwtAudience", "ventana-api", True),
        ("JwtAudience", "", False),
        ("SubnetIds", "", True),
        ("SubnetIds", "subnet-0abc", True),
        ("SubnetIds", "sg-0abc", False),
        ("SecurityGroupIds", "", True),
        ("SecurityGroupIds", "sg-0abc", True),
        ("PublicBaseUrl", "", True),
        ("PublicBaseUrl", "https://hooks.example.com", True),
        ("PublicBaseUrl", "https://hooks.example.com/stage", True),
        ("PublicBaseUrl", "https://hooks.example.com/", False),
        ("PublicBaseUrl", "http://hooks.example.com", False),
        ("ReconcileProviders", "twilio", True),
        ("ReconcileProviders", "", True),
        ("ReconcileProviders", "meta", False),
    ],
)
def test_a_mistyped_parameter_is_refused(
    parameters: dict[str, dict[str, Any]], name: str, value: str, taken: bool
) -> None:
    assert bool(re.fullmatch(parameters[name]["AllowedPattern"], value)) is taken


def test_addresses_to_copy_are_given_back(stack: Stack) -> None:
    outputs = stack.source["Outputs"]
    assert {
        "ApiUrl",
        "KommoWebhookUrl",
        "MetaWebhookUrl",
        "TwilioWebhookUrl",
        "TwilioStatusUrl",
        "SendQueueUrl",
        "BulkQueueUrl",
        "SendDeadLetterQueueUrl",
        "EventBusName",
    } <= set(outputs)
    assert all(output["Description"] for output in outputs.values())


def test_each_stage_deploys_a_stack_of_its_own_with_parameters_that_exist(
    parameters: dict[str, dict[str, Any]],
) -> None:
    stages = tomllib.loads((ROOT / "samconfig.toml").read_text())
    deployments = [stage["deploy"]["parameters"] for name, stage in stages.items() if name != "version"]
    assert {"dev", "staging", "prod"} <= set(stages)
    assert len({deployment["stack_name"] for deployment in deployments}) == len(deployments)
    for deployment in deployments:
        overridden = dict(pair.split("=") for pair in deployment["parameter_overrides"])
        assert set(overridden) <= set(parameters)
        assert not set(overridden) & MUST_BE_GIVEN
