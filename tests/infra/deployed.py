"""How each type of resource comes into moto: by its own CloudFormation, by calls of ours, or not at all."""

from __future__ import annotations

from tests.infra import calls
from tests.infra.calls import Call

BY_MOTO = {
    "AWS::CloudWatch::Dashboard",
    "AWS::EC2::EIP",
    "AWS::EC2::FlowLog",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Route53::RecordSet",
}
"""Types that moto's CloudFormation makes as AWS's does, as far as we look."""

NOWHERE = {
    "AWS::CloudWatch::CompositeAlarm": "moto has no PutCompositeAlarm; tests/infra/test_alarms.py looks at it",
    "Custom::Migration": "calls our code in a container; tests/functions and the story call it",
    "Custom::Credentials": "calls our code in a container; tests/functions and the story call it",
}
"""Types that moto has no service for, each with the reason."""

UNKEPT = {
    ("AWS::Lambda::Function", "SnapStart"): "moto answers None for every function",
    ("AWS::Lambda::Function", "LoggingConfig"): "moto's function has none",
    ("AWS::RDS::DBInstance", "EnablePerformanceInsights"): "moto's server has none",
    ("AWS::CodeDeploy::DeploymentGroup", "AlarmConfiguration"): "moto's group has an empty one",
}
"""Properties that moto takes and does not give back; test_functions.py and test_database.py look at the template."""


