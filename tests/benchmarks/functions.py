"""Whole functions in this process, as Lambda loads them, with AWS's services replaced by ones that answer at once: what
is measured is ours, and no figure goes through a simulated AWS."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from tests.providers.case_table import signing_of
from ventana.providers import PROVIDERS

FOLDER = Path(__file__).parents[2] / "functions"
QUEUE = "https://sqs.example/123456789012"


class Services:
    """Whatever a function asks of AWS is done, and forgotten."""

    def put_events(self, Entries: list[Any]) -> dict[str, Any]:
        """The bus takes all."""
        return {"Entries": [{} for _ in Entries]}

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:
        """The queue takes all."""
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        """The credentials of a provider, as its cases have them."""
        return {"SecretString": json.dumps(signing_of(SecretId).SECRETS)}


@contextmanager
def answering_at_once() -> Iterator[None]:
    """Clients of AWS that are made in here need no network."""
    with patch("boto3.client", lambda *_, **__: Services()):
        yield


@contextmanager
def loaded(name: str, dsn: str, timeout_ms: int = 4000) -> Iterator[ModuleType]:
    """functions/<name>/app.py with its environment, for as long as the block lasts."""
    environment = {
        "DATABASE_URL": dsn,
        "DATABASE_TIMEOUT_MS": str(timeout_ms),
        "PUBLIC_BASE_URL": "https://ventana.example",
        "SEND_QUEUE_URL": f"{QUEUE}/send.fifo",
        "MEDIA_QUEUE_URL": f"{QUEUE}/media",
        "LOOKUP_QUEUE_URL": f"{QUEUE}/lookup.fifo",
        "EVENT_BUS_NAME": "ventana",
        **{f"{provider.upper()}_SECRET_ID": provider for provider in PROVIDERS},
    }
    spec = importlib.util.spec_from_file_location(f"{name}_{uuid4().hex}", FOLDER / name / "app.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with patch.dict(os.environ, environment):
        spec.loader.exec_module(module)
    try:
        yield module
    finally:
        del sys.modules[spec.name]
        module.database.close()
