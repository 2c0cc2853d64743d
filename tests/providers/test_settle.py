"""A provider that lists what it took tells what became of a send whose answer was lost, or that it cannot tell.

cases/<provider>/settle.json   since, until, message: what is looked for, unless a row says otherwise; usual: a message
                               of the list; endless: a page that another one always follows; rows: the questions that
                               are asked and their answers in order, in which {"usual": {…}} is the usual message with
                               these fields changed, the messages that we know already, and what is found: the receipt,
                               null, or ListingFailed
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.providers.case_table import secrets_of
from tests.providers.test_outgoing import canned, outbound
from ventana.errors import ListingFailed, SendError, Uncertain, Unreachable
from ventana.http import HttpReply, HttpRequest, Transport
from ventana.messages import Receipt
from ventana.providers import PROVIDERS, settling_named

FILES = {name: Path(__file__).parent / "cases" / name / "settle.json" for name in PROVIDERS}
TABLES = {name: json.loads(path.read_text("utf-8")) for name, path in FILES.items() if path.exists()}
UNREADABLE = [(200, b""), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (302, b"{}"), (400, b"{}"), (401, b"{}")]
UNREADABLE += [(403, b"{}"), (404, b"{}"), (429, b"{}"), (500, b"oops")]


def rows() -> Iterator[Any]:
    for name, table in TABLES.items():
        for label, row in table["rows"].items():
            yield pytest.param(name, row, id=f"{name}-{label}")


def whole(value: Any, usual: dict[str, Any]) -> Any:
    """The answer with every usual message written out."""
    if isinstance(value, list):
        return [whole(each, usual) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"usual"}:
        return {**usual, **value["usual"]}
    return {name: whole(each, usual) for name, each in value.items()}


def find(provider: str, row: dict[str, Any], http: Transport) -> Receipt | None:
    settling, table = settling_named(provider), TABLES[provider]
    assert settling
    message = outbound(provider, {**table["message"], **row.get("message", {})})
    since, until = (datetime.fromisoformat(row.get(name) or table[name]) for name in ("since", "until"))

    def known(ids: Iterable[str]) -> set[str]:
        return set(ids) & set(row.get("known", ()))

    return settling.find_taken(message, since.astimezone(UTC), until.astimezone(UTC), secrets_of(provider), http, known)


def assert_says_nothing(error: ListingFailed) -> None:
    assert not [telling for telling in ("5511987650001", "tenemos", "quedó", "8d2f6a1e") if telling in str(error)]


@pytest.mark.parametrize(("provider", "row"), list(rows()))
def test_what_became_of_a_send(provider: str, row: dict[str, Any]) -> None:
    table, asked = TABLES[provider], []

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(request)
        assert len(asked) <= len(row["answers"]), request.url
        given = row["answers"][len(asked) - 1]
        return canned(whole({"status": 200, **given}, table["usual"]))

    if row["found"] == "ListingFailed":
        with pytest.raises(ListingFailed) as caught:
            find(provider, row, answer)
        assert_says_nothing(caught.value)
    else:
        assert find(provider, row, answer) == (row["found"] and Receipt(*row["found"]))
    assert [request.url for request in asked] == [given["url"] for given in row["answers"]]
    for request in asked:
        assert (request.method, request.body) == ("GET", b"")
        assert table["headers"].items() <= request.headers.items()


@pytest.mark.parametrize("provider", TABLES)
@pytest.mark.parametrize(("status", "body"), UNREADABLE)
def test_a_list_that_cannot_be_read_tells_nothing(provider: str, status: int, body: bytes) -> None:
    """Taken for an empty list it would have the message sent a second time."""
    with pytest.raises(ListingFailed) as caught:
        find(provider, {}, lambda request: HttpReply(status, body))
    assert_says_nothing(caught.value)


@pytest.mark.parametrize("provider", TABLES)
@pytest.mark.parametrize("failure", [Unreachable("not reached"), Uncertain("answer lost")], ids=["unreachable", "lost"])
def test_a_question_that_is_lost_says_nothing_of_the_send(provider: str, failure: SendError) -> None:
    def fail(request: HttpRequest) -> HttpReply:
        raise failure

    with pytest.raises(ListingFailed):
        find(provider, {}, fail)


@pytest.mark.parametrize("provider", TABLES)
def test_a_list_without_end_is_left(provider: str) -> None:
    endless = whole({"status": 200, "json": TABLES[provider]["endless"]}, TABLES[provider]["usual"])
    asked = []

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(request)
        return HttpReply(200, json.dumps(endless["json"]).replace("{page}", str(len(asked))).encode())

    with pytest.raises(ListingFailed):
        find(provider, {}, answer)
    assert 2 <= len(asked) <= 20


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_that_can_be_asked_says_how_often(provider: str) -> None:
    settling = settling_named(provider)
    assert (settling is not None) is (provider in TABLES)
    assert settling is None or 0 < settling.CALLS_PER_SECOND <= 10
