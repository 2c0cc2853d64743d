"""Whether an event is as infra/events.json says, which those who consume it rely on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import psycopg
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from infra.events import EVENTS, FILE, Event
from ventana.outbox import SCHEMA_VERSION

MODELS: Mapping[str, type[Event]] = {event.__name__: event for event in EVENTS}


@cache
def _schemas() -> Mapping[str, Any]:
    documents = json.loads(FILE.read_text())["events"]
    return {name: Draft202012Validator(schema) for name, schema in documents.items()}


def check(name: str, detail: Mapping[str, Any]) -> None:
    """Fail where the published schema does not allow the detail, or does not tell of all that is in it."""
    wrong = [
        f"{name}.{'.'.join(map(str, error.path))}: {error.message}" for error in _schemas()[name].iter_errors(detail)
    ]
    assert not wrong, wrong
    MODELS[name].model_validate(detail)  # formats, and nothing that is not told of


def check_all(database_url: str) -> None:
    """Check every event that a database holds."""
    with psycopg.connect(database_url) as connection:
        for event_id, name, detail in connection.execute("select id::text, name, detail from events"):
            check(name, {"event_id": event_id, "version": SCHEMA_VERSION, **detail})
