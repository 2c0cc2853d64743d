"""AWS on loopback: moto as a child process, with the queues, buckets, event bus and secrets of template.yaml in it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import permissions
from infra.local.child import die_with_parent, end
from infra.local.template import Template
from infra.local.waits import visibility_seconds

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

ROOT = Path(__file__).parents[2]
SERVER = "infra.local.moto_server"
ACCOUNT = "123456789012"
REGION = "us-east-1"
STACK = "ventana-local"
START_SECONDS = 30.0
QUEUE_ATTRIBUTES = (
    "FifoQueue",
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoThroughputLimit",
    "VisibilityTimeout",
    "MessageRetentionPeriod",
    "DelaySeconds",
)
BUS_OBSERVER = "local-bus-observer"


class AwsFailed(Exception):
    """The simulated services did not start; the message is one line."""


class Aws:
    """The simulated services. Construction starts them; `ready` waits; the rest of the system starts meanwhile.

    `folder` is where roles of functions are put down by `enforce`, and what functions call by the services.
    """

    def __init__(self, log: Path, folder: Path) -> None:
        permissions.clear(folder)
        self.endpoint = f"http://127.0.0.1:{_free_port()}"
        self._log, self._folder = log, folder
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", SERVER, str(folder), "-H", "127.0.0.1", "-p", self.endpoint.rpartition(":")[2]],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )

    def environment(self, function: str) -> dict[str, str]:
        """What tells an AWS SDK to come here, as one of the functions."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": f"{permissions.KEY}{function}",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def ready(self) -> None:
        """Wait until the services answer. Raises AwsFailed when they do not."""
        give_up = time.monotonic() + START_SECONDS
        port = int(self.endpoint.rpartition(":")[2])
        while self._process.poll() is None and time.monotonic() < give_up:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise AwsFailed(f"moto, which stands for AWS, did not start; its log is {self._log}")

    def stop(self) -> None:
        """End the services; what was in their queues is gone."""
        end(self._process)

    @cached_property
    def sqs(self) -> SQSClient:
        """One client for all threads: making one is slow, and it is safe to share."""
        client: SQSClient = self._client("sqs")
        return client

    def sqs_of(self, function: str) -> SQSClient:
        """A client that may do what the function's role allows: Lambda reads queues in its name."""
        client: SQSClient = self._client("sqs", f"{permissions.KEY}{function}")
        return client

    def enforce(self, template: Template, created: Mapping[str, Any]) -> None:
        """From now on functions may do what the template allows them; `created` is what `create` returned."""
        permissions.write(self._folder, permissions.of_functions(template), permissions.names_of(created))

    def create(self, template: Template, secrets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Make what the template declares; return what !Ref and !GetAtt of it mean.

        `secrets` holds the content of each AWS::SecretsManager::Secret by logical id.
        """
        return {
            **self._create_queues(template),
            **self._create_secrets(template, secrets),
            **self._create_bus(template),
            **self._create_buckets(template),
        }

    def _create_queues(self, template: Template) -> dict[str, Any]:
        sqs, declared = self.sqs, dict(template.of_type("AWS::SQS::Queue"))
        values = {f"{name}.Arn": queue_arn(name, spec) for name, spec in declared.items()}
        # Those without a dead letter queue are such themselves, and have to be there first.
        for name, spec in sorted(declared.items(), key=lambda item: "RedrivePolicy" in item[1]):
            attributes = {key: _text(spec[key]) for key in QUEUE_ATTRIBUTES if key in spec}
            if "VisibilityTimeout" in attributes:
                attributes["VisibilityTimeout"] = visibility_seconds(attributes["VisibilityTimeout"])
            if "RedrivePolicy" in spec:
                policy = spec["RedrivePolicy"]
                target = ".".join(policy["deadLetterTargetArn"]["Fn::GetAtt"])
                attributes["RedrivePolicy"] = json.dumps({**policy, "deadLetterTargetArn": values[target]})
            queue_name = values[f"{name}.Arn"].rpartition(":")[2]
            values[name] = sqs.create_queue(QueueName=queue_name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]
        return values

    def _create_secrets(self, template: Template, secrets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        client: SecretsManagerClient = self._client("secretsmanager")
        return {
            name: client.create_secret(Name=f"{STACK}-{name}", SecretString=json.dumps(secrets[name]))["ARN"]
            for name, _ in template.of_type("AWS::SecretsManager::Secret")
            if name in secrets
        }

    def _create_bus(self, template: Template) -> dict[str, Any]:
        """Each bus, with a queue behind it that gets everything: bus.py reads it."""
        client: EventBridgeClient = self._client("events")
        values: dict[str, Any] = {BUS_OBSERVER: self.sqs.create_queue(QueueName=BUS_OBSERVER)["QueueUrl"]}
        for name, _ in template.of_type("AWS::Events::EventBus"):
            bus = f"{STACK}-{name}"
            values[name], values[f"{name}.Arn"] = bus, client.create_event_bus(Name=bus)["EventBusArn"]
            pattern = json.dumps({"account": [ACCOUNT]})
            client.put_rule(Name=BUS_OBSERVER, EventBusName=bus, EventPattern=pattern)
            target = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{BUS_OBSERVER}"
            client.put_targets(Rule=BUS_OBSERVER, EventBusName=bus, Targets=[{"Id": "local", "Arn": target}])
        return values

    def _create_buckets(self, template: Template) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, _ in template.of_type("AWS::S3::Bucket"):
            values[name] = f"{STACK}-{name}".lower()
            values[f"{name}.Arn"] = f"arn:aws:s3:::{values[name]}"
            self._client("s3").create_bucket(Bucket=values[name])
        return values

    @cached_property
    def _session(self) -> Session:
        import boto3  # 0.2 s, which nobody pays before there is something to ask

        return boto3.session.Session()

    def _client(self, service: str, key: str = "local") -> Any:
        from botocore.config import Config

        return self._session.client(
            service,  # type: ignore[call-overload]  # a name of three
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60, max_pool_connections=20),
        )


def queue_arn(name: str, properties: Mapping[str, Any]) -> str:
    """The ARN that a declared queue has here: CloudFormation would make up a name, we take its logical id."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}{'.fifo' if properties.get('FifoQueue') else ''}"


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
