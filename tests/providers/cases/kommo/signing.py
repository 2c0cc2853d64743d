"""Kommo signs nothing: the secret is the end of the path, and the account in the form must be ours."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from ventana.providers.base import RawRequest

URL = "https://ventana.example/webhooks/kommo"
SECRETS = {
    "webhook_tokens": ["webhook-token-new", "webhook-token-old"],
    "access_tokens": ["kommo-token"],
    "account_id": "31234567",
    "subdomain": "muebles",
}
SIGNS = "webhook_tokens"


def sign(request: RawRequest, secret: str) -> RawRequest:
    parts = urlsplit(request.url)
    return replace(
        request,
        url=parts._replace(path=f"/webhooks/kommo/{secret}{parts.path.removeprefix('/webhooks/kommo')}").geturl(),
    )


def unsigned(request: RawRequest) -> RawRequest:
    return replace(request, url=URL)


def tampered(request: RawRequest) -> list[RawRequest]:
    path = urlsplit(request.url).path.rstrip("/")
    urls = [
        URL + "/",
        request.url.replace(path, path[:-1]),
        request.url.replace(path, path + "x"),
        request.url.replace(path, path + "/x"),
    ]
    bodies = [request.body + b"&account[id]=666", request.body + b"&account%5Bid%5D=31234567&account[id]=31234568"]
    return [*(replace(request, url=url) for url in urls), *(replace(request, body=body) for body in bodies)]
