"""The inside of a deployed stack, as far as the AWS profile may look: outputs, secrets, queues, functions, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.doctor.line import Line
from infra.doctor.local import migrated
from infra.doctor.place import Place, PlaceFailed, secret_name, to_providers
from ventana.http import transport
from ventana.providers import PROVIDERS
from ventana.secrets import ProviderSecrets

FULL = 10_000
DEAD = ("DeadLetter", "Failure")
"""What the logical ids of queues say that hold what nobody could handle."""
LATE = timedelta(minutes=10)
OLD_SECONDS = 300
GONE_THROUGH = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
LOOK = "give the profile the permission, or look in the console"


def deployed(stack: str, token: str | None) -> Place:
    """The system in this stack. Raises PlaceFailed."""
    try:
        found = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
        inside = AwsInside(stack, found["StackStatus"])
        secrets = {name: _secret(name, outputs.get(f"{secret_name(name)}Arn")) for name in PROVIDERS}
    except (BotoCoreError, ClientError) as error:
        advice = "see that the profile (AWS_PROFILE) and its region are those of the stack"
        raise PlaceFailed(f"the stack {stack} cannot be read ({_why(error)}): {advice}") from error
    if "ApiUrl" not in outputs:
        raise PlaceFailed(
            f"the stack {stack} has no output ApiUrl: it is none of Ventana's, or not deployed to its end"
        )
    return Place(
        name=f"the stack {stack}",
        api=outputs["ApiUrl"].rstrip("/"),
        origin=outputs.get("PublicOrigin", outputs["ApiUrl"]).rstrip("/"),
        secrets=secrets,
        providers=to_providers(),
        web=transport(read_seconds=15.0),
        token=token,
        inside=inside,
    )


def _secret(provider: str, arn: str | None) -> ProviderSecrets | str:
    if not arn:
        return "the stack has no output that names its secret"
    try:
        text = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        values: Any = json.loads(text)
    except (BotoCoreError, ClientError) as error:
        return f"its secret cannot be read ({_why(error)})"
    except (ValueError, KeyError):
        return "its secret is not a JSON object"
    return ProviderSecrets(provider, values) if isinstance(values, dict) else "its secret is not a JSON object"


class AwsInside:
    """Everything that the stack and the stacks in it are made of, by logical id."""

    def __init__(self, stack: str, status: str) -> None:
        self._status = status
        self._resources = {each["LogicalResourceId"]: each for each in _resources(stack)}

    def deployment(self) -> list[Line]:
        """By the stack's status."""
        said = f"the last deployment is {self._status.lower().replace('_', ' ')}"
        if self._status in GONE_THROUGH:
            return [Line("ok", said)]
        if self._status.endswith("_IN_PROGRESS"):
            return [Line("warning", said, "wait until it is through, and look again")]
        return [Line("problem", said, "the stack's events in CloudFormation say which resource failed, and why")]

    def migrations(self) -> list[Line]:
        """Ask the migrator what is pending; that changes nothing."""
        try:
            answer = boto3.client("lambda").invoke(
                FunctionName=self._id("Migrator"), Payload=json.dumps({"action": "plan"}).encode()
            )
            told = json.loads(answer["Payload"].read())
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            return [Line("warning", f"the migrator cannot be asked ({_why(error)})", LOOK)]
        if "FunctionError" in answer:
            return [Line("problem", f"the migrator fails: {told.get('errorMessage', '')}", "see the migrator's log")]
        return [migrated(told.get("pending", []), "deploy again, or invoke the migrator: sam remote invoke Migrator")]

    def queues(self) -> list[Line]:
        """Look into every queue."""
        names = sorted(name for name, each in self._resources.items() if each["ResourceType"] == "AWS::SQS::Queue")
        try:
            waiting = {name: self._waiting(name) for name in names}
            ages = {name: self._age(name) for name in names if waiting[name]}
        except (BotoCoreError, ClientError) as error:
            return [Line("warning", f"the queues cannot be looked at ({_why(error)})", LOOK)]
        dead = {name: number for name, number in waiting.items() if any(word in name for word in DEAD)}
        found = [
            Line(
                "problem",
                f"{name} holds {number} that nobody could handle",
                "see the log of the function before it; after a fix, redrive the queue",
            )
            for name, number in dead.items()
            if number
        ]
        found += [
            Line(
                "warning",
                f"{name} holds {number}",
                "see whether its function works, and is allowed to run often enough",
            )
            for name, number in waiting.items()
            if name not in dead and number > FULL
        ]
        found += [
            Line("warning", f"the oldest in {name} waits for {age / 60:.0f} minutes", "see the log of its function")
            for name, age in ages.items()
            if name not in dead and age > OLD_SECONDS
        ]
        return found or [Line("ok", f"{len(dead)} dead letter queues are empty, and nothing waits long in the others")]

    def sweep(self) -> list[Line]:
        """By CloudWatch's count of its invocations."""
        try:
            counted = _metric("AWS/Lambda", "Invocations", "FunctionName", self._id("WindowSweep"), "Sum")
        except (BotoCoreError, ClientError, KeyError) as error:
            return [Line("warning", f"it cannot be seen whether the sweep runs ({_why(error)})", LOOK)]
        if sum(counted):
            return [Line("ok", "the sweep ran within the last ten minutes")]
        advice = "see its schedule and its log; without it windows do not close and events may wait"
        return [Line("problem", "the sweep did not run within the last ten minutes", advice)]

    def _waiting(self, name: str) -> int:
        attributes = boto3.client("sqs").get_queue_attributes(
            QueueUrl=self._id(name), AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    def _age(self, name: str) -> float:
        """Seconds, as CloudWatch saw them in the last minutes."""
        queue = self._id(name).rpartition("/")[2]
        return max(_metric("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue, "Maximum"), default=0.0)

    def _id(self, name: str) -> str:
        return str(self._resources[name]["PhysicalResourceId"])


def _metric(namespace: str, metric: str, dimension: str, of: str, statistic: Literal["Sum", "Maximum"]) -> list[float]:
    """A value for each of the last minutes in which there was one."""
    now = datetime.now(UTC)
    found = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": dimension, "Value": of}],
        StartTime=now - LATE,
        EndTime=now,
        Period=60,
        Statistics=[statistic],
    )
    return [float(each.get(statistic, 0)) for each in found["Datapoints"]]


def _resources(stack: str) -> Iterator[Any]:
    for page in boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack):
        for each in page["StackResourceSummaries"]:
            yield each
            if each["ResourceType"] == "AWS::CloudFormation::Stack" and each.get("PhysicalResourceId"):
                yield from _resources(each["PhysicalResourceId"])


def _why(error: Exception) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code") or type(error).__name__)
