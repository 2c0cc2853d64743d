"""A small OpenID provider: discovery, sign-in without questions, a token for a code with PKCE, keys, a check of tokens.

It remembers what it was asked, and can be told to misbehave.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.local.http_server import HttpServer, Request, Response, json_response

CLIENT = "ventana-console"
AUDIENCE = "ventana-api"
KEY_ID = "k1"
SECONDS = 3600
OPEN = {"access-control-allow-origin": "*"}


@dataclass
class Conduct:
    """How it behaves; by default as it should."""

    scope: str = "openid write"
    nonce: str | None = None
    opaque: bool = False
    denies: bool = False
    refreshes: bool = True
    withdrawn: set[str] = field(default_factory=set)
    """Access tokens that it takes back."""


class Issuer:
    """One realm with one person in it, and one public client."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = HttpServer(self._answer)
        self.url = self._server.url
        self.conduct = Conduct()
        self.asked: list[dict[str, str]] = []
        """What /authorize and /token were called with, in order."""
        self.given: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._server.start()

    def close(self) -> None:
        self._server.stop()

    def authorize(self, token: str) -> dict[str, Any] | None:
        """What a JWT authorizer does: the claims of a token that we signed, for our audience, that is still good."""
        try:
            held: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                audience=[AUDIENCE, CLIENT],
                issuer=self.url,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError:
            return None
        return None if token in self.conduct.withdrawn else held

    def token(self, **claims: Any) -> str:
        """A token, which `claims` can spoil."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "sub": "ana@example.com",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + SECONDS,
            **claims,
        }
        return jwt.encode(content, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def _answer(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET", "/.well-known/openid-configuration":
                return self._open(self._configuration())
            case "GET", "/jwks":
                key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
                return self._open({"keys": [{**key, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]})
            case "GET", "/authorize":
                return self._signed_in(dict(parse_qsl(request.query)))
            case "POST", "/token":
                return self._exchanged(dict(parse_qsl(request.body.decode())))
        return Response(404)

    def _configuration(self) -> dict[str, Any]:
        paths = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        return {"issuer": self.url, **{name: f"{self.url}{path}" for name, path in paths.items()}}

    def _signed_in(self, asked: dict[str, str]) -> Response:
        self.asked.append(asked)
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        told = {"error": "access_denied"} if self.conduct.denies else {"code": code}
        back = f"{asked['redirect_uri']}?{urlencode({**told, 'state': asked['state']})}"
        return Response(302, b"", {"location": back})

    def _exchanged(self, form: dict[str, str]) -> Response:
        self.asked.append(form)
        if form.get("grant_type") == "refresh_token":
            return self._tokens(None) if self.conduct.refreshes else self._open({"error": "invalid_grant"}, 400)
        begun = self._codes.pop(form.get("code", ""), None)
        if begun is None or form.get("client_id") != CLIENT or form.get("redirect_uri") != begun["redirect_uri"]:
            return self._open({"error": "invalid_grant"}, 400)
        digest = base64.urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if begun["code_challenge_method"] != "S256" or not hmac.compare_digest(
            digest.decode(), begun["code_challenge"]
        ):
            return self._open({"error": "invalid_grant"}, 400)
        return self._tokens(self.conduct.nonce or begun["nonce"])

    def _tokens(self, nonce: str | None) -> Response:
        access = (
            secrets.token_urlsafe(24)
            if self.conduct.opaque
            else self.token(scope=self.conduct.scope, jti=secrets.token_hex(8))
        )
        named = {"nonce": nonce} if nonce else {}
        identity = self.token(aud=CLIENT, scope=self.conduct.scope, **named)
        self.given.append(identity if self.conduct.opaque else access)
        return self._open(
            {
                "token_type": "Bearer",
                "access_token": access,
                "id_token": identity,
                "refresh_token": secrets.token_urlsafe(24),
                "expires_in": SECONDS,
            }
        )

    @staticmethod
    def _open(content: Any, status: int = 200) -> Response:
        response = json_response(status, content)
        return Response(status, response.body, {**response.headers, **OPEN})


def said(token: str) -> dict[str, Any]:
    """What is in a token, unchecked."""
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
