"""Is it Kommo who calls? CRM hooks are not signed: a secret in the path and the account in the form must do."""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import unquote, urlsplit

from ventana.errors import BadSignature
from ventana.providers.base import RawRequest
from ventana.providers.kommo.form import tree
from ventana.secrets import ProviderSecrets


def verify(request: RawRequest, secrets: ProviderSecrets) -> None:
    """Raise BadSignature unless the last segment of the path is a webhook token, and the account is not another's."""
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
        account = tree(request).get("account")
    except ValueError:
        return {}
    return account if isinstance(account, dict) else {}
