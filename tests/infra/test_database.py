"""Who reaches the database, as whom, and what of it is kept, encrypted and logged."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.infra.nested import ACCOUNT, REGION, STACK_ID, Nested, nested, unexplained
from tests.infra.stack import Stack

GIVEN: dict[str, Any] = {
    "VpcId": "vpc-1",
    "DatabaseSubnetIds": ["subnet-1", "subnet-2", "subnet-3"],
    "ProxySubnetIds": ["subnet-4", "subnet-5", "subnet-6"],
    "FunctionSecurityGroupId": "sg-function",
    "ProviderSecurityGroupId": "sg-provider",
    "Proxy.DBProxyArn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db-proxy:prx-0123456789abcdef0",
}
TRIAL = GIVEN | {"MultiAz": "false", "DeletionProtection": "false", "UseProxy": "false"}
PROD = GIVEN | {"MultiAz": "true", "DeletionProtection": "true", "BackupDays": 30, "InstanceClass": "db.m7g.large"}
STAGES = {"trial": TRIAL, "prod": PROD}
NAME = f"ventana-{STACK_ID}"
NOBODY = "127.0.0.1/32"


@pytest.fixture(params=[TRIAL, GIVEN, PROD], ids=["trial", "default", "prod"])
def database(request: pytest.FixtureRequest) -> Nested:
    return nested("database", request.param)


def let_in(found: Nested, group: str) -> set[tuple[str, int]]:
    """From where a security group takes connections, and at which port."""
    rules = list(found.properties(group).get("SecurityGroupIngress", []))
    rules += found.named("AWS::EC2::SecurityGroupIngress", f"{group}.GroupId", by="GroupId")
    assert all(rule["IpProtocol"] == "tcp" and rule["FromPort"] == rule["ToPort"] for rule in rules)
    sources = [(rule["SourceSecurityGroupId"], rule["FromPort"]) for rule in rules]
    assert len(sources) == len(set(sources)), "EC2 refuses a rule that is there"
    return set(sources)


# ---- Who may talk to whom ----


def test_functions_come_through_the_proxy_and_the_migrator_directly() -> None:
    found = nested("database", PROD)
    assert let_in(found, "ProxySecurityGroup") == {("sg-function", 5432), ("sg-provider", 5432)}
    assert let_in(found, "DatabaseSecurityGroup") == {("ProxySecurityGroup.GroupId", 5432), ("sg-function", 5432)}


def test_without_a_proxy_all_functions_come_directly() -> None:
    found = nested("database", TRIAL)
    assert let_in(found, "DatabaseSecurityGroup") == {("sg-function", 5432), ("sg-provider", 5432)}
    assert not [name for name in found.resources if name.startswith("Proxy")]


@pytest.mark.parametrize("proxy", ["true", "false"])
def test_functions_may_share_one_security_group(proxy: str) -> None:
    found = nested("database", GIVEN | {"ProviderSecurityGroupId": "sg-function", "UseProxy": proxy})
    assert ("sg-function", 5432) in let_in(found, "DatabaseSecurityGroup")
    if proxy == "true":
        assert let_in(found, "ProxySecurityGroup") == {("sg-function", 5432)}


def test_nothing_is_open_to_addresses(database: Nested) -> None:
    assert "0.0.0.0/0" not in str(database.resources)
    assert "::/0" not in str(database.resources)


def test_the_database_calls_nobody_and_the_proxy_nothing_else() -> None:
    found = nested("database", PROD)
    (nowhere,) = found.properties("DatabaseSecurityGroup")["SecurityGroupEgress"]
    (to_database,) = found.properties("ProxySecurityGroup")["SecurityGroupEgress"]
    assert nowhere["CidrIp"] == NOBODY
    assert to_database["DestinationSecurityGroupId"] == "DatabaseSecurityGroup.GroupId"
    assert (to_database["FromPort"], to_database["ToPort"]) == (5432, 5432)


def test_the_server_is_in_the_networks_own_subnets_and_its_own_group(database: Nested) -> None:
    instance = database.only("AWS::RDS::DBInstance")
    assert instance["PubliclyAccessible"] is False
    assert instance["VPCSecurityGroups"] == ["DatabaseSecurityGroup.GroupId"]
    assert database.properties(instance["DBSubnetGroupName"])["SubnetIds"] == GIVEN["DatabaseSubnetIds"]
    assert instance["Port"] == "5432"


# ---- As whom ----


def test_nobody_needs_to_know_a_password(database: Nested) -> None:
    instance = database.only("AWS::RDS::DBInstance")
    assert instance["ManageMasterUserPassword"] is True
    assert instance["EnableIAMDatabaseAuthentication"] is True
    assert "MasterUserPassword" not in instance
    for proxy in database.of_type("AWS::RDS::DBProxy").values():
        assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
        assert "Auth" not in proxy, "no secret either"


@pytest.mark.parametrize("role", ["ventana_app", "another"])
def test_the_proxy_may_connect_as_the_application_and_as_nobody_else(role: str) -> None:
    found = nested("database", PROD | {"ApplicationRole": role, "Instance.DbiResourceId": "db-ABC"})
    (policy,) = found.properties("ProxyRole")["Policies"]
    (allowed,) = policy["PolicyDocument"]["Statement"]
    assert allowed["Action"] == "rds-db:connect"
    assert allowed["Resource"] == f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-ABC/{role}"
    assert "ManagedPolicyArns" not in found.properties("ProxyRole")
    assert found.only("AWS::RDS::DBProxy")["RoleArn"] == "ProxyRole.Arn"


def test_each_role_is_for_one_service_of_aws(database: Nested) -> None:
    services = {
        name: statement["Principal"]["Service"]
        for name, role in database.of_type("AWS::IAM::Role").items()
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
    }
    proxy = {"ProxyRole": "rds.amazonaws.com"} if "Proxy" in database.resources else {}
    assert services == {"MonitoringRole": "monitoring.rds.amazonaws.com"} | proxy


# ---- Kept and encrypted ----


def test_data_is_encrypted_where_it_lies_and_on_its_way(database: Nested) -> None:
    instance = database.only("AWS::RDS::DBInstance")
    assert instance["StorageEncrypted"] is True
    assert instance["StorageType"] == "gp3"
    assert instance["CACertificateIdentifier"] == "rds-ca-rsa2048-g1"
    assert database.properties(instance["DBParameterGroupName"])["Parameters"]["rds.force_ssl"] == "1"
    assert all(proxy["RequireTLS"] is True for proxy in database.of_type("AWS::RDS::DBProxy").values())


def test_production_survives_a_zone_a_mistake_and_a_month() -> None:
    changed = ("MultiAZ", "DeletionProtection", "BackupRetentionPeriod", "DBInstanceClass")
    found = {name: nested("database", values).only("AWS::RDS::DBInstance") for name, values in STAGES.items()}
    assert {name: [instance[key] for key in changed] for name, instance in found.items()} == {
        "trial": ["false", "false", 7, "db.t4g.medium"],
        "prod": ["true", "true", 30, "db.m7g.large"],
    }


def test_what_is_not_said_is_safe_rather_than_cheap() -> None:
    assert nested("database", GIVEN).only("AWS::RDS::DBInstance")["DeletionProtection"] == "true"
    assert nested("database", GIVEN).source["Parameters"]["BackupDays"]["MinValue"] > 0, "0 would switch backups off"


def test_a_deleted_database_leaves_a_snapshot_its_backups_and_its_tags(database: Nested) -> None:
    instance = database.resources["Instance"]
    assert instance["DeletionPolicy"] == instance["UpdateReplacePolicy"] == "Snapshot"
    assert instance["Properties"]["DeleteAutomatedBackups"] is False
    assert instance["Properties"]["CopyTagsToSnapshot"] is True


def test_no_change_puts_an_empty_database_in_the_place_of_this_one(database: Nested) -> None:
    """A second one under the same name is refused, so the deployment fails with the first one whole."""
    name = database.only("AWS::RDS::DBInstance")["DBInstanceIdentifier"]
    assert name == NAME
    assert re.fullmatch(r"[a-z](-?[a-z0-9]){0,62}", name)


def test_storage_grows(database: Nested) -> None:
    instance = database.only("AWS::RDS::DBInstance")
    assert instance["MaxAllocatedStorage"] >= 1.1 * instance["AllocatedStorage"]


def test_each_version_has_the_parameters_of_its_family() -> None:
    versions = nested("database", GIVEN).source["Parameters"]["EngineVersion"]["AllowedValues"]
    for version in versions:
        found = nested("database", GIVEN | {"EngineVersion": version})
        assert found.only("AWS::RDS::DBInstance")["EngineVersion"] == version
        assert found.only("AWS::RDS::DBParameterGroup")["Family"] == f"postgres{version}"
        assert re.fullmatch(r"\d+", version), "a minor version would be taken back when RDS has moved on"


# ---- Observed, without customers' words ----


def test_no_text_of_a_customer_gets_into_the_servers_log(database: Nested) -> None:
    parameters = database.only("AWS::RDS::DBParameterGroup")["Parameters"]
    assert parameters["log_parameter_max_length"] == "0"
    assert parameters["log_parameter_max_length_on_error"] == "0"
    assert parameters["log_min_error_statement"] == "panic"
    assert parameters["log_error_verbosity"] == "terse", "an error's detail may be a whole row"
    assert parameters["log_statement"] == "none"
    assert all(proxy["DebugLogging"] is False for proxy in database.of_type("AWS::RDS::DBProxy").values())


def test_what_is_abandoned_or_slow_is_noticed(database: Nested) -> None:
    parameters = database.only("AWS::RDS::DBParameterGroup")["Parameters"]
    assert parameters["client_connection_check_interval"] == "2000"
    assert 0 < int(parameters["idle_in_transaction_session_timeout"]) <= 60_000
    assert parameters["log_min_duration_statement"] == "1000"
    assert parameters["log_lock_waits"] == "1"


def test_logs_end_some_day(database: Nested) -> None:
    """RDS writes into these groups by their name, and makes them without an end where they are not there yet."""
    instance, groups = database.resources["Instance"], database.of_type("AWS::Logs::LogGroup")
    exported = {f"/aws/rds/instance/{NAME}/{log}" for log in instance["Properties"]["EnableCloudwatchLogsExports"]}
    proxies = {f"/aws/rds/proxy/{proxy['DBProxyName']}" for proxy in database.of_type("AWS::RDS::DBProxy").values()}
    assert {group["LogGroupName"] for group in groups.values()} == exported | proxies
    assert all(group["RetentionInDays"] == 30 for group in groups.values())
    first = {*instance["DependsOn"], *([database.resources["Proxy"]["DependsOn"]] if proxies else [])}
    assert first == set(groups)


@pytest.mark.parametrize(("days", "mode"), [(7, "standard"), (465, "advanced")])
def test_statements_that_take_time_are_known(days: int, mode: str) -> None:
    instance = nested("database", GIVEN | {"PerformanceInsightsDays": days}).only("AWS::RDS::DBInstance")
    assert instance["EnablePerformanceInsights"] is True
    assert (instance["PerformanceInsightsRetentionPeriod"], instance["DatabaseInsightsMode"]) == (days, mode)
    assert instance["MonitoringInterval"] > 0


# ---- The proxy ----


def test_a_connection_is_waited_for_as_long_as_the_most_impatient_webhook_waits(stack: Stack) -> None:
    pool = nested("database", PROD).only("AWS::RDS::DBProxyTargetGroup")["ConnectionPoolConfigurationInfo"]
    variables = [each["Environment"]["Variables"] for each in stack.functions().values()]
    shortest = min(int(each["DATABASE_TIMEOUT_MS"]) for each in variables if "DATABASE_TIMEOUT_MS" in each)
    assert 0 < pool["ConnectionBorrowTimeout"] * 1000 <= shortest


def test_the_proxy_leaves_connections_for_the_migrator(database: Nested) -> None:
    for targets in database.of_type("AWS::RDS::DBProxyTargetGroup").values():
        pool = targets["ConnectionPoolConfigurationInfo"]
        assert pool["MaxIdleConnectionsPercent"] <= pool["MaxConnectionsPercent"] <= 90
        assert targets["DBInstanceIdentifiers"] == ["Instance"]


def test_an_idle_client_is_let_go_later_than_a_transaction_that_was_left_behind() -> None:
    found = nested("database", PROD)
    transaction = found.only("AWS::RDS::DBParameterGroup")["Parameters"]["idle_in_transaction_session_timeout"]
    assert found.only("AWS::RDS::DBProxy")["IdleClientTimeout"] * 1000 > int(transaction)


def test_a_zone_that_is_added_does_not_replace_the_proxy() -> None:
    two = nested("database", PROD | {"ProxySubnetIds": ["subnet-4", "subnet-5"]})
    assert two.only("AWS::RDS::DBProxy") == nested("database", PROD).only("AWS::RDS::DBProxy")
    assert two.only("AWS::RDS::DBProxy")["VpcSubnetIds"] == ["subnet-4", "subnet-5"]


# ---- What comes in and goes out ----


def test_the_stack_around_it_gets_what_it_passes_on() -> None:
    assert nested("database", PROD).outputs == {
        "ProxyEndpoint": "Proxy.Endpoint",
        "ProxyResourceId": "prx-0123456789abcdef0",
        "ProxyName": "Proxy",
        "DatabaseEndpoint": "Instance.Endpoint.Address",
        "DatabasePort": "Instance.Endpoint.Port",
        "DatabaseName": "ventana",
        "MasterSecretArn": "Instance.MasterUserSecret.SecretArn",
        "DatabaseResourceId": "Instance.DbiResourceId",
        "InstanceIdentifier": "Instance",
    }


def test_without_a_proxy_the_same_outputs_lead_to_the_server() -> None:
    outputs = nested("database", TRIAL).outputs
    assert outputs["ProxyEndpoint"] == outputs["DatabaseEndpoint"]
    assert outputs["ProxyResourceId"] == outputs["DatabaseResourceId"]
    assert outputs["ProxyName"] == outputs["InstanceIdentifier"]


def test_each_parameter_says_what_to_choose_and_only_the_network_must_be_given() -> None:
    source = nested("database", GIVEN).source
    assert all(parameter["Description"].endswith(".") for parameter in source["Parameters"].values())
    asked = {name for name, parameter in source["Parameters"].items() if "Default" not in parameter}
    assert asked == {name for name in GIVEN if "." not in name}
    groups = source["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(source["Parameters"])


def test_each_suppressed_check_has_a_reason() -> None:
    assert not unexplained(nested("database", GIVEN).source)
