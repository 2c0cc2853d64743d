"""Calls to a service with the properties that CloudFormation has for a resource.

A call gets every property, under the name and with the type that the service's API has; one that the API does not know
raises. So what is read back is what the service was told, and nothing was left out on the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3

from tests.infra.nested import ACCOUNT, REGION


@dataclass(frozen=True)
class Asked:
    """A resource that is to be: its type, the name that CloudFormation would give it, its properties, its stack."""

    kind: str
    name: str
    properties: Mapping[str, Any]
    stack: str


@cache
def client(service: str) -> Any:
    """An ordinary client."""
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def call(service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One call, its parameters with the types that the API has for them."""
    chosen = client(service)
    model = chosen.meta.service_model.operation_model(chosen.meta.method_to_api_mapping[operation])
    answer: dict[str, Any] = getattr(chosen, operation)(**_shaped(parameters, model.input_shape, operation))
    return answer


def _shaped(value: Any, shape: Any, path: str) -> Any:
    match shape.type_name:
        case "structure":
            known = {name.lower(): name for name in shape.members}
            unknown = {key for key in value if key.lower() not in known}
            assert not unknown, f"{path} has no {unknown}"
            named = {known[key.lower()]: each for key, each in value.items()}
            return {name: _shaped(each, shape.members[name], f"{path}.{name}") for name, each in named.items()}
        case "list":
            return [_shaped(each, shape.member, path) for each in (value if isinstance(value, list) else [value])]
        case "map":
            pairs = {each["Key"]: each["Value"] for each in value} if isinstance(value, list) else value
            return {key: _shaped(each, shape.value, f"{path}.{key}") for key, each in pairs.items()}
        case "integer" | "long":
            return int(value)
        case "double" | "float":
            return float(value)
        case "boolean":
            return str(value).lower() == "true"
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


@dataclass(frozen=True)
class Call:
    """The call that makes a resource. Texts may name what was asked, the answer, {name}, and those of AROUND."""

    service: str
    create: str
    ref: str = "{name}"
    name: str = ""
    """The parameter that takes a name where the template gives none."""
    naming: Callable[[str, Mapping[str, Any]], str] = lambda name, _: name
    """What CloudFormation makes of a name, where the service does not take every one."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    update: str = ""
    """What changes it in place; empty where CloudFormation makes another one."""
    replaces: tuple[str, ...] = ()
    """Properties that a change in place cannot be of."""
    updated: str = ""
    """The parameter of that call which takes what Ref means, where it is no property."""
    before: Callable[[dict[str, Any]], dict[str, Any]] = dict
    """Properties that the API has elsewhere."""
    then: Callable[[dict[str, Any], str], None] | None = None
    """Properties that the API takes in calls of their own."""
    apart: tuple[str, ...] = ()
    """The properties that `then` is for."""

    def make(self, asked: Asked) -> tuple[str, dict[str, Any]]:
        """Make it; what Ref means, and its attributes."""
        named = self._named(asked)
        answer = call(self.service, self.create, self._parameters(named, self.apart))
        known = {"region": REGION, "account": ACCOUNT, "name": asked.name, **named, **answer}
        ref = self.ref.format_map(known)
        if self.then:
            self.then(named, ref)
        known["ref"] = ref
        return ref, {name: text.format_map(known) for name, text in self.attributes.items()}

    def change(self, asked: Asked, ref: str) -> None:
        """Give it other properties."""
        named = self._named(asked)
        chosen = client(self.service)
        shape = chosen.meta.service_model.operation_model(chosen.meta.method_to_api_mapping[self.update]).input_shape
        known = {name.lower() for name in shape.members}
        taken = {key: value for key, value in self._parameters(named, ()).items() if key.lower() in known}
        call(self.service, self.update, taken | ({self.updated: ref} if self.updated else {}))
        if self.then:
            self.then(named, ref)

    def _named(self, asked: Asked) -> dict[str, Any]:
        own = {self.name: self.naming(asked.name, asked.properties)} if self.name else {}
        return own | dict(asked.properties)

    def _parameters(self, named: dict[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
        kept = {self.renamed.get(key, key): value for key, value in named.items() if key not in without}
        return self.before(kept)


# ---- What takes more than one call ----


def function(named: dict[str, Any], ref: str) -> None:
    if "ReservedConcurrentExecutions" in named:
        count = {"ReservedConcurrentExecutions": named["ReservedConcurrentExecutions"]}
        call("lambda", "put_function_concurrency", {"FunctionName": ref, **count})


def role(named: dict[str, Any], ref: str) -> None:
    for policy in named.get("Policies", []):
        # SAM leaves out the version of what it writes itself, which AWS takes and moto does not.
        document = {"Version": "2012-10-17", **policy["PolicyDocument"]}
        call("iam", "put_role_policy", {"RoleName": ref, **policy, "PolicyDocument": document})
    for arn in named.get("ManagedPolicyArns", []):
        if ":iam::aws:" not in arn:  # moto knows AWS's own only when it is told to load them
            call("iam", "attach_role_policy", {"RoleName": ref, "PolicyArn": arn})


def bucket(named: dict[str, Any], ref: str) -> None:
    rules = [
        {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
        for rule in named["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    ]
    call("s3", "put_bucket_encryption", {"Bucket": ref, "ServerSideEncryptionConfiguration": {"Rules": rules}})
    for name, operation in (
        ("PublicAccessBlockConfiguration", "put_public_access_block"),
        ("OwnershipControls", "put_bucket_ownership_controls"),
    ):
        call("s3", operation, {"Bucket": ref, name: named[name]})
    if "LifecycleConfiguration" in named:
        kept = [
            {
                "ID": rule["Id"],
                "Status": rule["Status"],
                "Filter": {"Prefix": rule["Prefix"]},
                "Expiration": {"Days": rule["ExpirationInDays"]},
            }
            for rule in named["LifecycleConfiguration"]["Rules"]
        ]
        configuration = {"LifecycleConfiguration": {"Rules": kept}}
        call("s3", "put_bucket_lifecycle_configuration", {"Bucket": ref, **configuration})


def bucket_place(given: dict[str, Any]) -> dict[str, Any]:
    return {**given, "CreateBucketConfiguration": {"LocationConstraint": REGION}}


def group(named: dict[str, Any], ref: str) -> None:
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    client("ec2").revoke_security_group_egress(GroupId=ref, IpPermissions=everything)
    for name, operation in (
        ("SecurityGroupIngress", "authorize_security_group_ingress"),
        ("SecurityGroupEgress", "authorize_security_group_egress"),
    ):
        for rule in named.get(name, []):
            said = {"Description": rule["Description"]}
            other = rule.get("SourceSecurityGroupId") or rule.get("DestinationSecurityGroupId")
            ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
            whom = (
                {"UserIdGroupPairs": [{"GroupId": other, **said}]}
                if other
                else {"IpRanges": [{"CidrIp": rule["CidrIp"], **said}]}
            )
            call("ec2", operation, {"GroupId": ref, "IpPermissions": [{**ports, **whom}]})


def vpc(named: dict[str, Any], ref: str) -> None:
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        call("ec2", "modify_vpc_attribute", {"VpcId": ref, name: {"Value": named[name]}})


def api(named: dict[str, Any], ref: str) -> None:
    """What API Gateway makes of an OpenAPI document; moto's own import leaves authorizers out."""
    body = named["Body"]
    authorizers = {}
    for name, scheme in body["components"]["securitySchemes"].items():
        own = scheme["x-amazon-apigateway-authorizer"]
        about = {"Name": name, "AuthorizerType": own["type"].upper(), "IdentitySource": own["identitySource"]}
        made = {"ApiId": ref, **about, "JwtConfiguration": own["jwtConfiguration"]}
        authorizers[name] = call("apigatewayv2", "create_authorizer", made)["AuthorizerId"]
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            to = operation["x-amazon-apigateway-integration"]
            integration = {
                "ApiId": ref,
                "IntegrationType": to["type"].upper(),
                "IntegrationMethod": to["httpMethod"],
                "IntegrationUri": to["uri"],
                "PayloadFormatVersion": to["payloadFormatVersion"],
            }
            target = call("apigatewayv2", "create_integration", integration)["IntegrationId"]
            (guard,) = [name for one in operation["security"] for name in one]
            closed = {"AuthorizationType": "JWT", "AuthorizerId": authorizers[guard]} if guard != "NONE" else {}
            route = {"ApiId": ref, "RouteKey": f"{method.upper()} {path}", "Target": f"integrations/{target}"}
            call("apigatewayv2", "create_route", {**route, **closed})


