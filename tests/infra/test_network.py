"""Which function gets where: routes out, endpoints, security groups."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest

from tests.infra.nested import ACCOUNT, REGION, Nested, nested, unexplained
from tests.infra.stack import listed

KINDS = ("Public", "Function", "Provider", "Database")
SMALL, LARGE = {"ZoneCount": "2", "NatPerZone": "false"}, {"ZoneCount": "3", "NatPerZone": "true", "FlowLogDays": "30"}
PROD = {"ZoneCount": "2", "NatPerZone": "true", "FlowLogDays": "30"}
SHAPES = [SMALL, PROD, LARGE, {"ZoneCount": "3", "NatPerZone": "false"}]
EVERYWHERE = "0.0.0.0/0"


@pytest.fixture(params=SHAPES, ids=str)
def network(request: pytest.FixtureRequest) -> Nested:
    return nested("network", request.param)


def table_of(network: Nested, subnet: str) -> str:
    """The route table of a subnet."""
    (found,) = network.named("AWS::EC2::SubnetRouteTableAssociation", subnet, by="SubnetId")
    return str(found["RouteTableId"])


def way_out(network: Nested, subnet: str) -> str | None:
    """What a subnet's table leads to beyond the network."""
    routes = network.named("AWS::EC2::Route", table_of(network, subnet), by="RouteTableId")
    assert all(route["DestinationCidrBlock"] == EVERYWHERE for route in routes)
    ways = [str(route.get("NatGatewayId") or route["GatewayId"]) for route in routes]
    assert len(ways) <= 1
    return ways[0] if ways else None


def subnets(network: Nested, kind: str) -> list[str]:
    return [name for name in network.of_type("AWS::EC2::Subnet") if name.startswith(kind)]


def test_each_zone_has_a_subnet_of_each_kind(network: Nested) -> None:
    zones: list[list[str]] = [
        [network.properties(name)["AvailabilityZone"] for name in subnets(network, kind)] for kind in KINDS
    ]
    assert all(found == zones[0] for found in zones)
    assert len(set(zones[0])) == len(zones[0]) >= 2
    assert len(network.of_type("AWS::EC2::Subnet")) == len(KINDS) * len(zones[0])


@pytest.mark.parametrize("block", ["10.64.0.0/16", "192.168.16.0/20", "172.31.128.0/18"])
def test_subnets_lie_in_the_network_side_by_side(block: str) -> None:
    network = nested("network", LARGE | {"CidrBlock": block})
    blocks = [ipaddress.ip_network(each["CidrBlock"]) for each in network.of_type("AWS::EC2::Subnet").values()]
    assert re.fullmatch(network.source["Parameters"]["CidrBlock"]["AllowedPattern"], block)
    assert len(set(blocks)) == 12, "of one size, so that different ones cannot overlap"
    assert {each.prefixlen for each in blocks} == {24}
    assert all(each.subnet_of(ipaddress.ip_network(block)) for each in blocks)  # type: ignore[arg-type]  # both IPv4


@pytest.mark.parametrize("block", ["10.0.0.0/15", "10.0.0.0/21", "8.8.0.0/16", "172.32.0.0/16", "10.0.0.0"])
def test_a_block_that_is_public_or_does_not_hold_the_subnets_is_refused(block: str) -> None:
    pattern = nested("network", SMALL).source["Parameters"]["CidrBlock"]["AllowedPattern"]
    assert not re.fullmatch(pattern, block)


def test_a_third_zone_leaves_the_first_two_as_they_are() -> None:
    before, after = nested("network", PROD), nested("network", PROD | {"ZoneCount": "3"})
    for kind in ("AWS::EC2::Subnet", "AWS::EC2::Route", "AWS::EC2::NatGateway"):
        assert before.of_type(kind).items() <= after.of_type(kind).items()


def test_only_what_calls_providers_has_a_way_out(network: Nested) -> None:
    gateways = network.of_type("AWS::EC2::NatGateway")
    for name in subnets(network, "Provider"):
        assert way_out(network, name) in gateways
    for kind in ("Function", "Database"):
        assert [way_out(network, name) for name in subnets(network, kind)] == [None] * len(subnets(network, kind))


