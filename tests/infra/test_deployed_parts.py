"""Network, database, storage, bus, schedules and alarms of a deployed system, read back; see test_deployed.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra.calls import client
from tests.infra.deploying import System
from tests.infra.deployments import NEW, SETS, Deployed, account, arn, functions
from tests.infra.nested import ACCOUNT, REGION

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with account() as made:
        yield made


@pytest.fixture(params=SETS)
def system(request: pytest.FixtureRequest, deployed: Deployed) -> System:
    return deployed(request.param)


@pytest.fixture(params=NEW)
def whole(request: pytest.FixtureRequest, deployed: Deployed) -> System:
    """A system with a network and a database of its own."""
    return deployed(request.param)


# ---- Network ----

OUTSIDE = {"Sender", "Media", "ContactLookup", "Reconcile", "HealthCheck"}
"""Functions that call providers."""


def way_out(subnet: str) -> str:
    """Where a subnet sends what is for the internet: to a gateway of EC2's, a NAT gateway, or nowhere."""
    (table,) = [
        table
        for page in client("ec2").get_paginator("describe_route_tables").paginate()
        for table in page["RouteTables"]
        if subnet in [each.get("SubnetId") for each in table["Associations"]]
    ]
    routes = [route for route in table["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"]
    return next((str(route.get("NatGatewayId") or route["GatewayId"]) for route in routes), "")


def test_functions_reach_the_internet_only_where_they_call_providers(whole: System) -> None:
    for name, found in functions(whole).items():
        subnets = found["VpcConfig"]["SubnetIds"]
        ways = {way_out(subnet) for subnet in subnets}
        zones = client("ec2").describe_subnets(SubnetIds=subnets)["Subnets"]
        assert len({zone["AvailabilityZone"] for zone in zones}) == 2, name
        if name in OUTSIDE:
            assert all(way.startswith("nat-") for way in ways), name
            assert len(ways) == (2 if whole.name == "prod" else 1), "in prod one for each zone"
        else:
            assert ways == {""}, name
    nats = client("ec2").describe_nat_gateways(NatGatewayIds=list(whole.of_kind("AWS::EC2::NatGateway").values()))
    assert all(way_out(nat["SubnetId"]).startswith("igw-") for nat in nats["NatGateways"])
    for letter in "AB":
        assert way_out(whole.ids[f"Network.DatabaseSubnet{letter}"]) == ""


def test_functions_of_a_network_that_was_there_run_in_it(deployed: Deployed) -> None:
    found = functions(deployed("brought"))
    groups = {tuple(each["VpcConfig"]["SecurityGroupIds"]) for each in found.values()}
    assert len(groups) == 1
    subnets = {name: set(each["VpcConfig"]["SubnetIds"]) for name, each in found.items()}
    assert {name for name, ids in subnets.items() if ids == subnets["Sender"]} == OUTSIDE
    assert not subnets["Sender"] & subnets["Api"]


def test_functions_without_a_network_have_none(deployed: Deployed) -> None:
    for each in functions(deployed("supabase")).values():
        assert not each.get("VpcConfig", {}).get("SubnetIds")


def test_services_have_endpoints_for_this_account(whole: System) -> None:
    ids = list(whole.of_kind("AWS::EC2::VPCEndpoint").values())
    endpoints = client("ec2").describe_vpc_endpoints(VpcEndpointIds=ids)["VpcEndpoints"]
    kinds = sorted((each["ServiceName"].rpartition(".")[2], each["VpcEndpointType"]) for each in endpoints)
    private = [(name, "Interface") for name in ("events", "secretsmanager", "sqs")]
    assert kinds == sorted([("s3", "Gateway"), ("s3", "Gateway"), *private])
    for each in endpoints:
        assert each["VpcId"] == whole.ids["Network.Vpc"]
        assert ACCOUNT in each["PolicyDocument"]
        assert each["PrivateDnsEnabled"] or each["VpcEndpointType"] == "Gateway"
    routed = {table for each in endpoints for table in each.get("RouteTableIds", [])}
    tables = {
        name: id for name, id in whole.of_kind("AWS::EC2::RouteTable").items() if re.search("Function|Provider", name)
    }
    assert routed == set(tables.values())


def rules(group: str) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """What comes in and goes out: port, and from or to whom."""
    (found,) = client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]

    def read(permissions: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
        return {
            (each.get("FromPort"), other)
            for each in permissions
            for other in [
                *(pair["GroupId"] for pair in each["UserIdGroupPairs"]),
                *(block["CidrIp"] for block in each["IpRanges"]),
            ]
        }

    return read(found["IpPermissions"]), read(found["IpPermissionsEgress"])


def test_the_database_is_reached_by_the_proxy_and_the_migrator(whole: System) -> None:
    of = whole.of_kind("AWS::EC2::SecurityGroup")
    one, two = of["Network.FunctionSecurityGroup"], of["Network.ProviderSecurityGroup"]
    proxy, database = of["Database.ProxySecurityGroup"], of["Database.DatabaseSecurityGroup"]
    assert rules(database)[0] == {(5432, one), (5432, proxy)}
    assert rules(proxy) == ({(5432, one), (5432, two)}, {(5432, database)})
    assert {block for _, block in rules(database)[1]} == {"127.0.0.1/32"}
    assert rules(one)[0] == rules(two)[0] == set()
    assert {port for port, _ in rules(one)[1]} == {443, 5432}


def test_refused_connections_are_logged_in_prod(deployed: Deployed) -> None:
    logs = client("ec2").describe_flow_logs(FlowLogIds=list(deployed("prod").of_kind("AWS::EC2::FlowLog").values()))
    assert [each["TrafficType"] for each in logs["FlowLogs"]] == ["REJECT"]
    assert not deployed("dev").of_kind("AWS::EC2::FlowLog")


# ---- Database ----


def test_the_database_is_closed_kept_and_watched(whole: System) -> None:
    rds = client("rds")
    (server,) = rds.describe_db_instances(DBInstanceIdentifier=whole.ids["Database.Instance"])["DBInstances"]
    prod = whole.name == "prod"
    always = {
        "Engine": "postgres",
        "StorageEncrypted": True,
        "PubliclyAccessible": False,
        "IAMDatabaseAuthenticationEnabled": True,
        "CopyTagsToSnapshot": True,
        "MaxAllocatedStorage": 200,
        "MultiAZ": prod,
        "DeletionProtection": prod,
        "BackupRetentionPeriod": 30 if prod else 7,
    }
    assert {name: server.get(name) for name in always} == always
    assert server["EnabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    group = server["DBParameterGroups"][0]["DBParameterGroupName"]
    settings = rds.describe_db_parameters(DBParameterGroupName=group)["Parameters"]
    said = {each["ParameterName"]: each["ParameterValue"] for each in settings}
    assert said["rds.force_ssl"] == "1"
    assert said["client_connection_check_interval"] == "2000"
    (proxy,) = rds.describe_db_proxies(DBProxyName=whole.ids["Database.Proxy"])["DBProxies"]
    assert (proxy["RequireTLS"], proxy["DebugLogging"], proxy["EngineFamily"]) == (True, False, "POSTGRESQL")
    (target,) = rds.describe_db_proxy_targets(DBProxyName=proxy["DBProxyName"])["Targets"]
    assert target["RdsResourceId"] == server["DBInstanceIdentifier"]


# ---- What is kept ----


def test_buckets_are_encrypted_and_closed(system: System) -> None:
    s3 = client("s3")
    days = {"SpillBucket": [30], "MediaBucket": [90] if system.name == "prod" else []}
    buckets = system.of_kind("AWS::S3::Bucket")
    assert set(buckets) == set(days) - ({"MediaBucket"} if system.name == "supabase" else set())
    for name, bucket in buckets.items():
        encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert [rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in encryption] == ["AES256"]
        assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
        if not days[name]:
            with pytest.raises(s3.exceptions.ClientError):
                s3.get_bucket_lifecycle_configuration(Bucket=bucket)
            continue
        kept = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert [rule["Expiration"]["Days"] for rule in kept] == days[name]
    if "MediaBucket" in buckets:
        (deny,) = json.loads(s3.get_bucket_policy(Bucket=buckets["MediaBucket"])["Policy"])["Statement"]
        assert deny["Effect"] == "Deny"
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_every_log_is_kept_for_a_time(system: System) -> None:
    groups = client("logs").get_paginator("describe_log_groups").paginate()
    days = {group["logGroupName"]: group.get("retentionInDays") for page in groups for group in page["logGroups"]}
    assert {days[id] for id in system.of_kind("AWS::Logs::LogGroup").values()} == {30}


def test_events_are_kept_for_a_replay_and_go_where_they_are_wanted(system: System) -> None:
    events = client("events")
    bus = events.describe_event_bus(Name=system.ids["EventBus"])
    archive = events.describe_archive(ArchiveName=system.ids["EventArchive"])
    assert (archive["EventSourceArn"], archive["RetentionDays"]) == (bus["Arn"], 14)
    listening = [rule for rule in events.list_rules(EventBusName=bus["Name"])["Rules"] if "ManagedBy" not in rule]
    if system.name != "supabase":
        assert listening == []
        return
    (rule,) = listening
    (target,) = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus["Name"])["Targets"]
    assert target["Arn"] == system.ids["EchoAliaslive"]
    dead = arn(system, "EchoFailureQueue")
    assert target["DeadLetterConfig"] == {"Arn": dead}
    policy = client("sqs").get_queue_attributes(QueueUrl=system.ids["EchoFailureQueue"], AttributeNames=["Policy"])
    (statement,) = json.loads(policy["Attributes"]["Policy"])["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rule["Arn"]}}


SCHEDULES = {
    "WindowSweepEveryMinute": ("WindowSweep", "rate(1 minute)", "ScheduleDeadLetterQueue"),
    "ReconcileEveryFiveMinutes": ("Reconcile", "rate(5 minutes)", "ReconcileDeadLetterQueue"),
    "HealthCheckEveryHour": ("HealthCheck", "rate(1 hour)", "ScheduleDeadLetterQueue"),
}


def test_schedules_wake_the_live_version_and_keep_what_failed(system: System) -> None:
    assert set(system.of_kind("AWS::Scheduler::Schedule")) == set(SCHEDULES)
    for name, (woken, rate, dead) in SCHEDULES.items():
        schedule = client("scheduler").get_schedule(Name=system.ids[name])
        assert (schedule["ScheduleExpression"], schedule["State"]) == (rate, "ENABLED")
        assert schedule["Target"]["Arn"] == system.ids[f"{woken}Aliaslive"]
        assert schedule["Target"]["DeadLetterConfig"] == {"Arn": arn(system, dead)}


# ---- Alarms ----


def known(system: System) -> dict[str, set[str]]:
    """What there is to name in a dimension."""
    queues = {url.rpartition("/")[2] for url in system.of_kind("AWS::SQS::Queue").values()}
    names = set(system.of_kind("AWS::Lambda::Function").values())
    return {
        "FunctionName": names,
        "Resource": {f"{name}:live" for name in names},
        "QueueName": queues,
        "ApiId": {system.ids["HttpApi"]},
        "DBInstanceIdentifier": set(system.of_kind("AWS::RDS::DBInstance").values()),
        "ProxyName": set(system.of_kind("AWS::RDS::DBProxy").values()),
    }


def test_alarms_look_at_what_is_there_and_say_what_to_do(system: System) -> None:
    own = set(system.of_kind("AWS::CloudWatch::Alarm").values())
    pages = client("cloudwatch").get_paginator("describe_alarms").paginate()
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"] if alarm["AlarmName"] in own]
    assert len(alarms) == len(own) > 20
    there = known(system)
    for alarm in alarms:
        assert len(alarm["AlarmDescription"]) > 40, alarm["AlarmName"]
        topics = [f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"] if system.name == "prod" else []
        assert set(alarm["AlarmActions"]) <= set(topics)
        metrics = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each]
        for dimension in (each for metric in [alarm, *metrics] for each in metric.get("Dimensions", [])):
            if dimension["Name"] in there and "/" not in dimension["Value"]:
                assert dimension["Value"] in there[dimension["Name"]], alarm["AlarmName"]


def test_the_dashboard_is_one_that_cloudwatch_can_read(system: System) -> None:
    body = json.loads(
        client("cloudwatch").get_dashboard(DashboardName=system.ids["Monitoring.Dashboard"])["DashboardBody"]
    )
    assert len(body["widgets"]) > 5
    named = set(re.findall(rf"{system.name}-[A-Za-z]+-[A-Z0-9]{{12}}(?:\.fifo)?", json.dumps(body)))
    there = set().union(*known(system).values()) | set(system.of_kind("AWS::CloudWatch::Alarm").values())
    assert {name for name in named if "Monitoring" not in name} <= there
