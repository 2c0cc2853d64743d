"""Whatever stands in a properly signed body, parsing gives items that can be stored; it never raises."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from typing import Any, get_args
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.case_table import (
    CONTENT_TYPES,
    Case,
    all_cases,
    as_json,
    live_secrets,
    parsed_again,
    secrets_of,
    signing_of,
)
from ventana.errors import BadSignature
from ventana.messages import (
    ContentType,
    Customer,
    IdentityChange,
    InboundMessage,
    Item,
    Media,
    Parked,
    Preference,
    ReportedStatus,
    Role,
    StatusUpdate,
)
from ventana.providers import PROVIDERS, provider_named
from ventana.providers.base import RawRequest

CASES: dict[str, list[Case]] = {
    name: [case for case in all_cases() if case.provider_name == name] for name in PROVIDERS
}
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
every_provider = pytest.mark.parametrize("provider", PROVIDERS)

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=30)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
form_text = st.text(max_size=20) | st.sampled_from(["[", "]", "[]", "[add]", "[0]", "message", "%", "&", "=", "\x00"])


def check(provider: str, body: bytes, suffix: str) -> None:
    """Sign the body, have it verified and parsed, and check what the database relies on."""
    signing = signing_of(provider)
    request = signing.sign(
        RawRequest("POST", signing.URL, {"content-type": CONTENT_TYPES[suffix]}, body), live_secrets(provider)[0]
    )
    # A value that was changed may be the account's, and then it is right to refuse the request; parsing still works.
    with suppress(BadSignature):
        provider_named(provider).verify(request, secrets_of(provider))
    for item in provider_named(provider).parse(request):
        json.dumps(as_json(item), allow_nan=False)
        assert item.provider == provider
        assert_keeps_the_vocabulary(item)


def assert_keeps_the_vocabulary(item: Item) -> None:
    if isinstance(item, InboundMessage):
        assert item.content_type in get_args(ContentType)
        assert item.role in get_args(Role)
        assert item.provider_message_id
        assert item.customer.phone or item.customer.user_id or item.customer.chat_id
        assert item.role == "user" or not item.opens_window
        assert isinstance(item.content, str)
        assert_is_text(item.customer)
        for file in item.media:
            assert file.url or file.id
            assert_is_text(file)
    elif isinstance(item, StatusUpdate):
        assert item.status in get_args(ReportedStatus)
        assert item.provider_message_id
    elif isinstance(item, IdentityChange | Preference):
        assert_names_a_customer(item)
    else:
        assert isinstance(item, Parked)
        assert len(item.reason) < 200
        assert item.reason.startswith("notice: ") == (item.kind == "notice")
        assert parsed_again(item, item.provider) == [item]


def assert_names_a_customer(item: IdentityChange | Preference) -> None:
    assert item.customer.phone or item.customer.user_id or item.customer.chat_id or item.customer.contact_id
    assert_is_text(item.customer)
    if isinstance(item, IdentityChange) and item.previous:
        assert item.previous.phone or item.previous.user_id
        assert item.previous.phone != item.customer.phone or item.previous.phone is None
        assert item.previous.user_id != item.customer.user_id or item.previous.user_id is None
        assert_is_text(item.previous)


def assert_is_text(names: Customer | Media) -> None:
    assert all(isinstance(getattr(names, field.name), str | None) for field in fields(names))


@every_provider
@few
@given(body=st.binary(max_size=200))
def test_any_bytes(provider: str, body: bytes) -> None:
    for suffix in (".form", ".json"):
        check(provider, body, suffix)


@every_provider
@few
@given(value=json_values)
def test_any_json(provider: str, value: Any) -> None:
    check(provider, json.dumps(value).encode(), ".json")


@every_provider
@few
@given(pairs=st.lists(st.tuples(form_text, form_text), max_size=12))
def test_any_form(provider: str, pairs: list[tuple[str, str]]) -> None:
    check(provider, urlencode(pairs).encode(), ".form")


@every_provider
@few
@given(data=st.data())
def test_a_real_body_with_one_strange_value(provider: str, data: st.DataObject) -> None:
    """The shapes that matter are one step away from the real ones."""
    cases = [case for case in CASES[provider] if any(case.folder.glob("body.*"))]
    path = next(data.draw(st.sampled_from(cases)).folder.glob("body.*"))
    body = path.read_bytes()
    if path.suffix == ".json":
        with suppress(ValueError, RecursionError):  # some of the cases are no JSON to begin with
            body = json.dumps(_spoilt_json(data, json.loads(body))).encode()
    else:
        body = _spoilt_form(data, body)
    check(provider, body, path.suffix)


def _spoilt_json(data: st.DataObject, payload: Any) -> Any:
    """Walk to a random node and put something else there."""
    node = payload
    while isinstance(node, dict | list) and node:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.integers(0, 3)) == 0:
            node[key] = data.draw(json_values)
            return payload
        node = node[key]
    return payload


def _spoilt_form(data: st.DataObject, body: bytes) -> bytes:
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    if not pairs:
        return body
    index = data.draw(st.integers(0, len(pairs) - 1))
    key, value = pairs[index]
    pairs[index] = data.draw(
        st.sampled_from([(key, data.draw(form_text)), (key + data.draw(form_text), value), (key[:-3], value), ("", "")])
    )
    return "&".join(f"{quote_plus(k, errors='replace')}={quote_plus(v, errors='replace')}" for k, v in pairs).encode()
