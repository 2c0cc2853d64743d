"""Lists of messages, page by page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.functions.api_calls import CALLER, PHONE, Api, Events, Load, Rows, a_conversation
from ventana.api import messages as api_messages
from ventana.schema import message_pages


@pytest.fixture
def call(load: Load, events: Events) -> Api:
    return Api(load, events, {"sub": CALLER})


PHASES = {
    "accepted": "ready",
    "queued": "ready",
    "sending": "sending",
    "held": "held",
    "uncertain": "uncertain",
    **dict.fromkeys(("failed", "expired", "cancelled"), "over"),
}
STATUSES = ["sent", "delivered", "read", *PHASES]


@pytest.fixture
def many(rows: Rows) -> Callable[..., str]:
    """Messages of ours in so many states, two at the same moment each; the id of their conversation."""

    def make(statuses: list[str], provider: str = "twilio", phone: str = PHONE) -> str:
        conversation = a_conversation(rows, provider, phone)
        for number, status in enumerate(statuses):
            message_id = rows(
                "insert into kommo_messages (conversation_id, provider, role, content, delivery_status, created_at)"
                " values (%s, %s, 'assistant', 'x', %s, now() + %s * interval '1 ms') returning id::text",
                *(conversation, provider, status, number // 2),
            )[0][0]
            if status in PHASES:
                rows(
                    "insert into sends (message_id, conversation_id, provider, business_address, phase, due_at,"
                    " expires_at) values (%s, %s, %s, '1', %s, now(), now()) returning 1",
                    *(message_id, conversation, provider, PHASES[status]),
                )
        return conversation

    return make


def pages(call: Api, query: str, limit: int = 3) -> list[str]:
    """All ids that a list leads to."""
    found: list[str] = []
    cursor = ""
    for _ in range(100):
        status, page = call("GET", "/v1/messages", query=f"limit={limit}{query}{cursor}")
        assert status == 200
        assert len(page["messages"]) <= limit
        found += [message["id"] for message in page["messages"]]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("scan", [message_pages.SCANNED_ROWS, 4])
def test_messages_are_listed(
    call: Api, many: Callable[..., str], rows: Rows, scan: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, the newest first, each once; also where a page may look at a few rows only."""
    monkeypatch.setattr(api_messages, "list_messages", partial(message_pages.list_messages, scan=scan))
    conversation = many(STATUSES * 4)
    many(STATUSES, "meta")
    for query, condition in [
        *((f"&status={status}", f"delivery_status = '{status}'") for status in [*STATUSES, "received"]),
        ("", "true"),
        ("&provider=meta", "provider = 'meta'"),
        ("&provider=kommo", "false"),
        ("&provider=meta&status=failed", "provider = 'meta' and delivery_status = 'failed'"),
        (f"&conversation_id={conversation}", f"conversation_id = '{conversation}'"),
        (f"&conversation_id={conversation}&status=read", "delivery_status = 'read' and provider = 'twilio'"),
        (f"&conversation_id={conversation}&provider=meta", "false"),
    ]:
        wanted = rows(f"select id::text from kommo_messages where {condition} order by created_at desc, id desc")
        assert pages(call, query) == [message_id for (message_id,) in wanted], query


def test_a_page_goes_on_where_the_last_one_ended(call: Api, many: Callable[..., str], rows: Rows) -> None:
    conversation = many(["read"] * 4)
    first = call("GET", "/v1/messages", query="limit=2&status=read")[1]
    rows("update kommo_messages set created_at = created_at - interval '1 day' where delivery_status = 'received'")
    rows(
        "insert into kommo_messages (conversation_id, provider, role, content, delivery_status)"
        " values (%s, 'twilio', 'assistant', 'new', 'read') returning 1",
        conversation,
    )
    second = call("GET", "/v1/messages", query=f"limit=2&status=read&cursor={first['next_cursor']}")[1]
    assert len({message["id"] for page in (first, second) for message in page["messages"]}) == 4
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "query",
    [
        "status=lost",
        "provider=telex",
        "conversation_id=7",
        "limit=0",
        "limit=201",
        "cursor=x",
        "cursor=%00",
        "cursor=bm8gcGxhY2U",
        "cursor=OTk5OS0xMi0zMVQyMzo1OTo1OS0xNDowMCA2ZjFjYmMxZS0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDA",
    ],
)
def test_a_list_that_cannot_be(call: Api, query: str) -> None:
    status, problem = call("GET", "/v1/messages", query=query)
    assert (status, problem["code"]) == (422, "invalid_request")
    assert [error["field"] for error in problem["errors"]] == [query.partition("=")[0]]
