"""The published schemas of events are those of the code, and hold what consumers need."""

from __future__ import annotations

import json

from infra.events import EVENTS, FILE, document


def test_the_published_document_is_what_the_code_says() -> None:
    assert json.loads(FILE.read_text()) == document(), "run `make events`"


def test_every_event_can_be_told_from_its_double_and_leads_to_its_row() -> None:
    for schema in document()["events"].values():
        assert {"event_id", "version", "provider"} <= set(schema["required"])
        assert {"conversation_id", "business_address"} & set(schema["required"])


def test_every_event_and_what_is_not_plain_is_described() -> None:
    events = document()["events"]
    assert set(events) == {event.__name__ for event in EVENTS}
    assert all(schema["description"] for schema in events.values())
