"""Whatever JSON is posted to the API, it is taken or refused with a problem that says why: never a failure of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions.api_calls import NOBODY, OURS, PHONE, Api, Events, Load, Rows, a_conversation, text
from ventana.content import COLUMN

ODD = ["", " ", "\0", "a\0b", "\ud800", "😀" * 5, "x" * 5000, "%00", "1e999", "null", "2026-11-22T12:00:00Z", PHONE]
NUMBERS = [0, -1, 60, 1e308, 10**30, 2**63, -(2**63) - 1, 0.1, True, float("nan"), float("inf")]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS | st.sampled_from(ODD) | st.sampled_from(NUMBERS) | st.sampled_from([NOBODY, *COLUMN, *OURS]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
TEMPLATES = [{"name": "t", "language": "es", "components": [{"type": "body"}]}, {"content_sid": "HX" + "0" * 32}]
CONTENTS: dict[str, Any] = {
    "text": {"body": "hola"},
    "image": {"link": "https://files.example.com/a.png", "caption": "a"},
    "video": {"link": "https://files.example.com/a.mp4"},
    "audio": {"id": "1"},
    "document": {"link": "https://files.example.com/a.pdf", "filename": "a.pdf"},
    "sticker": {"id": "1"},
    "location": {"latitude": 1.5, "longitude": 2, "name": "x"},
    "contacts": {"contacts": [{"name": "Ana", "phones": [{"phone": PHONE}]}]},
    "buttons": {"body": "?", "buttons": [{"id": "y", "title": "Yes"}]},
    "list": {"body": "?", "button": "Look", "sections": [{"rows": [{"id": "1", "title": "One"}]}]},
    "cta_url": {"body": "?", "display_text": "Shop", "url": "https://shop.example.com"},
    "reaction": {"message_id": NOBODY, "emoji": "👍"},
    "template": TEMPLATES[0],
}
WISHES = {
    "from": st.sampled_from(list(OURS.values())),
    "reply_to": st.just(NOBODY),
    "if_window_closed": st.sampled_from(["reject", "template", "hold"]),
    "fallback_template": st.sampled_from(TEMPLATES),
    "lane": st.sampled_from(["reply", "bulk"]),
    "send_at": st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.just("9999-12-31T23:59:59-14:00"),
    "expires_in": st.integers(60, 30 * 86400),
    "provider_options": st.dictionaries(
        st.sampled_from(list(OURS)), st.dictionaries(st.text(max_size=8), VALUES, max_size=3), max_size=2
    ),
}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a body, with each of its keys."""
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]
    return []


@st.composite
def nearly_right(draw: st.DrawFn, conversations: list[str]) -> Any:
    """A request that would do, with something in it that was not meant so."""
    kind = draw(st.sampled_from(list(CONTENTS)))
    to = draw(
        st.sampled_from([*({"conversation_id": each} for each in conversations), {"provider": "meta", "to": PHONE}, {}])
    )
    body = deepcopy({**to, "type": kind, kind: CONTENTS[kind]})
    for wish in draw(st.sets(st.sampled_from(list(WISHES)), max_size=3)):
        body[wish] = deepcopy(draw(WISHES[wish]))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        container, key = draw(st.sampled_from(places(body)))
        container[key] = draw(VALUES)
    return body


@pytest.fixture
def posting(load: Load, events: Events, rows: Rows) -> Callable[[bytes], int]:
    call = Api(load, events)

    def post(raw: bytes) -> int:
        status, answer = call("POST", "/v1/messages", raw)
        assert status == 202 or 400 <= status < 500, (status, answer)
        json.dumps(answer, ensure_ascii=False).encode()
        return status

    return post


ALWAYS = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_any_json_is_taken_or_refused(posting: Callable[[bytes], int]) -> None:
    @settings(ALWAYS, max_examples=150)
    @given(VALUES)
    def holds(body: Any) -> None:
        assert posting(json.dumps(body).encode()) >= 400

    holds()


def test_any_bytes_are_refused(posting: Callable[[bytes], int]) -> None:
    @settings(ALWAYS, max_examples=100)
    @given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
    def holds(body: bytes) -> None:
        assert posting(body) >= 400

    holds()


def test_what_is_nearly_right_is_taken_or_refused(posting: Callable[[bytes], int], rows: Rows) -> None:
    conversations = [a_conversation(rows, provider, f"{PHONE}{hours}", hours) for provider in OURS for hours in (0, 25)]

    @settings(ALWAYS, max_examples=300)
    @given(nearly_right(conversations))
    def holds(body: Any) -> None:
        posting(json.dumps(body).encode())

    holds()


def test_what_is_right_is_taken(posting: Callable[[bytes], int], rows: Rows) -> None:
    body = text(conversation_id=a_conversation(rows))
    assert posting(json.dumps(body).encode()) == 202
