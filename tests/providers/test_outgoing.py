"""Every provider turns our messages into its own requests, and its answers into a receipt or the right error.

outgoing/<provider>.json   messages: ours and the request that it must become, content by default a text;
                           replies: an answer and what it means; codes: the provider's error codes by the class that
                           each must raise
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.providers.case_table import secrets_of, signing_of
from ventana import errors
from ventana.errors import Rejected, SendError, Uncertain, Unreachable
from ventana.http import HttpReply, HttpRequest
from ventana.messages import Customer, OutboundMessage, Receipt
from ventana.providers import PROVIDERS, provider_named

MESSAGE_ID = "0b6b8f4e-6a3c-4c5e-9b1d-2f6a7c8d9e01"
TEXT = "Sí, la tenemos 👋 1+1=2 & más"
TABLES = {
    name: json.loads((Path(__file__).parent / "outgoing" / f"{name}.json").read_text("utf-8")) for name in PROVIDERS
}


def messages() -> Iterator[Any]:
    for name, table in TABLES.items():
        for label, row in table["messages"].items():
            yield pytest.param(name, row, id=f"{name}-{label}")


def refusals() -> Iterator[Any]:
    for name, table in TABLES.items():
        for row in table["replies"]:
            yield pytest.param(name, row, id=f"{name}-{row['label']}")
        codes = table.get("codes", {"classes": {}})
        for error, numbers in codes["classes"].items():
            for number in numbers:
                row = {**_with_code(codes, number), "error": error, "code": str(number)}
                yield pytest.param(name, row, id=f"{name}-{number}")


def _with_code(codes: dict[str, Any], number: int) -> dict[str, Any]:
    reply = deepcopy(codes["reply"])
    *path, last = codes["at"]
    node = reply["json"]
    for step in path:
        node = node[step]
    node[last] = number
    return reply  # type: ignore[no-any-return]


def outbound(provider: str, row: dict[str, Any]) -> OutboundMessage:
    return OutboundMessage(
        id=MESSAGE_ID,
        conversation_id="c1",
        provider=provider,
        business_address=row["business_address"],
        customer=Customer(**row["customer"]),
        content=row.get("content", {"type": "text", "body": TEXT}),
        status_url=row.get("status_url", ""),
        reply_to=row.get("reply_to"),
        options=row.get("options", {}),
    )


def some_message(provider: str) -> OutboundMessage:
    return outbound(provider, next(iter(TABLES[provider]["messages"].values()))["message"])


def canned(row: dict[str, Any]) -> HttpReply:
    return HttpReply(row["status"], (json.dumps(row["json"]) if "json" in row else row["body"]).encode())


def request_sent(provider: str, message: OutboundMessage, **secrets: Any) -> tuple[HttpRequest, Receipt]:
    sent: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpReply:
        sent.append(request)
        return canned(TABLES[provider]["taken"])

    receipt = provider_named(provider).send(message, secrets_of(provider, **secrets), answer)
    assert len(sent) == 1, "one message is one request"
    return sent[0], receipt


@pytest.mark.parametrize(("provider", "row"), list(messages()))
def test_message_becomes_a_request(provider: str, row: dict[str, Any]) -> None:
    wanted = row["request"]
    request, receipt = request_sent(provider, outbound(provider, row["message"]), **row.get("secrets", {}))
    assert (request.method, request.url) == (wanted["method"], wanted["url"])
    assert wanted.get("headers", {}).items() <= request.headers.items()
    if "json" in wanted:
        assert json.loads(request.body) == wanted["json"]
    if "form" in wanted:
        assert dict(parse_qsl(request.body.decode())) == wanted["form"]
    assert receipt == Receipt(*TABLES[provider]["taken"]["receipt"])


@pytest.mark.parametrize(("provider", "row"), list(refusals()))
def test_answer_becomes_the_right_error(provider: str, row: dict[str, Any]) -> None:
    with pytest.raises(SendError) as caught:
        provider_named(provider).send(some_message(provider), secrets_of(provider), lambda request: canned(row))
    assert type(caught.value) is getattr(errors, row["error"])
    assert caught.value.provider_code == row["code"]
    assert_says_nothing(caught.value, provider)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_customer_without_address_is_refused_before_any_call(provider: str) -> None:
    for row in TABLES[provider]["unsendable"]:
        with pytest.raises(Rejected):
            provider_named(provider).send(outbound(provider, row), secrets_of(provider), no_call)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("failure", [Unreachable("not reached"), Uncertain("answer lost")], ids=["unreachable", "lost"])
def test_verdict_of_the_transport_is_kept(provider: str, failure: SendError) -> None:
    """Only the transport knows whether the request was written; nobody above it guesses again or tries again."""
    calls = []

    def fail(request: HttpRequest) -> HttpReply:
        calls.append(request)
        raise failure

    with pytest.raises(type(failure)) as caught:
        provider_named(provider).send(some_message(provider), secrets_of(provider), fail)
    assert caught.value is failure
    assert len(calls) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_text_with_half_an_emoji_is_sent(provider: str) -> None:
    message = outbound(provider, next(iter(TABLES[provider]["messages"].values()))["message"])
    object.__setattr__(message, "content", {"type": "text", "body": "a\ud83d"})
    request, _ = request_sent(provider, message)
    assert request.body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_is_logged(provider: str, caplog: pytest.LogCaptureFixture) -> None:
    """The request holds a text, a phone and a credential."""
    caplog.set_level(logging.DEBUG)
    request, _ = request_sent(provider, some_message(provider))
    assert not caplog.records
    assert "authorization" not in repr(request)


def no_call(request: HttpRequest) -> HttpReply:
    raise AssertionError("no request should have been made")


def assert_says_nothing(error: SendError, provider: str) -> None:
    """The text of an error ends in logs and in the row: no phone, no text, no credential, whatever was answered."""
    secrets = [
        value
        for entry in signing_of(provider).SECRETS.values()
        for value in ([entry] if isinstance(entry, str) else entry)
    ]
    telling = ["5511987650001", "Sí", *secrets]
    assert not [value for value in telling if value in str(error)]
    assert error.__cause__ is None or not [value for value in telling if value in str(error.__cause__)]
