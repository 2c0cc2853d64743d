"""Is it Meta who calls? The handshake of the callback URL, and the signature of every POST."""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

from ventana.errors import BadSignature
from ventana.providers.base import Acknowledgement, RawRequest
from ventana.secrets import ProviderSecrets

HEADER = "x-hub-signature-256"


def verify(request: RawRequest, secrets: ProviderSecrets) -> None:
    """Raise BadSignature unless an app secret signed the body, byte for byte: `sha256=` + hex HMAC-SHA256.

    Every live app secret is tried: several apps may share this URL, and one secret may be in rotation.
    """
    given = request.headers.get(HEADER, "").encode("utf-8", "replace")
    wanted = [b"sha256=" + _hmac(secret, request.body) for secret in secrets.every("app_secrets")]
    if not any(hmac.compare_digest(given, signature) for signature in wanted):
        raise BadSignature("the body is not signed with any app secret")


def challenge(request: RawRequest, secrets: ProviderSecrets) -> Acknowledgement | None:
    """Give the challenge back, as it is and as plain text, to whoever knows a verify token.

    Any other GET raises BadSignature: Meta sends no GET but this one.
    """
    if request.method != "GET":
        return None
    query = dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    given = query.get("hub.verify_token", "").encode("utf-8", "replace")
    tokens = [token.encode("utf-8", "replace") for token in secrets.every("verify_tokens")]
    known = any(hmac.compare_digest(given, token) for token in tokens)
    if not known or query.get("hub.mode") != "subscribe" or "hub.challenge" not in query:
        raise BadSignature("the GET is no handshake with a known verify token")
    return Acknowledgement(200, "text/plain", query["hub.challenge"])


def _hmac(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), body, sha256).hexdigest().encode()
