"""Who may do what and reach whom in a deployed system, as AWS's own services say it; see test_deployed.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest

from infra.local.permissions import Statement, allowed
from tests.infra.calls import client
from tests.infra.deploying import System
from tests.infra.deployments import MUST, NEW, Deployed, account, arn, functions
from tests.infra.nested import ACCOUNT, REGION
from tests.infra.stack import listed
from tests.infra.test_routes import ROUTES

pytestmark = pytest.mark.slow
ASKED = ("prod", "dev", "brought", "supabase", "domain")


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with account() as made:
        yield made


@pytest.fixture(params=ASKED)
def system(request: pytest.FixtureRequest, deployed: Deployed) -> System:
    return deployed(request.param)


@pytest.fixture(params=NEW)
def whole(request: pytest.FixtureRequest, deployed: Deployed) -> System:
    """A system with a network and a database of its own."""
    return deployed(request.param)


# ---- Roles ----


def documents(role: str) -> list[dict[str, Any]]:
    """The policies of a role, its own and those attached to it."""
    iam = client("iam")
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    own = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        found = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]
        own.append(found["Document"])
    return own


@cache
def statements(role: str) -> list[Statement]:
    return [
        Statement(each["Effect"] == "Allow", tuple(listed(each["Action"])), tuple(listed(each["Resource"])))
        for document in documents(role)
        for each in document["Statement"]
    ]


def may(system: System, name: str, action: str, resource: str) -> bool:
    return allowed(statements(system.ids[f"{name}Role"]), action, resource)


def test_each_function_has_its_role(system: System) -> None:
    for name, found in functions(system).items():
        assert found["Role"].endswith(f"/{system.ids[f'{name}Role']}")


QUEUES_OF = {"Sender": {"SendQueue", "BulkQueue"}, "SpillDrain": {"SpillQueue"}, "Media": {"MediaQueue"}}
SECRETS_OF = {
    "KommoWebhook": {"Kommo"},
    "MetaWebhook": {"Meta"},
    "TwilioWebhook": {"Twilio"},
    "Sender": {"Kommo", "Meta", "Twilio"},
    "Media": {"Kommo", "Meta", "Twilio"},
    "ContactLookup": {"Kommo"},
    "Reconcile": {"Kommo", "Meta", "Twilio"},
    "HealthCheck": {"Kommo", "Meta", "Twilio"},
}


def test_only_the_owner_of_a_queue_changes_how_long_an_entry_stays_hidden(system: System) -> None:
    queues = {name: arn(system, name) for name in system.of_kind("AWS::SQS::Queue")}
    for name in functions(system):
        changes = {queue for queue, id in queues.items() if may(system, name, "sqs:ChangeMessageVisibility", id)}
        assert changes == QUEUES_OF.get(name, set()), name


def test_nobody_reads_a_secret_that_is_not_its_own(system: System) -> None:
    secrets = system.of_kind("AWS::SecretsManager::Secret")
    for name in functions(system):
        reads = {
            secret.removesuffix("Secret")
            for secret, id in secrets.items()
            if may(system, name, "secretsmanager:GetSecretValue", id)
        }
        assert reads == SECRETS_OF.get(name, set()), name


def test_only_media_puts_files_and_only_below_its_folder(system: System) -> None:
    buckets = {name: f"arn:aws:s3:::{id}" for name, id in system.of_kind("AWS::S3::Bucket").items()}
    for name in functions(system):
        puts = {
            (bucket, folder)
            for bucket, id in buckets.items()
            for folder in ("media/", "spill/", "")
            if may(system, name, "s3:PutObject", f"{id}/{folder}1")
        }
        spills = {("SpillBucket", "spill/")} if name.endswith("Webhook") else set()
        assert puts == ({("MediaBucket", "media/")} if name == "Media" else spills), name


def test_functions_write_the_log_of_their_own(system: System) -> None:
    groups = {name.removesuffix("Logs"): id for name, id in system.of_kind("AWS::Logs::LogGroup").items()}
    for name in functions(system):
        streams = {
            of: f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:1" for of, group in groups.items()
        }
        assert {of for of, id in streams.items() if may(system, name, "logs:PutLogEvents", id)} == {name}


def test_functions_connect_as_the_application_only(whole: System) -> None:
    (proxy,) = client("rds").describe_db_proxies(DBProxyName=whole.ids["Database.Proxy"])["DBProxies"]
    user = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{proxy['DBProxyArn'].split(':')[6]}"
    for name in functions(whole):
        assert may(whole, name, "rds-db:connect", f"{user}/ventana_app") == (name != "Migrator"), name
        assert not may(whole, name, "rds-db:connect", f"{user}/ventana_owner"), name


def test_roles_are_small_enough_and_for_one_service(system: System) -> None:
    iam = client("iam")
    for name, role in system.of_kind("AWS::IAM::Role").items():
        own = [
            iam.get_role_policy(RoleName=role, PolicyName=each)
            for each in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        sizes = [len(re.sub(r"\s", "", json.dumps(each["PolicyDocument"]))) for each in own]
        assert sum(sizes) <= 10_240, name
        trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert len(trust) == 1, name


# ---- HTTP API ----


def test_every_route_leads_to_a_live_function_that_lets_the_api_in(system: System) -> None:
    api = system.ids["HttpApi"]
    gateway = client("apigatewayv2")
    routes = gateway.get_routes(ApiId=api)["Items"]
    assert len(routes) == len(ROUTES)
    for route in routes:
        integration = gateway.get_integration(ApiId=api, IntegrationId=route["Target"].split("/")[1])
        kind = (integration["IntegrationType"], integration["PayloadFormatVersion"])
        assert kind == ("AWS_PROXY", "2.0"), route["RouteKey"]
        *_, woken, alias = integration["IntegrationUri"].removesuffix("/invocations").split(":")
        assert alias == "live"
        policy = json.loads(client("lambda").get_policy(FunctionName=woken, Qualifier=alias)["Policy"])
        method, path = route["RouteKey"].split(" ", 1)
        called = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/$default/{method}{path}"
        let_in = [each["Condition"]["ArnLike"]["AWS:SourceArn"] for each in policy["Statement"]]
        assert any(fnmatchcase(called, pattern) for pattern in let_in), route["RouteKey"]


def test_operators_routes_ask_for_a_token_and_the_others_check_signatures_or_hold_no_secret(system: System) -> None:
    api = system.ids["HttpApi"]
    gateway = client("apigatewayv2")
    for route in gateway.get_routes(ApiId=api)["Items"]:
        path = route["RouteKey"].split(" ")[1]
        if path.startswith(("/webhooks/", "/console")) or path == "/v1/health":
            assert route["AuthorizationType"] == "NONE", path
            continue
        assert route["AuthorizationType"] == "JWT", path
        jwt = gateway.get_authorizer(ApiId=api, AuthorizerId=route["AuthorizerId"])["JwtConfiguration"]
        assert jwt == {"Audience": MUST["JwtAudience"].split(","), "Issuer": MUST["JwtIssuer"]}


def test_the_api_has_limits_a_log_and_closed_doors(system: System) -> None:
    (stage,) = client("apigatewayv2").get_stages(ApiId=system.ids["HttpApi"])["Items"]
    routes = {route["RouteKey"] for route in client("apigatewayv2").get_routes(ApiId=system.ids["HttpApi"])["Items"]}
    limits = ("ThrottlingRateLimit", "ThrottlingBurstLimit")
    assert [stage["DefaultRouteSettings"][key] for key in limits] == [100, 200]
    assert set(stage["RouteSettings"]) == {route for route in routes if "/webhooks/" in route}
    assert {tuple(own[key] for key in limits) for own in stage["RouteSettings"].values()} == {(1000, 2000)}
    group = stage["AccessLogSettings"]["DestinationArn"].removesuffix(":*").split(":")[6]
    assert group == system.ids["HttpApiLogs"]
    api = client("apigatewayv2").get_api(ApiId=system.ids["HttpApi"])
    assert api["DisableExecuteApiEndpoint"] == (system.name == "domain")
    origins = ["https://a.example.com", "https://b.example.com"] if system.name == "domain" else []
    assert api.get("CorsConfiguration", {}).get("AllowOrigins", []) == origins


def test_a_domain_leads_to_the_api(deployed: Deployed) -> None:
    system = deployed("domain")
    (mapping,) = client("apigatewayv2").get_api_mappings(DomainName="hooks.example.com")["Items"]
    assert (mapping["ApiId"], mapping["Stage"]) == (system.ids["HttpApi"], "$default")
    records = client("route53").list_resource_record_sets(HostedZoneId="Z0123456789ABCDEFGHIJ")["ResourceRecordSets"]
    (record,) = [each for each in records if each["Type"] == "A"]
    assert record["AliasTarget"]["DNSName"].startswith(system.outputs["DomainTarget"])