def api_itself(given: dict[str, Any]) -> dict[str, Any]:
    body = given["Body"]
    (server,) = body["servers"]
    cors = {"CorsConfiguration": body[CORS]} if CORS in body else {}
    return {"Name": body["info"]["title"], "ProtocolType": "HTTP", **server[ENDPOINT], **cors}


CORS, ENDPOINT = "x-amazon-apigateway-cors", "x-amazon-apigateway-endpoint-configuration"


def retention(named: dict[str, Any], ref: str) -> None:
    call("logs", "put_retention_policy", {"LogGroupName": ref, "RetentionInDays": named["RetentionInDays"]})


def tagged(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def moved(given: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in given.items() if key != "Tags"}
        tags = {"TagSpecifications": [{"ResourceType": kind, "Tags": given["Tags"]}]} if "Tags" in given else {}
        return kept | tags

    return moved


def server(given: dict[str, Any]) -> dict[str, Any]:
    # CloudFormation keeps these for the day when it changes or deletes the server.
    later = ("AllowMajorVersionUpgrade", "DeleteAutomatedBackups")
    return {key: value for key, value in given.items() if key not in later}


def settings(named: dict[str, Any], ref: str) -> None:
    settings = [
        {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
        for name, value in named["Parameters"].items()
    ]
    call("rds", "modify_db_parameter_group", {"DBParameterGroupName": ref, "Parameters": settings})


def proxy(given: dict[str, Any]) -> dict[str, Any]:
    return {"Auth": [], **given}  # moto asks for it, AWS not where DefaultAuthScheme is IAM_AUTH


def targets(named: dict[str, Any], ref: str) -> None:
    chosen = ("DBProxyName", "TargetGroupName", "DBInstanceIdentifiers")
    call("rds", "register_db_proxy_targets", {name: named[name] for name in chosen})


def targets_of_rule(named: dict[str, Any], ref: str) -> None:
    chosen = {"Rule": ref, "EventBusName": named["EventBusName"], "Targets": named["Targets"]}
    call("events", "put_targets", chosen)


def queue(given: dict[str, Any]) -> dict[str, Any]:
    asked = {key: value for key, value in given.items() if key not in ("QueueName", "Tags")}
    return {"QueueName": given["QueueName"], "Attributes": asked}


def queue_policy(given: dict[str, Any]) -> dict[str, Any]:
    (queue,) = given["Queues"]
    return {"QueueUrl": queue, "Attributes": {"Policy": given["PolicyDocument"]}}