CALLS = {
    "AWS::ApiGatewayV2::Api": Call(
        "apigatewayv2", "create_api", "{ApiId}", before=calls.api_itself, then=calls.api, update="update_api"
    ),
    "AWS::ApiGatewayV2::ApiMapping": Call("apigatewayv2", "create_api_mapping", "{ApiMappingId}"),
    "AWS::ApiGatewayV2::DomainName": Call(
        "apigatewayv2",
        "create_domain_name",
        "{DomainName}",
        # moto gives no address to a domain
        attributes={
            "RegionalDomainName": "d-1.execute-api.{region}.amazonaws.com",
            "RegionalHostedZoneId": "Z1",
        },
    ),
    "AWS::ApiGatewayV2::Stage": Call("apigatewayv2", "create_stage", "{StageName}", update="update_stage"),
    "AWS::CloudWatch::Alarm": Call(
        "cloudwatch",
        "put_metric_alarm",
        "{AlarmName}",
        name="AlarmName",
        attributes={"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{ref}"},
        update="put_metric_alarm",
    ),
    "AWS::CodeDeploy::Application": Call(
        "codedeploy", "create_application", "{ApplicationName}", name="ApplicationName"
    ),
    "AWS::CodeDeploy::DeploymentGroup": Call(
        "codedeploy", "create_deployment_group", "{DeploymentGroupName}", name="DeploymentGroupName"
    ),
    "AWS::EC2::SecurityGroup": Call(
        "ec2",
        "create_security_group",
        "{GroupId}",
        name="GroupName",
        attributes={"GroupId": "{ref}"},
        renamed={"GroupDescription": "Description"},
        before=calls.tagged("security-group"),
        then=calls.group,
        apart=("SecurityGroupIngress", "SecurityGroupEgress"),
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Call("ec2", "associate_route_table", "{AssociationId}"),
    "AWS::EC2::VPC": Call(
        "ec2",
        "create_vpc",
        "{Vpc[VpcId]}",
        before=calls.tagged("vpc"),
        then=calls.vpc,
        apart=("EnableDnsSupport", "EnableDnsHostnames"),
    ),
    "AWS::EC2::VPCEndpoint": Call("ec2", "create_vpc_endpoint", "{VpcEndpoint[VpcEndpointId]}"),
    "AWS::Events::Archive": Call(
        "events",
        "create_archive",
        "{ArchiveName}",
        name="ArchiveName",
        renamed={"SourceArn": "EventSourceArn"},
        update="update_archive",
        replaces=("ArchiveName", "SourceArn"),
    ),
    "AWS::Events::EventBus": Call("events", "create_event_bus", "{Name}", attributes={"Arn": "{EventBusArn}"}),
    "AWS::Events::Rule": Call(
        "events",
        "put_rule",
        "{Name}",
        name="Name",
        attributes={"Arn": "{RuleArn}"},
        then=calls.targets_of_rule,
        apart=("Targets",),
        update="put_rule",
    ),
    "AWS::IAM::Role": Call(
        "iam",
        "create_role",
        "{RoleName}",
        name="RoleName",
        attributes={"Arn": "{Role[Arn]}"},
        then=calls.role,
        apart=("Policies", "ManagedPolicyArns"),
    ),
    "AWS::Lambda::Alias": Call("lambda", "create_alias", "{AliasArn}", update="update_alias"),
    "AWS::Lambda::EventInvokeConfig": Call(
        "lambda", "put_function_event_invoke_config", update="put_function_event_invoke_config"
    ),
    "AWS::Lambda::Function": Call(
        "lambda",
        "create_function",
        "{FunctionName}",
        name="FunctionName",
        attributes={"Arn": "{FunctionArn}"},
        then=calls.function,
        apart=("ReservedConcurrentExecutions",),
        update="update_function_configuration",
    ),
    "AWS::Lambda::LayerVersion": Call("lambda", "publish_layer_version", "{LayerVersionArn}"),
    "AWS::Lambda::Permission": Call("lambda", "add_permission", name="StatementId"),
    "AWS::Lambda::Version": Call("lambda", "publish_version", "{FunctionArn}", attributes={"Version": "{Version}"}),
    "AWS::Logs::LogGroup": Call(
        "logs",
        "create_log_group",
        "{LogGroupName}",
        name="LogGroupName",
        attributes={"Arn": "arn:aws:logs:{region}:{account}:log-group:{ref}:*"},
        then=calls.retention,
        apart=("RetentionInDays",),
        update="put_retention_policy",
        replaces=("LogGroupName",),
    ),
    "AWS::RDS::DBInstance": Call(
        "rds",
        "create_db_instance",
        "{DBInstanceIdentifier}",
        attributes={
            "Endpoint.Address": "{DBInstance[Endpoint][Address]}",
            "Endpoint.Port": "{DBInstance[Endpoint][Port]}",
            "DbiResourceId": "{DBInstance[DbiResourceId]}",
            "MasterUserSecret.SecretArn": "{DBInstance[MasterUserSecret][SecretArn]}",
        },
        renamed={"VPCSecurityGroups": "VpcSecurityGroupIds"},
        before=calls.server,
        update="modify_db_instance",
        replaces=(
            "DBInstanceIdentifier",
            "DBName",
            "DBSubnetGroupName",
            "Engine",
            "MasterUsername",
            "StorageEncrypted",
        ),
    ),
    "AWS::RDS::DBParameterGroup": Call(
        "rds",
        "create_db_parameter_group",
        "{DBParameterGroupName}",
        name="DBParameterGroupName",
        naming=lambda name, _: name.lower(),
        renamed={"Family": "DBParameterGroupFamily"},
        then=calls.settings,
        apart=("Parameters",),
    ),
    "AWS::RDS::DBSubnetGroup": Call(
        "rds", "create_db_subnet_group", "{DBSubnetGroup[DBSubnetGroupName]}", name="DBSubnetGroupName"
    ),
    "AWS::RDS::DBProxy": Call(
        "rds",
        "create_db_proxy",
        "{DBProxyName}",
        attributes={"Endpoint": "{DBProxy[Endpoint]}", "DBProxyArn": "{DBProxy[DBProxyArn]}"},
        before=calls.proxy,
    ),
    "AWS::RDS::DBProxyTargetGroup": Call(
        "rds",
        "modify_db_proxy_target_group",
        renamed={"ConnectionPoolConfigurationInfo": "ConnectionPoolConfig"},
        then=calls.targets,
        apart=("DBInstanceIdentifiers",),
    ),
    "AWS::S3::Bucket": Call(
        "s3",
        "create_bucket",
        "{Bucket}",
        name="Bucket",
        naming=lambda name, _: name.lower(),
        attributes={"Arn": "arn:aws:s3:::{ref}"},
        before=calls.bucket_place,
        then=calls.bucket,
        update="put_public_access_block",
        replaces=("BucketName",),
        apart=(
            "BucketEncryption",
            "PublicAccessBlockConfiguration",
            "OwnershipControls",
            "LifecycleConfiguration",
        ),
    ),
    "AWS::S3::BucketPolicy": Call(
        "s3", "put_bucket_policy", renamed={"PolicyDocument": "Policy"}, update="put_bucket_policy"
    ),
    "AWS::SQS::Queue": Call(
        "sqs",
        "create_queue",
        "{QueueUrl}",
        name="QueueName",
        naming=lambda name, properties: f"{name}.fifo" if properties.get("FifoQueue") else name,
        attributes={"Arn": "arn:aws:sqs:{region}:{account}:{QueueName}", "QueueName": "{QueueName}"},
        before=calls.queue,
        update="set_queue_attributes",
        updated="QueueUrl",
        replaces=("FifoQueue", "QueueName"),
    ),
    "AWS::SQS::QueuePolicy": Call(
        "sqs", "set_queue_attributes", before=calls.queue_policy, update="set_queue_attributes"
    ),
    "AWS::Scheduler::Schedule": Call("scheduler", "create_schedule", name="Name", update="update_schedule"),
    "AWS::SecretsManager::Secret": Call(
        "secretsmanager",
        "create_secret",
        "{ARN}",
        name="Name",
        update="update_secret",
        updated="SecretId",
        replaces=("Name",),
    ),
}
"""Types that moto's CloudFormation does not know, or makes less of than AWS's, by the calls that make them."""
