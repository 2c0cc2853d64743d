"""The credentials of a provider: several live values each, so that one can be rotated without losing a webhook.

In Secrets Manager a provider's secret is one JSON object. Every value is a string or a list of strings; all values of
a list verify, the first one is used for sending:

    twilio  {"account_sid": "AC…", "auth_tokens": ["new", "old"]}
            and where webhook URLs carry other options than README's {"url_fragments": ["#rc=2"]}
    meta    {"app_secrets": […], "verify_tokens": […], "access_tokens": […]}
    kommo   {"webhook_tokens": […], "access_tokens": […], "account_id": "…", "subdomain": "…"}
            and for an account that owns a chat channel {"channel_secrets": […], "amojo_account_id": "…"}
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ventana.errors import NotConfigured

CACHE_SECONDS = 300.0


class ProviderSecrets:
    """A provider's credentials, hidden from repr so that no log can show them."""

    __slots__ = ("_provider", "_values")

    def __init__(self, provider: str, values: Mapping[str, Any]) -> None:
        self._provider = provider
        self._values = {
            name: tuple(str(item) for item in (value if isinstance(value, list | tuple) else [value]) if str(item))
            for name, value in values.items()
            if value is not None
        }

    def __repr__(self) -> str:
        return f"ProviderSecrets({self._provider}: {', '.join(sorted(self._values))})"

    def every(self, name: str) -> tuple[str, ...]:
        """All live values of `name`, newest first. Raises NotConfigured when there is none: we fail closed."""
        values = self._values.get(name, ())
        if not values:
            raise NotConfigured(f"the {self._provider} secret has no value for '{name}'")
        return values

    def first(self, name: str) -> str:
        """The value to use when we are the caller. Raises NotConfigured when there is none."""
        return self.every(name)[0]

    def optional(self, name: str) -> tuple[str, ...]:
        """All values of an entry that need not be there."""
        return self._values.get(name, ())

    def get(self, name: str) -> str | None:
        """The first value of an optional entry."""
        return next(iter(self.optional(name)), None)


class SecretStore:
    """Reads secrets by id and keeps each for five minutes, so that a rotation needs no deployment."""

    def __init__(self, read: Callable[[str], str] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read or _read_from_secrets_manager
        self._clock = clock
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    def values(self, secret_id: str) -> dict[str, Any]:
        """The JSON object stored under `secret_id`. Raises NotConfigured when it is missing or no JSON object."""
        kept = self._kept.get(secret_id)
        if kept is None or self._clock() - kept[0] > CACHE_SECONDS:
            kept = (self._clock(), _json_object(secret_id, self._read(secret_id)))
            self._kept[secret_id] = kept
        return kept[1]

    def of(self, provider: str, secret_id: str) -> ProviderSecrets:
        """The credentials of `provider`."""
        return ProviderSecrets(provider, self.values(secret_id))


def _json_object(secret_id: str, text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise NotConfigured(f"the secret '{secret_id}' is not a JSON object")
    return values


def _read_from_secrets_manager(secret_id: str) -> str:
    import boto3  # the slowest import of all, needed once per container
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Its defaults are a minute each, and providers wait two seconds.
    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
    try:
        client = boto3.client("secretsmanager", config=config)
        return str(client.get_secret_value(SecretId=secret_id)["SecretString"])
    except (BotoCoreError, ClientError, KeyError) as error:
        raise NotConfigured(f"the secret '{secret_id}' cannot be read: {type(error).__name__}") from error
