"""Kommo closes talks and opens others: an answer to a closed one goes to the customer's open one, once, or nowhere."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.providers.case_table import secrets_of
from tests.providers.test_outgoing import some_message
from ventana.errors import Rejected, Throttled, Uncertain, Unreachable
from ventana.http import HttpReply, HttpRequest
from ventana.messages import Customer, Receipt
from ventana.providers.kommo import PROVIDER

API = "https://muebles.kommo.com/api/v4/"
TALKS = f"{API}talks?filter%5Bcontact_id%5D%5B%5D=9001&limit=250"
CUSTOMER = Customer(chat_id="8d2f6a1e", talk_id="4501", contact_id="9001")
OPEN = {"talk_id": 4502, "chat_id": "8d2f6a1e", "contact_id": 9001, "is_in_work": True, "updated_at": 1_700_000_000}
TAKEN = HttpReply(202, b'{"id": "m-1"}')
CLOSED = HttpReply(422, b'{"title": "talk is closed"}')


def listed(*talks: Any) -> HttpReply:
    return HttpReply(200, json.dumps({"_embedded": {"talks": talks}}).encode())


def sent(customer: Customer, *answers: HttpReply | Exception) -> tuple[list[str], Receipt | Exception]:
    """Which requests were made, and what became of the message."""
    left, asked = list(answers), []

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(request.url.removeprefix(API) if request.url != TALKS else "TALKS")
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    try:
        message = replace(some_message("kommo"), customer=customer)
        outcome: Receipt | Exception = PROVIDER.send(message, secrets_of("kommo"), answer)
    except Exception as error:
        outcome = error
    assert not left
    return asked, outcome


@pytest.mark.parametrize("refused", [CLOSED, HttpReply(404, b"")], ids=["closed", "gone"])
@pytest.mark.parametrize(
    "talks",
    [
        [OPEN],
        [{**OPEN, "is_in_work": "1"}],
        [{**OPEN, "talk_id": None, "id": "4502"}],
        [{**OPEN, "talk_id": 4500, "updated_at": 1_600_000_000}, OPEN, {**OPEN, "talk_id": 4499, "updated_at": None}],
        [{**OPEN, "talk_id": 4501}, {**OPEN, "talk_id": 4503, "is_in_work": False}, "what is this?", OPEN],
        [{**OPEN, "talk_id": 4503, "chat_id": "another"}, OPEN],
    ],
    ids=["open", "form", "id", "newest", "closed", "chat"],
)
def test_answer_to_a_closed_talk_goes_to_the_open_one(refused: HttpReply, talks: list[Any]) -> None:
    """A talk that was closed has taken nothing, so that no answer can be in both."""
    asked, outcome = sent(CUSTOMER, refused, listed(*talks), TAKEN)
    assert asked == ["talks/4501/send_message", "TALKS", "talks/4502/send_message"]
    assert outcome == Receipt("m-1", "sent")


@pytest.mark.parametrize(
    "answer",
    [
        listed(),
        listed({**OPEN, "is_in_work": False}),
        listed({**OPEN, "is_in_work": None}),
        listed({**OPEN, "chat_id": "another"}),
        listed({**OPEN, "chat_id": None}),
        listed({**OPEN, "talk_id": "4501"}),
        HttpReply(204, b""),
        HttpReply(200, b"<html>"),
        HttpReply(403, b""),
        HttpReply(429, b""),
        HttpReply(500, b""),
        Unreachable("not reached"),
        Uncertain("answer lost"),
    ],
)
def test_answer_to_a_closed_talk_is_refused_where_no_other_is_known(answer: HttpReply | Exception) -> None:
    """Whatever came of the question: of the answer itself nothing was taken."""
    asked, outcome = sent(CUSTOMER, CLOSED, answer)
    assert asked == ["talks/4501/send_message", "TALKS"]
    assert type(outcome) is Rejected
    assert outcome.provider_code == "422"


@pytest.mark.parametrize("customer", [replace(CUSTOMER, contact_id=None), replace(CUSTOMER, chat_id=None)])
def test_no_talk_is_looked_for_without_knowing_whose(customer: Customer) -> None:
    asked, outcome = sent(customer, CLOSED)
    assert asked == ["talks/4501/send_message"]
    assert type(outcome) is Rejected


@pytest.mark.parametrize(
    ("answer", "error"), [(CLOSED, Rejected), (HttpReply(429, b""), Throttled), (Uncertain("lost"), Uncertain)]
)
def test_there_is_one_second_try(answer: HttpReply | Exception, error: type[Exception]) -> None:
    asked, outcome = sent(CUSTOMER, CLOSED, listed(OPEN), answer)
    assert asked == ["talks/4501/send_message", "TALKS", "talks/4502/send_message"]
    assert type(outcome) is error


@pytest.mark.parametrize("status", [400, 401, 402, 403, 429, 500])
def test_no_other_answer_is_tried_again(status: int) -> None:
    """Least of all one after which it may have been taken."""
    asked, _ = sent(CUSTOMER, HttpReply(status, b""))
    assert asked == ["talks/4501/send_message"]
