"""The document of the API: what is checked in is what the code does, and is served by it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from openapi_spec_validator import validate
from pydantic import TypeAdapter

from infra.local.template import Template
from tests.functions.api_calls import Api, Events, Load
from ventana.api.contents import Kind
from ventana.api.document import PROBLEMS
from ventana.api.examples import MESSAGES
from ventana.api.requests import SendRequest
from ventana.content import COLUMN

ROOT = Path(__file__).parents[2]
WRITTEN, TEMPLATE = ROOT / "infra" / "openapi.json", ROOT / "template.yaml"


@pytest.fixture
def call(load: Load, events: Events) -> Api:
    return Api(load, events)


def test_the_api_serves_its_document(call: Api) -> None:
    """And what is checked in is that of the code: after a change, run `make openapi`."""
    for _ in range(2):
        assert call("GET", "/v1/openapi.json") == (200, json.loads(WRITTEN.read_text()))


def test_the_document_is_valid() -> None:
    found = json.loads(WRITTEN.read_text())
    validate(found)
    used = set(re.findall(r'"#/components/(\w+/\w+)"', WRITTEN.read_text()))
    kept = {f"{kind}/{name}" for kind in ("schemas", "responses") for name in found["components"][kind]}
    assert kept == used


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    paths = json.loads(WRITTEN.read_text())["paths"]
    return [(method, path, operation) for path, of in paths.items() for method, operation in of.items()]


@pytest.mark.parametrize(("method", "path", "operation"), operations())
def test_every_operation_says_what_it_is(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["tags"]
    assert re.fullmatch(r"/v1(/[a-z.-]+|/\{\w+\})+", path)
    problems = {f"#/components/responses/{name}" for name, _ in PROBLEMS.values()}
    for code, response in operation["responses"].items():
        assert int(code) < 400 or response["$ref"] in {*problems, "#/components/responses/Unauthorized"}
    assert ("401" in operation["responses"]) == (operation.get("security") != [])


def test_every_operation_is_a_route_and_every_route_an_operation() -> None:
    """And wants a token where the document says so."""
    routes = [route for route in Template.read(TEMPLATE, {}).routes() if route.path.startswith("/v1/")]
    served = {(route.method.upper(), re.sub(r"\{\w+\}", "{}", route.path), route.guarded) for route in routes}
    assert served == {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path), operation.get("security") != [])
        for method, path, operation in operations()
    }


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)


def test_examples_are_requests_that_are_taken() -> None:
    for example in MESSAGES.values():
        TypeAdapter(SendRequest).validate_python(example["value"])


def test_every_kind_of_content_can_be_asked_for() -> None:
    assert set(get_args(Kind)) == set(COLUMN) <= set(SendRequest.model_fields)