def test_nothing_but_nat_gateways_is_in_a_public_subnet(network: Nested) -> None:
    public = subnets(network, "Public")
    assert {way_out(network, name) for name in public} == {"InternetGateway"}
    assert not any(network.properties(name)["MapPublicIpOnLaunch"] for name in public)
    assert {each["SubnetId"] for each in network.of_type("AWS::EC2::NatGateway").values()} <= set(public)
    others = {id: each for id, each in network.resources.items() if each["Type"] != "AWS::EC2::NatGateway"}
    users = [id for id, each in others.items() if set(listed(each["Properties"].get("SubnetIds", []))) & set(public)]
    assert not users
    assert not any(name in str(network.outputs) for name in public), "nobody else is told of them"


def test_one_nat_gateway_serves_all_zones_or_each_has_its_own() -> None:
    for shape in SHAPES:
        network = nested("network", shape)
        ways = [way_out(network, name) for name in subnets(network, "Provider")]
        gateways = network.of_type("AWS::EC2::NatGateway")
        assert set(ways) == set(gateways)
        if shape["NatPerZone"] == "false":
            assert len(gateways) == 1
            continue
        for name, gateway in zip(subnets(network, "Provider"), ways, strict=True):
            beside = network.properties(gateways[str(gateway)]["SubnetId"])
            assert beside["AvailabilityZone"] == network.properties(name)["AvailabilityZone"]


def test_production_loses_no_way_out_with_a_zone_and_logs_who_was_refused() -> None:
    assert len(nested("network", SMALL).of_type("AWS::EC2::NatGateway")) == 1
    assert len(nested("network", PROD).of_type("AWS::EC2::NatGateway")) == 2
    assert not nested("network", SMALL).of_type("AWS::EC2::FlowLog")
    assert nested("network", PROD).only("AWS::EC2::FlowLog")["TrafficType"] == "REJECT"
    assert nested("network", PROD).only("AWS::Logs::LogGroup")["RetentionInDays"] == "30"


def test_the_flow_log_may_be_written_and_nothing_else() -> None:
    role = nested("network", PROD).only("AWS::IAM::Role")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    (allowed,) = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert allowed["Resource"] == "FlowLogs.Arn"
    assert all(action.startswith("logs:") and "*" not in action for action in allowed["Action"])


# ---- Security groups ----


def test_nothing_is_open_to_the_world(network: Nested) -> None:
    rules = [
        rule
        for group in network.of_type("AWS::EC2::SecurityGroup").values()
        for rule in group.get("SecurityGroupIngress", [])
    ]
    rules += network.of_type("AWS::EC2::SecurityGroupIngress").values()
    assert rules
    assert all("SourceSecurityGroupId" in rule and "CidrIp" not in rule for rule in rules)


@pytest.mark.parametrize("group", ["FunctionSecurityGroup", "ProviderSecurityGroup"])
def test_functions_reach_https_and_the_database_and_are_reached_by_nobody(network: Nested, group: str) -> None:
    found = network.properties(group)
    block = network.only("AWS::EC2::VPC")["CidrBlock"]
    reached = {
        (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["CidrIp"]) for rule in found["SecurityGroupEgress"]
    }
    assert reached == {("tcp", 443, 443, EVERYWHERE), ("tcp", 5432, 5432, block)}
    assert "SecurityGroupIngress" not in found


def test_another_port_of_the_database_replaces_the_usual_one() -> None:
    network = nested("network", {"DatabasePort": 6432})
    for group in ("FunctionSecurityGroup", "ProviderSecurityGroup"):
        ports = {rule["FromPort"] for rule in network.properties(group)["SecurityGroupEgress"]}
        assert ports == {443, 6432}


