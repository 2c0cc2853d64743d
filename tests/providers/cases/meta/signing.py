"""Meta signs the body, byte for byte."""

from __future__ import annotations

import hmac
from dataclasses import replace

from ventana.providers.base import RawRequest

URL = "https://ventana.example/webhooks/meta"
SECRETS = {
    "app_secrets": ["app-secret-new", "app-secret-old"],
    "verify_tokens": ["verify-new", "verify-old"],
    "access_tokens": ["EAAG-token"],
}
SIGNS = "app_secrets"


def sign(request: RawRequest, secret: str) -> RawRequest:
    signature = hmac.digest(secret.encode(), request.body, "sha256").hex()
    return replace(request, headers={**request.headers, "x-hub-signature-256": f"sha256={signature}"})


def unsigned(request: RawRequest) -> RawRequest:
    return replace(request, headers={"content-type": "application/json"})


def tampered(request: RawRequest) -> list[RawRequest]:
    body, headers = request.body, request.headers
    given = headers["x-hub-signature-256"]
    spoilt = [given[:-1] + ("0" if given[-1] != "0" else "1"), given.removeprefix("sha256="), "sha256=", given + "é"]
    return [
        *(
            replace(request, body=body[:i] + bytes([body[i] ^ 1]) + body[i + 1 :])
            for i in (0, len(body) // 2, -1 % len(body))
        ),
        replace(request, body=body + b"\n"),
        *(replace(request, headers={**headers, "x-hub-signature-256": header}) for header in spoilt),
    ]
