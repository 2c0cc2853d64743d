"""How we show Twilio who we are, where the SDK does not do it."""

from __future__ import annotations

import base64

from ventana.secrets import ProviderSecrets


def basic(secrets: ProviderSecrets) -> dict[str, str]:
    """The header with the account and its newest token."""
    return basic_of(secrets.first("account_sid"), secrets.first("auth_tokens"))


def basic_of(account_sid: str, auth_token: str) -> dict[str, str]:
    """The header with an account and one of its tokens."""
    account = f"{account_sid}:{auth_token}"
    return {"authorization": "Basic " + base64.b64encode(account.encode()).decode()}
