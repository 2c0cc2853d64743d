"""What an engineer is asked for, told and given back."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from infra.local.intrinsics import read_yaml
from tests.infra.stack import ROOT, Stack

MUST_BE_GIVEN = {"JwtIssuer", "JwtAudience"}
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
        ("DatabaseSecretArn", "", True),
        ("ApplicationRole", "ventana_app", True),
        ("ApplicationRole", "Robert'); drop", False),
        ("DatabaseInstanceClass", "db.r7g.large", True),
        ("DatabaseInstanceClass", "large", False),
        ("VpcId", "vpc-0abc", True),
        ("VpcId", "subnet-0abc", False),
        ("DomainName", "hooks.example.com", True),
        ("DomainName", "my_hooks.example.com", False),
        ("DomainName", "https://hooks.example.com", False),
        ("CertificateArn", "arn:aws:acm:eu-west-1:123456789012:certificate/0-1", True),
        ("HostedZoneId", "Z0ABC", True),
        ("ConsoleClientId", "", True),
        ("ConsoleClientId", "6a7b8c9d-client.apps.example", True),
        ("ConsoleClientId", "two words", False),
        ("ConsoleScope", "openid offline_access https://api.example.com/write", True),
        ("ConsoleScope", "openid  email", False),
        ("ConsoleScope", "", False),
        ("ConsoleAudience", "https://api.example.com", True),
        ("ConsoleTokenOrigin", "https://shop.auth.eu-west-1.amazoncognito.com", True),
        ("ConsoleTokenOrigin", "https://shop.example.com/oauth2", False),
        ("ConsoleTokenOrigin", "https://*.example.com", False),
        ("WriteScope", "ventana/write", True),
        ("WriteScope", "read write", False),
        ("CorsOrigins", "", True),
        ("CorsOrigins", "https://a.example.com,https://b.example.com", True),
        ("CorsOrigins", "*", False),
        ("CorsOrigins", "https://a.example.com, https://b.example.com", False),
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


RULES: dict[str, tuple[dict[str, Any], str]] = {
    # what is given, and the assertion that it breaks
    "an existing network has subnets": ({"NetworkMode": "existing", "SecurityGroupIds": ["sg-1"]}, "needs SubnetIds"),
    "and security groups": ({"NetworkMode": "existing", "SubnetIds": ["subnet-1"]}, "needs SecurityGroupIds"),
    "an existing database has a secret": ({"DatabaseMode": "existing"}, "needs DatabaseSecretArn"),
    "a new database has a network": ({"NetworkMode": "none"}, "reached from a VPC only"),
    "and subnets in it": (
        {"NetworkMode": "existing", "SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        "needs VpcId and DatabaseSubnetIds",
    ),
    "a domain has a certificate": ({"DomainName": "hooks.example.com"}, "needs CertificateArn"),
}
ALLOWED: list[dict[str, Any]] = [
    {},
    {"NetworkMode": "none", "DatabaseMode": "existing", "DatabaseSecretArn": "arn"},
    {
        "NetworkMode": "existing",
        "VpcId": "vpc-1",
        "SubnetIds": ["subnet-1"],
        "DatabaseSubnetIds": ["subnet-2"],
        "SecurityGroupIds": ["sg-1"],
    },
    {"DomainName": "hooks.example.com", "CertificateArn": "arn"},
]


def broken(stack: Stack, given: dict[str, Any]) -> list[str]:
    """What CloudFormation would say to these parameters, by the template's Rules."""
    values = {name: parameter.get("Default", "given") for name, parameter in stack.source["Parameters"].items()}
    lists = {name for name, parameter in stack.source["Parameters"].items() if parameter["Type"] != "String"}
    values = {
        name: value.split(",") if name in lists and isinstance(value, str) else value for name, value in values.items()
    }
    values |= given

    def holds(node: Any) -> Any:
        match node:
            case {"Ref": name}:
                return values[name]
            case {"Fn::Equals": [left, right]}:
                return holds(left) == holds(right)
            case {"Fn::Contains": [some, one]}:
                return holds(one) in holds(some)
            case {"Fn::Not": [one]}:
                return not holds(one)
            case {"Fn::And": every}:
                return all(holds(each) for each in every)
        assert isinstance(node, str), f"{node} is nothing that a rule may use"
        return node

    return [
        assertion["AssertDescription"]
        for rule in stack.source["Rules"].values()
        if holds(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not holds(assertion["Assert"])
    ]


@pytest.mark.parametrize("name", RULES)
def test_what_does_not_go_together_is_refused_before_anything_is_made(stack: Stack, name: str) -> None:
    given, said = RULES[name]
    assert any(said in refused for refused in broken(stack, given))


@pytest.mark.parametrize("given", ALLOWED)
def test_what_goes_together_is_taken(stack: Stack, given: dict[str, Any]) -> None:
    assert broken(stack, given) == []


@pytest.mark.parametrize("name", ["Network", "Database", "Monitoring"])
def test_a_nested_template_gets_parameters_that_it_has(stack: Stack, name: str) -> None:
    nested = stack.source["Resources"][name]["Properties"]
    declared = read_yaml(ROOT / nested["TemplateURL"])["Parameters"]
    required = {parameter for parameter, spec in declared.items() if "Default" not in spec}
    assert required <= set(nested["Parameters"]) <= set(declared)


def test_what_is_taken_from_a_nested_template_is_given_by_it(stack: Stack) -> None:
    text = (ROOT / "template.yaml").read_text()
    for name in ("Network", "Database"):
        declared = read_yaml(ROOT / stack.source["Resources"][name]["Properties"]["TemplateURL"])["Outputs"]
        assert set(re.findall(rf"{name}\.Outputs\.(\w+)", text)) <= set(declared)
