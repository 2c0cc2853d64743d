"""What a provider signs is answered 2xx and kept, what it did not sign is refused; through the real handlers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Load = Callable[[str], Any]
Rows = Callable[..., list[tuple[Any, ...]]]
Events = dict[str, Callable[..., dict[str, Any]]]

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["id", "from", "to", "type", "text", "timestamp", "context", "errors", "status", "image", "system"]
)
MESSAGE = st.dictionaries(
    KEYS, ANYTHING | st.sampled_from(["text", "reaction", "5511987654321", "wamid.1"]), max_size=8
)
META = st.builds(
    lambda messages, statuses, more: {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "changes": [
                    {
                        "field": "messages",
                        "value": {
                            "metadata": {"phone_number_id": "1065"},
                            "messages": messages,
                            "statuses": statuses,
                            **more,
                        },
                    }
                ]
            }
        ],
    },
    st.lists(MESSAGE | ANYTHING, max_size=4),
    st.lists(MESSAGE | ANYTHING, max_size=3),
    st.dictionaries(st.sampled_from(["contacts", "errors", "metadata"]), ANYTHING, max_size=2),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TWILIO = st.dictionaries(
    st.sampled_from(["MessageSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "MessageStatus", "Latitude", "WaId"])
    | TEXT,
    TEXT | st.sampled_from(["whatsapp:+5511987654321", "SM1", "delivered", "3"]),
    max_size=10,
)
KOMMO = st.dictionaries(
    st.sampled_from(
        [
            f"{name}[{action}][{n}][{key}]"
            for name in ("message", "talk", "contacts")
            for action in ("add", "update")
            for n in (0, 1)
            for key in ("id", "chat_id", "text", "type", "created_at", "name")
        ]
    )
    | TEXT,
    TEXT,
    max_size=10,
)
SIGNED: dict[str, st.SearchStrategy[Any]] = {"meta": META | ANYTHING, "twilio": TWILIO, "kommo": KOMMO}


@pytest.mark.parametrize("provider", SIGNED)
def test_what_is_signed_is_taken_and_what_is_tampered_with_is_refused(
    load: Load, rows: Rows, events: Events, provider: str
) -> None:
    handler = load(f"{provider}_webhook").handler

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(content=SIGNED[provider], place=st.integers(min_value=0))
    def check(content: Any, place: int) -> None:
        event = events[provider](content)
        assert handler(deepcopy(event), None)["statusCode"] == 200
        if provider != "kommo":  # whose hook is unsigned: its token is in the path
            assert handler(_tampered(event, place), None)["statusCode"] == 403

    check()
    assert rows("select count(*) from parked_items where reason like 'parse failed%%'") == [(0,)]


def _tampered(event: dict[str, Any], place: int) -> dict[str, Any]:
    """The same event with one bit of its body turned."""
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    changed = bytearray(body or b"x")
    changed[place % len(changed)] ^= 1
    return {**event, "body": base64.b64encode(bytes(changed)).decode(), "isBase64Encoded": True}
