"""Kommo signs no CRM hook: the secret is the end of the path, and the account in the form must be ours.

Hooks of the Chats API, under /chats/, are signed: each webhook token stands for the channel secret of the same age.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from urllib.parse import urlsplit

from ventana.providers.base import RawRequest

URL = "https://ventana.example/webhooks/kommo"
CHATS = "/webhooks/kommo/chats/"
SECRETS = {
    "webhook_tokens": ["webhook-token-new", "webhook-token-old"],
    "channel_secrets": ["channel-secret-new", "channel-secret-old"],
    "access_tokens": ["kommo-token"],
    "account_id": "31234567",
    "amojo_account_id": "af9945ff-1490-4cad-807d-945c15d88bec",
    "subdomain": "muebles",
}
SIGNS = "webhook_tokens"


def sign(request: RawRequest, secret: str) -> RawRequest:
    parts = urlsplit(request.url)
    if CHATS in parts.path:
        key = secret.replace("webhook-token", "channel-secret").encode()
        signature = hmac.digest(key, request.body, "sha1").hex()
        return replace(request, headers={**request.headers, "x-signature": signature})
    return replace(
        request,
        url=parts._replace(path=f"/webhooks/kommo/{secret}{parts.path.removeprefix('/webhooks/kommo')}").geturl(),
    )


def unsigned(request: RawRequest) -> RawRequest:
    if CHATS in request.url:
        return replace(request, headers={"content-type": "application/json"})
    return replace(request, url=URL)


def tampered(request: RawRequest) -> list[RawRequest]:
    return _tampered_chats(request) if CHATS in request.url else _tampered_hook(request)


def _tampered_chats(request: RawRequest) -> list[RawRequest]:
    body, given = request.body, request.headers["x-signature"]
    spoilt = ["", given[:-1] + ("0" if given[-1] != "0" else "1"), given.upper(), "sha1=" + given, given + "é"]
    bodies = [body[:i] + bytes([body[i] ^ 1]) + body[i + 1 :] for i in (0, len(body) // 2, -1 % len(body))]
    return [
        *(replace(request, body=changed) for changed in (*bodies, body + b" ")),
        *(replace(request, headers={**request.headers, "x-signature": header}) for header in spoilt),
    ]


def _tampered_hook(request: RawRequest) -> list[RawRequest]:
    path = urlsplit(request.url).path.rstrip("/")
    urls = [
        URL + "/",
        request.url.replace(path, path[:-1]),
        request.url.replace(path, path + "x"),
        request.url.replace(path, path + "/x"),
    ]
    bodies = [request.body + b"&account[id]=666", request.body + b"&account%5Bid%5D=31234567&account[id]=31234568"]
    return [*(replace(request, url=url) for url in urls), *(replace(request, body=body) for body in bodies)]
