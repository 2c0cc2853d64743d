"""Twilio signs the URL that it called and, for a form, every parameter in order of its name."""

from __future__ import annotations

import base64
import hmac
from dataclasses import replace
from hashlib import sha256
from urllib.parse import parse_qsl

from ventana.providers.base import RawRequest

URL = "https://ventana.example/prod/webhooks/twilio"
SECRETS = {"account_sid": "AC00000000000000000000000000000001", "auth_tokens": ["auth-token-new", "auth-token-old"]}
SIGNS = "auth_tokens"
HEADER = "x-twilio-signature"


def sign(request: RawRequest, secret: str) -> RawRequest:
    """A JSON body is not signed itself: the URL carries its hash, and the URL is signed."""
    signed = request.url
    if request.headers.get("content-type") == "application/json":
        mark = "&" if "?" in request.url else "?"
        signed = f"{request.url}{mark}bodySHA256={sha256(request.body).hexdigest()}"
        request = replace(request, url=signed)
    elif request.method == "POST":
        pairs = set(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        signed += "".join(name + value for name, value in sorted(pairs))
    signature = base64.b64encode(hmac.digest(secret.encode(), signed.encode(), "sha1")).decode()
    return replace(request, headers={**request.headers, HEADER: signature})


def unsigned(request: RawRequest) -> RawRequest:
    return replace(request, headers={name: value for name, value in request.headers.items() if name != HEADER})


def tampered(request: RawRequest) -> list[RawRequest]:
    body, given = request.body, request.headers[HEADER]
    spoilt = ["", "A" + given[1:] if given[0] != "A" else "B" + given[1:], given + "é"]
    return [
        *(
            [replace(request, body=bytes([body[0] ^ 1]) + body[1:]), replace(request, body=body + b"&Extra=1")]
            if body
            else []
        ),
        replace(request, url=request.url.replace("/prod/", "/stage/")),
        replace(request, url=request.url + ("&" if "?" in request.url else "?") + "extra=1"),
        *(replace(request, headers={**request.headers, HEADER: header}) for header in spoilt),
    ]
