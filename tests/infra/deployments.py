"""Systems with several sets of parameters, deployed when somebody asks for one, and what is read of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias
from unittest.mock import patch

from tests.infra.calls import client
from tests.infra.deploying import System, cloud, deploy
from tests.infra.nested import ACCOUNT, REGION

ZONE = "Z0123456789ABCDEFGHIJ"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
MUST = {"JwtIssuer": "https://issuer.example.com/", "JwtAudience": "ventana,console"}
ELSEWHERE = {"NetworkMode": "none", "DatabaseMode": "existing", "DatabaseSecretArn": f"{SECRET}:pooler-abcdef"}
TOPIC = {"AlarmTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"}
SETS: dict[str, dict[str, str]] = {
    "prod": {**TOPIC, "Stage": "prod", "WebhookConcurrency": "50", "MediaRetentionDays": "90"},
    "dev": {},
    "brought": {
        "NetworkMode": "existing",
        "DatabaseMode": "existing",
        "DatabaseSecretArn": f"{SECRET}:app-abcdef",
        "OwnerSecretArn": f"{SECRET}:owner-abcdef",
    },
    "supabase": {**ELSEWHERE, "EchoBot": "true", "StoreMedia": "false"},
    "domain": {
        **ELSEWHERE,
        "DomainName": "hooks.example.com",
        "CertificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1",
        "HostedZoneId": ZONE,
        "CorsOrigins": "https://a.example.com,https://b.example.com",
        "ConsoleClientId": "console",
        "ConsoleScope": "openid email",
        "WriteScope": "ventana/write",
    },
}
NEW = ("prod", "dev")
"""Those with a network and a database of their own."""
Deployed: TypeAlias = Callable[[str], System]


@contextmanager
def account() -> Iterator[Deployed]:
    """An account with what some sets take for there already; the system that each set makes, once it is asked for."""
    with cloud():
        vpc = client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
        blocks = [f"10.1.{number}.0/24" for number in range(4)]
        subnets = [client("ec2").create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"] for block in blocks]
        group = client("ec2").create_security_group(GroupName="brought", Description="brought", VpcId=vpc)["GroupId"]
        brought = {"SubnetIds": subnets[:2], "ProviderSubnetIds": subnets[2:], "SecurityGroupIds": [group]}
        with patch("moto.route53.models.create_route53_zone_id", lambda **_: ZONE):
            client("route53").create_hosted_zone(Name="example.com", CallerReference="once")

        @cache
        def made(name: str) -> System:
            more = {key: ",".join(ids) for key, ids in brought.items()} if name == "brought" else {}
            return deploy(name, {**MUST, **SETS[name], **more})

        yield made


def function(system: System, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client("lambda").get_function_configuration(FunctionName=system.ids[name])
    return found


def functions(system: System) -> dict[str, dict[str, Any]]:
    return {name: function(system, name) for name in system.of_kind("AWS::Lambda::Function")}


def attributes(system: System, name: str) -> dict[str, str]:
    answer = client("sqs").get_queue_attributes(QueueUrl=system.ids[name], AttributeNames=["All"])
    found: dict[str, str] = answer["Attributes"]
    return found


def arn(system: System, name: str) -> str:
    """The ARN of a queue."""
    return attributes(system, name)["QueueArn"]
