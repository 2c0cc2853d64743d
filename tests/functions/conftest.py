"""The real handlers, as Lambda loads them, over a fresh Postgres and AWS's services in moto."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import boto3
import psycopg
import pytest
from moto import mock_aws

from tests.functions import published
from tests.functions.sending import desk, peer
from ventana.schema.connection import Database
from ventana.schema.types import Connection
from ventana.telemetry import logger

__all__ = ["desk", "peer"]  # fixtures of all tests here

FUNCTIONS = Path(__file__).parents[2] / "functions"
BASE = "https://gateway.example.com"
SECRETS = {
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_tokens": ["new-token", "old-token"]},
    "meta": {"app_secrets": ["new-secret", "old-secret"], "verify_tokens": ["hand-shake"], "access_tokens": ["t"]},
    "kommo": {"webhook_tokens": ["path-token"], "access_tokens": ["t"], "account_id": "100", "subdomain": "shop"},
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, database_url: str, application_url: str) -> Iterator[dict[str, str]]:
    """Secrets, queues and bus in moto, and the environment that template.yaml gives to a function.

    Whatever events a test has caused are as their published schemas say.
    """
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    with mock_aws():
        store = boto3.client("secretsmanager")
        for provider, values in SECRETS.items():
            store.create_secret(Name=provider, SecretString=json.dumps(values))
        queue, bulk = (
            boto3.client("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
            for name in ("send.fifo", "bulk.fifo")
        )
        spill = boto3.client("sqs").create_queue(
            QueueName="spill.fifo", Attributes={"FifoQueue": "true", "DeduplicationScope": "messageGroup"}
        )["QueueUrl"]
        boto3.client("events").create_event_bus(Name="ventana")
        environment = {
            "DATABASE_URL": application_url,
            "DATABASE_TIMEOUT_MS": "2000",
            "PUBLIC_BASE_URL": BASE,
            "SEND_QUEUE_URL": queue,
            "BULK_QUEUE_URL": bulk,
            "SPILL_QUEUE_URL": spill,
            "SPILL_BUCKET": "spill",
            "EVENT_BUS_NAME": "ventana",
            **{f"{provider.upper()}_SECRET_ID": provider for provider in SECRETS},
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield environment
    published.check_all(database_url)


class _Stdout:
    """Whatever stdout is now, so that capsys sees what is logged."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture
def load(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import functions/<name>/app.py afresh, as a new container does; its connections are closed afterwards."""
    databases: set[Database] = set()
    opened = Database._open

    def open_and_note(database: Database, until: float) -> Connection:
        databases.add(database)
        return opened(database, until)

    def import_app(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"{name}_{uuid4().hex}", FUNCTIONS / name / "app.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    monkeypatch.setattr(Database, "_open", open_and_note)
    # A logger keeps the stdout of the moment it was made; pytest makes a new one for each phase of each test.
    monkeypatch.setattr(logger.registered_handler, "stream", _Stdout())
    yield import_app
    for database in databases:
        database.close()


@pytest.fixture
def rows(database_url: str) -> Callable[..., list[tuple[Any, ...]]]:
    """Read or change the database from outside, as its owner."""

    def read(query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(database_url) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    return read


@pytest.fixture
def bus(aws: dict[str, str]) -> Callable[[], list[dict[str, Any]]]:
    """What arrived on the event bus since the last look."""
    queue = boto3.client("sqs").create_queue(QueueName="heard")["QueueUrl"]
    boto3.client("events").put_rule(Name="all", EventBusName="ventana", EventPattern='{"source": ["ventana"]}')
    boto3.client("events").put_targets(
        Rule="all",
        EventBusName="ventana",
        Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:heard"}],
    )

    def heard() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while entries := boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(entry["Body"]) for entry in entries]
            for entry in entries:
                boto3.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=entry["ReceiptHandle"])
        return found

    return heard


def http_event(
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    query: str = "",
    parameters: dict[str, str] | None = None,
) -> dict[str, Any]:
    """An API Gateway HTTP API v2 event as AWS sends it: form bodies base64, JSON as text."""
    headers = {name.lower(): value for name, value in (headers or {}).items()}
    text = "json" in headers.get("content-type", "")
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "inside.example.net", **headers},
        "queryStringParameters": dict(pair.split("=", 1) for pair in query.split("&")) if query else None,
        "pathParameters": parameters,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.execute-api.us-east-1.amazonaws.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"},
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "22/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795348800000,
        },
        "body": body.decode() if text else base64.b64encode(body).decode(),
        "isBase64Encoded": not text,
    }


def twilio_event(
    parameters: dict[str, str], token: str = "new-token", path: str = "/webhooks/twilio"
) -> dict[str, Any]:
    """A Twilio webhook, signed by the rules of its documentation and none of our code."""
    signed = BASE + path + "".join(name + parameters[name] for name in sorted(parameters))
    signature = base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()
    headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8", "x-twilio-signature": signature}
    path, _, query = path.partition("?")
    return http_event("POST", path, urlencode(parameters).encode(), headers, query)


def meta_event(payload: object, secret: str = "new-secret") -> dict[str, Any]:
    """A Meta webhook, signed over its bytes."""
    body = json.dumps(payload).encode()
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-hub-signature-256": signature}
    return http_event("POST", "/webhooks/meta", body, headers)


def kommo_event(fields: dict[str, str], token: str = "path-token") -> dict[str, Any]:
    """A Kommo webhook: a form with nested keys, authenticated by a token in its path."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    path = f"/webhooks/kommo/{quote(token)}"
    return http_event("POST", path, urlencode(fields).encode(), headers, parameters={"token": token})


@pytest.fixture
def events() -> dict[str, Callable[..., dict[str, Any]]]:
    """Makers of events by provider, and "http" for any other."""
    return {"twilio": twilio_event, "meta": meta_event, "kommo": kommo_event, "http": http_event}
