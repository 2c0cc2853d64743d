"""What is Meta's alone: the handshake, and signatures that were computed elsewhere."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.providers.case_table import secrets_of
from ventana.errors import BadSignature, NotConfigured
from ventana.providers.base import Acknowledgement, RawRequest
from ventana.providers.meta import PROVIDER

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
