"""Every item of a body comes out again, acted on or parked, whatever is wrong with it or with its neighbours.

Each item that goes in carries a mark, and each mark that is still in the body must be in what `parse` gives.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from copy import deepcopy
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote_plus, unquote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.case_table import CONTENT_TYPES, all_cases
from tests.providers.spoiling import spoilt_json, spoilt_pairs
from tests.providers.test_any_body import check
from ventana.messages import Item, Parked
from ventana.providers import provider_named
from ventana.providers.base import RawRequest
from ventana.providers.kommo.form import tree
from ventana.providers.reading import an_object, objects

Pairs: TypeAlias = list[tuple[str, str]]
SHARED = {"messaging_product", "metadata", "contacts", "errors"}
SAY_NOTHING = {"deleted", "warning", "accepted", "scheduled", "queued", "sending"}
"""Statuses that need no trace: our own row says as much, or they are of an API long gone."""
MARK = re.compile("mark[0-9]+x")
OWNER = re.compile(r"((?:[a-z_]+\[)?[a-z_]+\]?\[[0-9]+\])\[.*")

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def marked(payload: Any) -> Any:
    """The payload with a mark in every object that may be an item: those in lists, and the parts of a chats hook."""
    count = iter(range(1000))

    def mark(item: Any) -> Any:
        return {**item, "mark": f"mark{next(count)}x"} if isinstance(item, dict) else item

    payload = deepcopy(payload)
    for value in _values(payload):
        lists = {name: items for name, items in value.items() if name not in SHARED and isinstance(items, list)}
        value |= {name: [mark(item) for item in items] for name, items in lists.items()}
    if isinstance(payload, dict) and "message" in payload:
        payload["message"] = mark(payload["message"])
    if isinstance(payload, dict) and isinstance(payload.get("action"), dict):
        payload["action"] = {kind: mark(part) for kind, part in payload["action"].items()}
    return payload


def _values(payload: Any) -> list[Any]:
    changes = [
        change for entry in objects(an_object(payload).get("entry")) for change in an_object(entry).get("changes", [])
    ]
    return [change["value"] for change in changes if isinstance(an_object(change).get("value"), dict)]


def marked_pairs(body: bytes) -> Pairs:
    """The fields of a form, with a mark in each of its items; a form without items is one itself."""
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    owners = dict.fromkeys(found[1] for key, _ in pairs if (found := OWNER.fullmatch(key)))
    return [*pairs, *([(f"{owner}[mark]", f"mark{n}x") for n, owner in enumerate(owners)] or [("Mark", "mark0x")])]


def encoded(pairs: Pairs) -> bytes:
    return "&".join(f"{quote_plus(key, errors='replace')}={quote_plus(value)}" for key, value in pairs).encode()


def assert_nothing_lost(provider: str, body: bytes, suffix: str) -> None:
    request = RawRequest("POST", "https://h.example", {"content-type": CONTENT_TYPES[suffix]}, body)
    there = body.decode()
    if provider == "kommo" and suffix == ".form":
        # Of a name that stands twice the last value counts, so the marks are sought in what was decoded.
        there = str({name: node for name, node in tree(request).items() if name != "account"})
    assert not set(MARK.findall(there)) - set(MARK.findall(_seen(provider_named(provider).parse(request))))


def _seen(items: list[Item]) -> str:
    parked = [unquote_plus(item.body.decode("latin-1")) for item in items if isinstance(item, Parked)]
    return " ".join([*parked, *(str(item.raw) for item in items if not isinstance(item, Parked))])


def _bodies(suffix: str) -> dict[str, tuple[str, bytes]]:
    """Every case with such a body, by its label."""
    return {
        f"{case.provider_name}-{case.label}": (case.provider_name, path.read_bytes())
        for case in all_cases()
        for path in case.folder.glob(f"body{suffix}")
        if not SAY_NOTHING & set(re.findall("[a-z]+", path.read_text("latin-1")))
    }


def _payloads() -> dict[str, tuple[str, Any]]:
    found = {}
    for label, (provider, body) in _bodies(".json").items():
        with suppress(ValueError, RecursionError):
            found[label] = (provider, marked(json.loads(body)))
    return found


FORMS = {label: (provider, marked_pairs(body)) for label, (provider, body) in _bodies(".form").items()}
PAYLOADS = _payloads()


@pytest.mark.parametrize("label", FORMS)
def test_form_loses_no_item(label: str) -> None:
    provider, pairs = FORMS[label]
    assert_nothing_lost(provider, encoded(pairs), ".form")


@pytest.mark.parametrize("label", PAYLOADS)
def test_json_loses_no_item(label: str) -> None:
    provider, payload = PAYLOADS[label]
    assert_nothing_lost(provider, json.dumps(payload).encode(), ".json")


@pytest.mark.parametrize("provider", ["kommo", "twilio"])
@many
@given(data=st.data())
def test_spoilt_form_loses_no_item(provider: str, data: st.DataObject) -> None:
    label = data.draw(st.sampled_from([label for label, (owner, _) in FORMS.items() if owner == provider]))
    body = encoded(spoilt_pairs(data, FORMS[label][1]))
    check(provider, body, ".form")
    assert_nothing_lost(provider, body, ".form")


@pytest.mark.parametrize("provider", ["kommo", "meta"])
@many
@given(data=st.data())
def test_spoilt_json_loses_no_item(provider: str, data: st.DataObject) -> None:
    label = data.draw(st.sampled_from([label for label, (owner, _) in PAYLOADS.items() if owner == provider]))
    body = spoilt_json(data, PAYLOADS[label][1])
    check(provider, body, ".json")
    if body[:1] in (b"{", b"["):  # what is neither may be read as a form
        assert_nothing_lost(provider, body, ".json")
