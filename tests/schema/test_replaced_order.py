"""What goes in the place of a message that found its window shut at the provider goes in its place in line as well."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schema.conftest import rows
from tests.schema.sending import (
    MINUTE,
    NOW,
    SECOND,
    TEMPLATE,
    answer,
    claim,
    claimed,
    conversation,
    our_address,
    report,
    sent,
    somebody,
    state_of,
    text,
    writes,
)
from ventana.schema.connection import Database

FAILED: dict[str, Any] = {"error_code": "63016", "window_shut": True}


def in_line(database: Database, to: str) -> list[str]:
    """The texts of what is still to be sent, first things first."""
    return [
        content
        for (content,) in rows(
            database,
            "select m.content from sends s join kommo_messages m on m.id = s.message_id"
            " where s.conversation_id = %s and s.phase <> 'over' order by s.send_order",
            to,
        )
    ]


@pytest.mark.parametrize("reported", [(0, 1), (1, 0)])
def test_what_was_held_goes_in_the_order_of_acceptance(shared: Database, reported: tuple[int, ...]) -> None:
    """Two were taken and failed later, one was still waiting for its pace: the statuses come in any order."""
    customer, ours = somebody(), our_address()
    ana = conversation(shared, customer, to=ours)
    ids = [answer(shared, ana, text(body), if_window_closed="hold") for body in ("one", "two", "three")]
    for each in ids[:2]:
        claimed(shared, each)
        sent(shared, each)
    for place in reported:
        report(shared, ids[place], "failed", NOW + SECOND, **FAILED)
    assert claim(shared, ids[2], NOW + MINUTE).outcome == "done"
    assert state_of(shared, ids[2]) == ("held", "held")
    assert in_line(shared, ana) == ["one", "two", "three"]
    turns = writes(shared, customer, to=ours, at=NOW + 2 * MINUTE).turns or []
    assert len(turns) == 3
    went = []
    for _ in turns:
        found = claim(shared, ids[2], NOW + 2 * MINUTE)
        went.append((found.content or {})["body"])
        sent(shared, found.message_id or "", NOW + 2 * MINUTE)
    assert went == ["one", "two", "three"]


def test_templates_go_in_the_order_of_acceptance(shared: Database) -> None:
    ana = conversation(shared, to=our_address())
    wishes: dict[str, Any] = {"if_window_closed": "template", "fallback": TEMPLATE}
    ids = [answer(shared, ana, text(body), **wishes) for body in ("one", "two")]
    claimed(shared, ids[0])
    sent(shared, ids[0])
    report(shared, ids[0], "failed", NOW + SECOND, **FAILED)
    assert in_line(shared, ana) == ["one", "two"]
    found = claim(shared, ids[1], NOW + MINUTE)
    assert found.message_id not in (None, ids[0], ids[1])
    assert found.content == TEMPLATE


def test_what_is_tried_again_after_a_while_holds_nobody_up(shared: Database) -> None:
    ana = conversation(shared, to=our_address())
    first, second = answer(shared, ana, text("one")), answer(shared, ana, text("two"))
    claimed(shared, first)
    sent(shared, first)
    report(shared, first, "failed", NOW + SECOND, error_code="63018", retryable=True)
    assert in_line(shared, ana) == ["two", "one"]
    claimed(shared, second, NOW + MINUTE)
