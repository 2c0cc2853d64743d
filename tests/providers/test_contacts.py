"""Every provider that knows its contacts tells who a customer is, or when to ask again.

contacts/<provider>.json   the customer and the request for it; answers, and what is learnt from each, or the error
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.providers.case_table import secrets_of
from ventana import errors
from ventana.errors import AskedTooMuch, FetchError, SendError, Unavailable, Uncertain, Unreachable
from ventana.http import HttpReply, HttpRequest
from ventana.messages import Customer, IdentityChange
from ventana.providers import PROVIDERS, contacts_named
from ventana.providers.base import Contacts

FOLDER = Path(__file__).parent / "contacts"
KNOWING = [name for name in PROVIDERS if contacts_named(name)]
TABLES: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in KNOWING}


def cases() -> Iterator[Any]:
    for name, table in TABLES.items():
        for row in table["answers"]:
            yield pytest.param(name, row, id=f"{name}-{row['label']}")


def contacts_of(provider: str) -> Contacts:
    contacts = contacts_named(provider)
    assert contacts
    return contacts


@pytest.mark.parametrize(("provider", "row"), list(cases()))
def test_an_answer_tells_who_a_customer_is_or_when_to_ask_again(provider: str, row: dict[str, Any]) -> None:
    asked: list[HttpRequest] = []
    table = TABLES[provider]
    customer = Customer(**table["customer"])

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(request)
        return HttpReply(row["status"], (json.dumps(row["json"]) if "json" in row else row["body"]).encode())

    if "error" in row:
        with pytest.raises(FetchError) as caught:
            contacts_of(provider).lookup(customer, secrets_of(provider), answer)
        assert type(caught.value) is getattr(errors, row["error"])
        if isinstance(caught.value, AskedTooMuch):
            assert caught.value.pause.total_seconds() == row["pause_seconds"]
    else:
        change = contacts_of(provider).lookup(customer, secrets_of(provider), answer)
        learnt = row["learnt"] and Customer(**table["customer"], **row["learnt"])
        assert change == (learnt and IdentityChange(provider, table["business_address"], learnt))
    wanted = table["request"]
    assert [(request.method, request.url, request.headers) for request in asked] == [
        ("GET", wanted["url"], wanted["headers"])
    ]


@pytest.mark.parametrize("provider", KNOWING)
def test_a_customer_without_the_id_that_it_takes_is_not_asked_for(provider: str) -> None:
    def nobody(request: HttpRequest) -> HttpReply:
        raise AssertionError("nothing should have been asked")

    for customer in TABLES[provider]["nobody"]:
        assert contacts_of(provider).lookup(Customer(**customer), secrets_of(provider), nobody) is None


@pytest.mark.parametrize("provider", KNOWING)
@pytest.mark.parametrize("failure", [Unreachable("x"), Uncertain("x")], ids=["unreachable", "lost"])
def test_a_provider_that_does_not_answer_is_asked_again(provider: str, failure: SendError) -> None:
    def fail(request: HttpRequest) -> HttpReply:
        raise failure

    with pytest.raises(Unavailable):
        contacts_of(provider).lookup(Customer(**TABLES[provider]["customer"]), secrets_of(provider), fail)
