"""Is it Kommo who calls? CRM hooks are not signed: a secret in the path and the account in the form must do.

Hooks of the Chats API come to a path of their own and are signed with the secret of the channel.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import unquote, urlsplit

from ventana.errors import BadSignature
from ventana.providers.base import RawRequest
from ventana.providers.kommo.form import tree
from ventana.providers.reading import an_object, decoded_json, text
from ventana.secrets import ProviderSecrets

CHATS = "/webhooks/kommo/chats/"
HEADER = "x-signature"


def verify(request: RawRequest, secrets: ProviderSecrets) -> None:
    """Raise BadSignature unless the request proves itself in the way of its path, and the account is not another's."""
    if CHATS in urlsplit(request.url).path:
        _verify_signature(request, secrets)
    else:
        _verify_token(request, secrets)


def _verify_signature(request: RawRequest, secrets: ProviderSecrets) -> None:
    """A channel secret signs the body: lower-case hex HMAC-SHA1.

    Some of Kommo's own clients take newlines off its ends first, so both forms are tried.
    """
    given = request.headers.get(HEADER, "").encode("utf-8", "replace")
    bodies = {request.body, request.body.strip(b"\r\n")}
    wanted = [
        hmac.new(secret.encode(), body, "sha1").hexdigest().encode()
        for secret in secrets.every("channel_secrets")
        for body in bodies
    ]
    if not any(hmac.compare_digest(given, signature) for signature in wanted):
        raise BadSignature("the body is not signed with any channel secret")
    sent, ours = _chats_account(request), secrets.get("amojo_account_id")
    if sent and ours and sent != ours:
        raise BadSignature("the hook is about another account")


def _verify_token(request: RawRequest, secrets: ProviderSecrets) -> None:
    """The last segment of the path is a webhook token."""
    given = unquote(urlsplit(request.url).path.rstrip("/").rpartition("/")[2]).encode("utf-8", "replace")
    tokens = [token.encode("utf-8", "replace") for token in secrets.every("webhook_tokens")]
    if not any(hmac.compare_digest(given, token) for token in tokens):
        raise BadSignature("the path does not end in a webhook token")
    account = _account(request)
    # A subdomain can be renamed, so it counts only where there is no account id to compare.
    for field, name in (("id", "account_id"), ("subdomain", "subdomain")):
        sent, ours = account.get(field), secrets.get(name)
        if sent and ours:
            if sent != ours:
                raise BadSignature("the hook is about another account")
            return


def _account(request: RawRequest) -> dict[str, Any]:
    try:
        return an_object(tree(request).get("account"))
    except ValueError:
        return {}


def _chats_account(request: RawRequest) -> str:
    try:
        return text(an_object(decoded_json(request.body)).get("account_id"))
    except ValueError:
        return ""
