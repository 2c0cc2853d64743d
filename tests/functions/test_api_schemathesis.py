"""Requests made up from the API's document, valid and invalid ones, against the real handler over a real Postgres.

Nothing may answer 5xx, and every answer must be one that the document names, in the shape that it gives. What the
document allows is accepted and what it forbids is refused; the exceptions are below, with their reasons.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    ignored_auth,
    positive_data_acceptance,
    unsupported_method,
)

from tests.functions.api_calls import Load, Rows, a_conversation
from tests.functions.api_server import serving_api
from ventana.messages import Parked
from ventana.schema.connection import Database
from ventana.schema.inbound import record_inbound
from ventana.settings import Settings

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
Request: TypeAlias = Case[Any]
DOCUMENT = Path(__file__).parents[2] / "infra" / "openapi.json"
EXAMPLES = {"POST /v1/messages": 40}
FEWER_EXAMPLES = 8
WITHOUT = [
    ignored_auth,  # who may call is decided by API Gateway, which is not here
    unsupported_method,  # a path that is no route is API Gateway's to answer, with 404
    allow_header_conformance,  # the same
]
"""Checks that are not made at all."""
REFUSED_ALL_THE_SAME = {
    "GET /v1/messages": "a cursor must be one that a list gave",
    "GET /v1/conversations": "the same",
    "GET /v1/conversations/{conversation_id}/messages": "the same",
    "GET /v1/changes": "the same",
    "GET /v1/templates": "either a conversation, or a provider and an address must be given",
    "POST /v1/messages": "providers' limits are no part of the document, nor is that `null` is no content",
    "PUT /v1/addresses/{provider}/{address}": "templates have such limits too",
    "POST /v1/messages/{message_id}/read": "not every provider can show it",
    "POST /v1/conversations/{conversation_id}/tags": "those that it has count too",
    "POST /v1/parked/{parked_id}/replay": "what no provider sent is read by no parser",
}
"""Where requests may be refused that the document allows."""
FORBIDDEN_NOTHING = frozenset({"POST /v1/dead-letters/{queue}/redrive"})
"""Where no request is invalid by the document: any word might be the name of a queue."""
WITHOUT_NUL = schemathesis.Config.from_dict({"generation": {"allow-x00": False}})
"""NUL is refused in every text, which a document can hardly say; test_api_any_body.py tries it."""
STATES = ("accepted", "held", "failed", "uncertain", "sent")


@pytest.fixture
def known(rows: Rows, application_url: str) -> dict[str, list[str]]:
    """Rows to work on: the ids of each kind by the name that paths give them."""
    conversations = [a_conversation(rows, provider) for provider in ("meta", "twilio", "kommo")]
    for state in STATES:
        rows(
            "with m as (insert into kommo_messages (conversation_id, provider, business_address, role, content,"
            " delivery_status, metadata) values (%s, 'meta', '106540352242922', 'assistant', 'x', %s,"
            ' \'{"content": {"type": "text", "body": "x"}, "send": {"lane": "reply"}}\') returning id)'
            " insert into sends (message_id, conversation_id, provider, business_address, phase, due_at, expires_at,"
            " claimed_at) select id, %s, 'meta', '106540352242922', %s, now(), now() + interval '1 day',"
            " now() - interval '1 hour' from m",
            *(conversations[0], state, conversations[0]),
            {"accepted": "ready", "held": "held", "uncertain": "uncertain"}.get(state, "over"),
        )
    database = Database(Settings(database_url=application_url))
    record_inbound(database, [Parked("meta", "parse failed: KeyError", b'{"x": 1}'), Parked("unknown", "?", b"{}")])
    database.close()
    return {
        "conversation_id": conversations,
        "message_id": [message_id for (message_id,) in rows("select id::text from kommo_messages order by 1")],
        "parked_id": [parked_id for (parked_id,) in rows("select id::text from parked_items order by 1")],
    }


@pytest.mark.slow
def test_requests_made_up_from_the_document(load: Load, known: dict[str, list[str]]) -> None:
    document = json.loads(DOCUMENT.read_text())
    del document["security"]
    found = schemathesis.openapi.from_dict(document, config=WITHOUT_NUL).get_all_operations()
    operations: list[Operation] = [each.ok() for each in found if isinstance(each, Ok)]
    assert len(operations) == sum(len(path) for path in document["paths"].values())
    tried: dict[str, int] = {}
    with serving_api(load("api").handler) as url:
        for operation in operations:
            _try(operation, known, _conforming(url, tried))
    assert min(tried.values()) >= 1
    assert tried.keys() == {operation.label for operation in operations}


def _conforming(url: str, tried: dict[str, int]) -> Callable[[Request], None]:
    def conforms(case: Request) -> None:
        label = case.operation.label
        excluded = [*WITHOUT, positive_data_acceptance] if label in REFUSED_ALL_THE_SAME else WITHOUT
        case.call_and_validate(url, excluded_checks=excluded)
        tried[label] = tried.get(label, 0) + 1

    return conforms


def _try(
    operation: APIOperation[Any, Any, Any, Any], known: dict[str, list[str]], conforms: Callable[[Request], None]
) -> None:
    """Valid requests, to rows that there are as well as to others, and invalid ones."""
    # Always the same requests: a run that fails, fails again.
    decide = settings(
        max_examples=EXAMPLES.get(operation.label, FEWER_EXAMPLES),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @decide
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE), data=st.data())
    def valid(case: Request, data: st.DataObject) -> None:
        for name in case.path_parameters:
            if name in known and data.draw(st.integers(0, 3)):
                case.path_parameters[name] = data.draw(st.sampled_from(known[name]))
        if isinstance(case.body, dict) and case.body.get("conversation_id"):
            case.body["conversation_id"] = data.draw(st.sampled_from(known["conversation_id"]))
        conforms(case)

    @decide
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def invalid(case: Request) -> None:
        conforms(case)

    valid()
    if operation.label in FORBIDDEN_NOTHING:
        return
    if operation.path_parameters or operation.query or operation.headers or operation.body:
        invalid()
