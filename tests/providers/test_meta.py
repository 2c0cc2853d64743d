"""What is Meta's alone: the handshake, signatures that were computed elsewhere, the caller's words, and read marks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.case_table import secrets_of
from tests.providers.test_outgoing import TABLES, no_call, some_message
from ventana import errors
from ventana.errors import BadContent, BadSignature, Misconfigured, NotConfigured, SendError
from ventana.http import HttpReply, HttpRequest
from ventana.providers import indications_named
from ventana.providers.base import Acknowledgement, RawRequest
from ventana.providers.meta import PROVIDER
from ventana.providers.meta.body import OURS
from ventana.providers.meta.codes import CODES, NO_SUCH_NUMBER
from ventana.providers.meta.send import build

SECRETS = secrets_of("meta")
GOOD = {"hub.mode": "subscribe", "hub.verify_token": "verify-new", "hub.challenge": "1158201444"}


def get(query: dict[str, str] | str) -> RawRequest:
    text = query if isinstance(query, str) else urlencode(query)
    return RawRequest("GET", f"https://ventana.example/webhooks/meta?{text}", {}, b"")


@pytest.mark.parametrize("challenge", ["1158201444", "007", "", "a+b c&d", "<script>alert(1)</script>", "ñ👋"])
def test_handshake_gives_the_challenge_back(challenge: str) -> None:
    """As it is, whatever it is, and as plain text that no browser runs."""
    answer = PROVIDER.challenge(get(GOOD | {"hub.challenge": challenge}), SECRETS)
    assert answer == Acknowledgement(200, "text/plain", challenge)


def test_handshake_accepts_the_older_token() -> None:
    assert PROVIDER.challenge(get(GOOD | {"hub.verify_token": "verify-old"}), SECRETS) is not None


@pytest.mark.parametrize(
    "query",
    [
        "",
        "hub.mode=subscribe",
        GOOD | {"hub.verify_token": "wrong"},
        GOOD | {"hub.verify_token": ""},
        GOOD | {"hub.verify_token": "verify-new "},
        GOOD | {"hub.mode": "unsubscribe"},
        {"hub.verify_token": "verify-new", "hub.challenge": "1"},
        {"hub.mode": "subscribe", "hub.verify_token": "verify-new"},
        {"hub.mode": "subscribe", "hub.challenge": "1"},
        "hub.mode=subscribe&hub.verify_token=%ff%fe&hub.challenge=1",
    ],
)
def test_any_other_get_is_refused(query: dict[str, str] | str) -> None:
    with pytest.raises(BadSignature) as caught:
        PROVIDER.challenge(get(query), SECRETS)
    assert "verify-" not in str(caught.value)


def test_handshake_without_a_configured_token_is_no_open_door() -> None:
    with pytest.raises(NotConfigured):
        PROVIDER.challenge(get(GOOD | {"hub.verify_token": ""}), secrets_of("meta", verify_tokens=[]))


def test_post_is_no_handshake() -> None:
    assert PROVIDER.challenge(RawRequest("POST", get(GOOD).url, {}, b""), SECRETS) is None


def test_signature_that_was_computed_elsewhere() -> None:
    header = "sha256=5d4a1124b075cf092476e6677b89ce220ec42f3593e0c842f738827622e0c143"
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    request = RawRequest("POST", "https://ventana.example/webhooks/meta", {"x-hub-signature-256": header}, body)
    PROVIDER.verify(request, secrets_of("meta", app_secrets=["app-secret-test"]))


names = st.sampled_from(sorted({*OURS, "text", "context", "body", "x"}))
options = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: st.dictionaries(names, inner, max_size=4) | st.lists(inner, max_size=2),
).filter(lambda value: isinstance(value, dict))


@given(options)
def test_no_option_changes_whom_it_goes_to(given_options: Any) -> None:
    message = some_message("meta")
    plain = json.loads(build(message, SECRETS).body)
    body = json.loads(build(replace(message, options=given_options), SECRETS).body)
    assert {name: body.get(name) for name in OURS} == {name: plain.get(name) for name in OURS}
    assert {name: value for name, value in given_options.items() if name not in OURS}.keys() <= body.keys()


def test_options_leave_the_row_as_it_was() -> None:
    message = replace(some_message("meta"), options={"text": {"preview_url": True, "x": {"y": 1}}})
    before = repr(message)
    assert build(message, SECRETS) == build(message, SECRETS)
    assert repr(message) == before


def test_every_code_is_tried() -> None:
    permissions = {str(code) for code in range(200, 300)}
    tried = {str(number) for numbers in TABLES["meta"]["codes"]["classes"].values() for number in numbers}
    assert CODES.keys() - tried - permissions == {NO_SUCH_NUMBER}
    assert {CODES[code][0] for code in permissions} == {Misconfigured}


def test_reaction_to_nothing_is_refused_before_any_call() -> None:
    message = replace(some_message("meta"), content={"type": "reaction", "emoji": "👍"})
    with pytest.raises(BadContent):
        PROVIDER.send(message, SECRETS, no_call)


def indicated(kind: str, reply: HttpReply) -> list[HttpRequest]:
    indications, sent = indications_named("meta"), []

    def answer(request: HttpRequest) -> HttpReply:
        sent.append(request)
        return reply

    assert indications is not None
    assert kind in indications.KINDS
    indications.indicate(kind, "wamid.HBgNin", "1065550001110000", SECRETS, answer)
    return sent


@pytest.mark.parametrize(("kind", "more"), [("read", {}), ("typing", {"typing_indicator": {"type": "text"}})])
def test_customer_sees_that_we_read_or_write(kind: str, more: dict[str, Any]) -> None:
    (request,) = indicated(kind, HttpReply(200, b'{"success":true}'))
    assert (request.method, request.url) == ("POST", "https://graph.facebook.com/v25.0/1065550001110000/messages")
    assert request.headers["authorization"] == "Bearer EAAG-token"
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.HBgNin"}
    assert json.loads(request.body) == {**read, **more}


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(400, 131009, "BadContent"), (400, 130429, "Throttled"), (401, 190, "Misconfigured"), (500, None, "Uncertain")],
)
def test_read_mark_that_is_refused(status: int, code: int | None, error: str) -> None:
    body = json.dumps({"error": {"code": code, "message": "to +5511987650001"}} if code else {}).encode()
    with pytest.raises(SendError) as caught:
        indicated("read", HttpReply(status, body))
    assert type(caught.value) is getattr(errors, error)
    assert "+5511987650001" not in str(caught.value)