def test_endpoints_take_https_of_functions_and_call_nobody(network: Nested) -> None:
    group = network.properties("EndpointSecurityGroup")
    taken = {
        (rule["SourceSecurityGroupId"], rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupIngress"]
    }
    assert taken == {("FunctionSecurityGroup.GroupId", 443, 443), ("ProviderSecurityGroup.GroupId", 443, 443)}
    assert [rule["CidrIp"] for rule in group["SecurityGroupEgress"]] == ["127.0.0.1/32"]


def test_each_group_says_what_it_lets_out(network: Nested) -> None:
    """EC2 lets everything out of a group whose template names nothing."""
    for name, group in network.of_type("AWS::EC2::SecurityGroup").items():
        assert group["SecurityGroupEgress"], name
        rules = group["SecurityGroupEgress"] + group.get("SecurityGroupIngress", [])
        for text in [group["GroupDescription"], *(rule["Description"] for rule in rules)]:
            assert re.fullmatch(r"[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}", text), text


# ---- Endpoints ----


def endpoints(network: Nested, kind: str) -> dict[str, dict[str, Any]]:
    found = network.of_type("AWS::EC2::VPCEndpoint")
    return {name: each for name, each in found.items() if each["VpcEndpointType"] == kind}


def test_services_that_functions_call_are_inside_the_network_in_every_zone(network: Nested) -> None:
    found = endpoints(network, "Interface")
    services = {each["ServiceName"] for each in found.values()}
    assert services == {f"com.amazonaws.{REGION}.{name}" for name in ("sqs", "secretsmanager", "events")}
    for each in found.values():
        assert each["PrivateDnsEnabled"] is True
        assert each["SubnetIds"] == subnets(network, "Function")
        assert each["SecurityGroupIds"] == ["EndpointSecurityGroup.GroupId"]
    vpc = network.only("AWS::EC2::VPC")
    assert vpc["EnableDnsSupport"] is vpc["EnableDnsHostnames"] is True, "private names need both"


def test_an_endpoint_carries_nothing_to_another_account(network: Nested) -> None:
    for each in endpoints(network, "Interface").values():
        for statement in each["PolicyDocument"]["Statement"]:
            assert f":{ACCOUNT}:" in statement["Resource"]
            assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}


def test_buckets_are_reached_from_where_functions_are_and_from_nowhere_else(network: Nested) -> None:
    attached = [table for each in endpoints(network, "Gateway").values() for table in each["RouteTableIds"]]
    wanted = {table_of(network, name) for kind in ("Function", "Provider") for name in subnets(network, kind)}
    assert sorted(attached) == sorted(wanted), "and a table takes one endpoint of a service only"


def test_what_has_no_way_out_reaches_the_accounts_own_buckets_and_answers_cloudformation(network: Nested) -> None:
    own, answer = network.properties("FunctionBucketEndpoint")["PolicyDocument"]["Statement"]
    assert own["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT, "aws:ResourceAccount": ACCOUNT}}
    assert answer["Action"] == "s3:PutObject"
    assert answer["Resource"] == "arn:aws:s3:::cloudformation-custom-resource-response-euwest1/*"


def test_what_calls_providers_may_also_fetch_their_files_but_not_leave_any(network: Nested) -> None:
    statements = {
        each["Sid"]: each for each in network.properties("ProviderBucketEndpoint")["PolicyDocument"]["Statement"]
    }
    strict = {each["Sid"]: each for each in network.properties("FunctionBucketEndpoint")["PolicyDocument"]["Statement"]}
    assert statements.pop("FetchFilesOfProviders")["Action"] == "s3:GetObject"
    assert statements == strict


# ---- What comes in and goes out ----


def test_the_stack_around_it_gets_what_it_passes_on(network: Nested) -> None:
    assert network.outputs == {
        "VpcId": "Vpc",
        "FunctionSubnetIds": ",".join(subnets(network, "Function")),
        "ProviderSubnetIds": ",".join(subnets(network, "Provider")),
        "DatabaseSubnetIds": ",".join(subnets(network, "Database")),
        "FunctionSecurityGroupId": "FunctionSecurityGroup.GroupId",
        "ProviderSecurityGroupId": "ProviderSecurityGroup.GroupId",
    }


def test_each_parameter_says_what_to_choose_and_has_a_default() -> None:
    source = nested("network", {}).source
    assert set(source["Parameters"]) == {"CidrBlock", "ZoneCount", "NatPerZone", "DatabasePort", "FlowLogDays"}
    for name, parameter in source["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert "Default" in parameter, name
    groups = source["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(source["Parameters"])


def test_each_suppressed_check_has_a_reason() -> None:
    assert not unexplained(nested("network", {}).source)
