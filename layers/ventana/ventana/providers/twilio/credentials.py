"""How we show Twilio who we are, where the SDK does not do it."""

from __future__ import annotations

import base64

from ventana.secrets import ProviderSecrets


def basic(secrets: ProviderSecrets) -> dict[str, str]:
    """The header with the account and its newest token."""
    account = f"{secrets.first('account_sid')}:{secrets.first('auth_tokens')}"
    return {"authorization": "Basic " + base64.b64encode(account.encode()).decode()}
