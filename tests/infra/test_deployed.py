"""The stack deployed into moto with several sets of parameters, and read back by ordinary clients."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from moto.cloudformation.parsing import get_model_map

from infra.local.intrinsics import read_yaml
from tests.infra.calls import client
from tests.infra.deployed import BY_MOTO, CALLS, NOWHERE
from tests.infra.deploying import NESTED, System, deploy, transformed
from tests.infra.deployments import MUST, NEW, SECRET, SETS, Deployed, account, arn, attributes, functions
from tests.infra.stack import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with account() as made:
        yield made


@pytest.fixture(params=SETS)
def system(request: pytest.FixtureRequest, deployed: Deployed) -> System:
    return deployed(request.param)


# ---- All of it ----


def test_every_type_is_made_by_moto_or_by_a_call_or_is_listed_with_a_reason(deployed: Deployed) -> None:
    kinds = {kind for name in SETS for kind in deployed(name).kinds.values()}
    tables = [BY_MOTO, set(CALLS), set(NOWHERE), {NESTED}]
    assert kinds == set().union(*tables)
    assert len(kinds) == sum(map(len, tables)), "each in one table"
    assert set(get_model_map()) >= BY_MOTO
    assert all(len(reason.split()) > 3 for reason in NOWHERE.values())


def test_everything_is_there(system: System) -> None:
    assert system.status == "CREATE_COMPLETE"
    without = {name for name, id in system.ids.items() if not re.fullmatch(r"[^<>\s]+", id)}
    assert without <= set(system.of_kind("AWS::EC2::SecurityGroupIngress")), "to a rule moto gives none"


@pytest.mark.parametrize(
    "path", ["template.yaml", "infra/network.yaml", "infra/database.yaml", "infra/monitoring.yaml"]
)
def test_a_template_is_within_cloudformations_limits(path: str) -> None:
    template = transformed(MUST) if path == "template.yaml" else read_yaml(ROOT / path)
    assert len(json.dumps(template)) <= 1_000_000
    assert len(template["Resources"]) <= 500
    assert len(template["Parameters"]) <= 200
    assert len(template.get("Outputs", {})) <= 200
    assert len(template["Description"].encode()) <= 1024
    said = {**template["Parameters"], **template.get("Outputs", {})}
    assert not [name for name, each in said.items() if len(each["Description"]) > 1024]


WITH_OUTPUT = {"domain": {"DomainTarget", "MediaBucketName"}, "supabase": set()}


@pytest.mark.parametrize("name", SETS)
def test_outputs_say_where_everything_is(deployed: Deployed, name: str) -> None:
    outputs = deployed(name).outputs
    some = {"DomainTarget", "MediaBucketName"}
    assert set(outputs) & some == WITH_OUTPUT.get(name, {"MediaBucketName"})
    origin = (
        "https://hooks.example.com" if name == "domain" else f"https://{deployed(name).ids['HttpApi']}.execute-api."
    )
    for output in (
        "ApiUrl",
        "PublicOrigin",
        "KommoWebhookUrl",
        "MetaWebhookUrl",
        "TwilioWebhookUrl",
        "TwilioStatusUrl",
    ):
        assert outputs[output].startswith(origin), output
    client("sqs").get_queue_attributes(QueueUrl=outputs["SendQueueUrl"])
    for provider in ("Kommo", "Meta", "Twilio"):
        secret = client("secretsmanager").get_secret_value(SecretId=outputs[f"{provider}SecretArn"])
        assert secret["SecretString"] == "{}"


# ---- Queues ----

QUEUES = {
    # visibility, dead letters, receives, days kept
    "SendQueue": (360, "SendDeadLetterQueue", 50, 4),
    "BulkQueue": (360, "SendDeadLetterQueue", 50, 4),
    "SpillQueue": (180, "SpillDeadLetterQueue", 1000, 14),
    "LookupQueue": (180, "LookupDeadLetterQueue", 20, 1),
    "MediaQueue": (1080, "MediaDeadLetterQueue", 30, 4),
}


def test_queues_are_as_they_were_asked_for(system: System) -> None:
    queues = {name: attributes(system, name) for name in system.of_kind("AWS::SQS::Queue")}
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] == "true", name
        assert ("RedrivePolicy" in queue) == (name in QUEUES), name
        assert int(queue["MessageRetentionPeriod"]) == QUEUES.get(name, (0, "", 0, 14))[3] * 86400, name
    for name, (visibility, dead, receives, _) in QUEUES.items():
        if name not in queues:
            assert system.name == "supabase", "which stores no files"
            continue
        policy = json.loads(queues[name]["RedrivePolicy"])
        assert policy == {"deadLetterTargetArn": queues[dead]["QueueArn"], "maxReceiveCount": receives}
        assert int(queues[name]["VisibilityTimeout"]) == visibility
        assert queues[name].get("FifoQueue") == queues[dead].get("FifoQueue"), "else SQS refuses"
        if "FifoQueue" in queues[name]:
            assert queues[name]["FifoThroughputLimit"] == "perMessageGroupId"
            assert queues[name]["QueueArn"].endswith(".fifo")


SOURCES = {
    "SenderAccepted": ("Sender", "SendQueue", 1, 10),
    "SenderAcceptedInBulk": ("Sender", "BulkQueue", 1, 5),
    "SpillDrainSpilled": ("SpillDrain", "SpillQueue", 10, 5),
    "MediaQueued": ("Media", "MediaQueue", 1, 5),
    "ContactLookupQueued": ("ContactLookup", "LookupQueue", 1, 2),
}


def test_queues_wake_the_live_version_of_their_function(system: System) -> None:
    sources = system.of_kind("AWS::Lambda::EventSourceMapping")
    assert set(SOURCES) - set(sources) == ({"MediaQueued"} if system.name == "supabase" else set())
    for name, id in sources.items():
        woken, queue, batch, concurrency = SOURCES[name]
        source = client("lambda").get_event_source_mapping(UUID=id)
        assert source["EventSourceArn"] == arn(system, queue)
        assert source["FunctionArn"].split(":")[6] == system.ids[woken]
        assert source["BatchSize"] == batch
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert source["ScalingConfig"] == {"MaximumConcurrency": concurrency}


# ---- Functions ----


def test_functions_run_as_they_were_asked_to(system: System) -> None:
    for name, found in functions(system).items():
        assert (found["Runtime"], found["Handler"], found["Architectures"]) == ("python3.13", "app.handler", ["arm64"])
        assert found["TracingConfig"] == {"Mode": "Active"}, name
        webhook = name.endswith("Webhook")
        assert found["MemorySize"] == (1024 if webhook else 512), name
        layers = {layer["Arn"].split(":")[6] for layer in found["Layers"]}
        twilio = {"TwilioLayer"} if name in ("TwilioWebhook", "Sender", "Reconcile") else set()
        assert layers == {"VentanaLayer"} | twilio, name
        concurrency = client("lambda").get_function_concurrency(FunctionName=system.ids[name])
        reserved = {"ReservedConcurrentExecutions": 50} if webhook and system.name == "prod" else {}
        assert {key: value for key, value in concurrency.items() if key != "ResponseMetadata"} == reserved, name
        alias = client("lambda").get_alias(FunctionName=system.ids[name], Name="live")
        assert alias["FunctionVersion"] == "1", name


def test_variables_of_functions_name_what_is_there(system: System) -> None:
    queues = set(system.of_kind("AWS::SQS::Queue").values())
    names = {
        "QUEUE_URL": queues,
        "BUCKET": set(system.of_kind("AWS::S3::Bucket").values()),
        "SECRET_ID": set(system.of_kind("AWS::SecretsManager::Secret").values()),
        "BUS_NAME": set(system.of_kind("AWS::Events::EventBus").values()),
    }
    without = {"DATABASE_SECRET_ID"} | ({"MEDIA_QUEUE_URL", "MEDIA_BUCKET"} if system.name == "supabase" else set())
    for name, found in functions(system).items():
        variables = found["Environment"]["Variables"]
        assert sum(len(key) + len(value) for key, value in variables.items()) <= 4096, name
        assert not [value for value in variables.values() if "${" in value or "{'" in value or "<" in value], name
        for key, value in variables.items():
            for end, known in names.items():
                if key.endswith(end) and key not in without:
                    assert value in known, f"{name} {key}"
        if "MEDIA_QUEUE_URL" in without:
            assert variables.get("MEDIA_QUEUE_URL", "") == ""


def test_functions_know_their_database(system: System) -> None:
    new = system.name in NEW
    for name, found in functions(system).items():
        about = {
            key: found["Environment"]["Variables"][f"DATABASE_{key}"] for key in ("HOST", "NAME", "USER", "SECRET_ID")
        }
        if not new:
            own = "owner" if system.name == "brought" and name == "Migrator" else "app"
            secret = f"{SECRET}:{'pooler' if system.name != 'brought' else own}-abcdef"
            assert about == {"HOST": "", "NAME": "", "USER": "", "SECRET_ID": secret}, name
            continue
        rds = client("rds")
        (server,) = rds.describe_db_instances(DBInstanceIdentifier=system.ids["Database.Instance"])["DBInstances"]
        (proxy,) = rds.describe_db_proxies(DBProxyName=system.ids["Database.Proxy"])["DBProxies"]
        assert about["NAME"] == server["DBName"]
        if name == "Migrator":
            assert about["HOST"] == server["Endpoint"]["Address"], "past the proxy"
            assert about["SECRET_ID"] == server["MasterUserSecret"]["SecretArn"]
        else:
            assert (about["HOST"], about["USER"], about["SECRET_ID"]) == (proxy["Endpoint"], "ventana_app", "")


# ---- A change ----

HOLDS_DATA = {
    "AWS::Events::Archive",
    "AWS::Events::EventBus",
    "AWS::Logs::LogGroup",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}
CHANGED = {
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
    "DatabaseInstanceClass": "db.m7g.large",
    "EventRetentionDays": "30",
    "LogLevel": "DEBUG",
    "LogRetentionDays": "90",
    "MediaRetentionDays": "30",
    "SenderConcurrency": "20",
    "WebhookMemory": "2048",
}


@pytest.fixture(scope="module")
def changed(deployed: Deployed) -> tuple[System, System]:
    """A system before and after it was deployed again with other parameters."""
    before = deploy("changed", MUST)
    return before, deploy("changed", {**MUST, **CHANGED}, new=False)


def test_a_change_replaces_nothing_that_holds_data(changed: tuple[System, System]) -> None:
    before, after = changed
    assert set(before.ids) <= set(after.ids)
    for name, id in before.ids.items():
        if before.kinds[name] in HOLDS_DATA:
            assert after.ids[name] == id, name


def test_a_change_is_made(changed: tuple[System, System]) -> None:
    _, after = changed
    found = functions(after)
    assert found["MetaWebhook"]["MemorySize"] == 2048
    assert {each["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] for each in found.values()} == {"DEBUG"}
    (server,) = client("rds").describe_db_instances(DBInstanceIdentifier=after.ids["Database.Instance"])["DBInstances"]
    assert server["DBInstanceClass"] == "db.m7g.large"
    rules = client("s3").get_bucket_lifecycle_configuration(Bucket=after.ids["MediaBucket"])["Rules"]
    assert [rule["Expiration"]["Days"] for rule in rules] == [30]
    archive = client("events").describe_archive(ArchiveName=after.ids["EventArchive"])
    assert archive["RetentionDays"] == 30
    source = client("lambda").get_event_source_mapping(UUID=after.ids["SenderAccepted"])
    assert source["ScalingConfig"] == {"MaximumConcurrency": 20}


def test_a_change_is_what_runs(changed: tuple[System, System]) -> None:
    _, after = changed
    for name in after.of_kind("AWS::Lambda::Function"):
        live = client("lambda").get_function_configuration(FunctionName=after.ids[name], Qualifier="live")
        assert live["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == "DEBUG", name
