"""The credentials of a provider: several live values each, so that one can be rotated without losing a webhook.

In Secrets Manager a provider's secret is one JSON object. Every value is a string or a list of strings; all values of
a list verify, the first one is used for sending:

    twilio  {"account_sid": "AC…", "auth_tokens": ["new", "old"]}
            and where webhook URLs carry other options than README's {"url_fragments": ["#rc=2"]}
    meta    {"app_secrets": […], "verify_tokens": […], "access_tokens": […]}
    kommo   {"webhook_tokens": […], "access_tokens": […], "account_id": "…", "subdomain": "…"}
            and for an account that owns a chat channel {"channel_secrets": […], "amojo_account_id": "…"}

Optional, for `make connect` and `make doctor`: twilio {"sender_sids": ["XE…"]} where not all WhatsApp senders of the
account are ours; meta {"app_id": "…", "waba_ids": […]} where the access token does not tell them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ventana.errors import NotConfigured
from ventana.snapshot import after_restore, before_snapshot
from ventana.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CACHE_SECONDS = 300.0
LOOK_AGAIN_SECONDS = 30.0


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
    """Reads secrets by id and keeps each for five minutes, so that a rotation needs no deployment.

    What cannot be read again is used as it was, however old: a provider's signature does not change because Secrets
    Manager is away.
    """

    def __init__(self, read: Callable[[str], str] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read or SecretsManager().read
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        after_restore(self._kept.clear)

    def values(self, secret_id: str) -> dict[str, Any]:
        """The JSON object stored under `secret_id`. Raises NotConfigured when it is missing or no JSON object."""
        kept = self._kept.get(secret_id)
        if kept is None or self._clock() > kept.until:
            kept = self._read_again(secret_id, kept)
        return kept.values

    def of(self, provider: str, secret_id: str) -> ProviderSecrets:
        """The credentials of `provider`."""
        return ProviderSecrets(provider, self.values(secret_id))

    def newer(self, provider: str, secret_id: str) -> ProviderSecrets | None:
        """The credentials as they are now, if they have changed; for whoever found that those at hand do not fit.

        Looks no more often than every half minute: anybody can send a signature that does not fit.
        """
        kept = self._kept.get(secret_id)
        if kept is None or self._clock() - kept.since < LOOK_AGAIN_SECONDS:
            return None
        now = self._read_again(secret_id, kept)
        return ProviderSecrets(provider, now.values) if now.values != kept.values else None

    def _read_again(self, secret_id: str, kept: _Kept | None) -> _Kept:
        now = self._clock()
        try:
            read = _Kept(_json_object(secret_id, self._read(secret_id)), now, now + CACHE_SECONDS, read_at=now)
        except NotConfigured as error:
            if kept is None:
                raise
            logger.warning("secret_not_renewed", extra={"reason": str(error), "age_seconds": round(now - kept.read_at)})
            read = replace(kept, since=now, until=now + LOOK_AGAIN_SECONDS)
        self._kept[secret_id] = read
        return read


@dataclass(frozen=True, slots=True)
class _Kept:
    values: dict[str, Any]
    since: float
    """When it was last asked for, and `until` when it will do; by the store's clock."""
    until: float
    read_at: float


def _json_object(secret_id: str, text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise NotConfigured(f"the secret '{secret_id}' is not a JSON object")
    return values


class SecretsManager:
    """Where secrets are on AWS."""

    def __init__(self) -> None:
        before_snapshot(lambda: self._client)

    @cached_property
    def _client(self) -> SecretsManagerClient:
        import boto3  # the slowest import of all, needed once per container
        from botocore.config import Config

        # Its defaults are a minute each, and providers wait two seconds.
        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
        return boto3.client("secretsmanager", config=config)

    def read(self, secret_id: str) -> str:
        """The text of a secret. Raises NotConfigured when it cannot be read."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return str(self._client.get_secret_value(SecretId=secret_id)["SecretString"])
        except (BotoCoreError, ClientError, KeyError) as error:
            raise NotConfigured(f"the secret '{secret_id}' cannot be read: {type(error).__name__}") from error
