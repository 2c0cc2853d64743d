"""Where a system is: what `make run` has started here, or the stack that STACK names.

VENTANA_STATE  the state directory of the local system (.local)
STACK          the name of a deployed stack; the region and the credentials are those of the AWS profile
TOKEN          a token for /v1; the local system's own is known
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from infra.doctor.line import Line
from infra.local.identity import Identity
from ventana.http import Transport, paced, transport
from ventana.providers import PROVIDERS
from ventana.secrets import ProviderSecrets

ROOT = Path(__file__).parents[2]
CALLS_PER_SECOND = 5.0
"""The strictest provider allows seven, and the system itself calls as well."""
READ_SECONDS = 15.0
Secrets: TypeAlias = Mapping[str, ProviderSecrets | str]
"""By provider, or why its secret cannot be read."""


class PlaceFailed(Exception):
    """There is no such system; the message is one line that says what to do."""


class Inside(Protocol):
    """What can only be seen from inside: each check yields one line or more, or none where it cannot look."""

    def deployment(self) -> list[Line]:
        """Whether the last deployment went through."""

    def migrations(self) -> list[Line]:
        """Whether all migrations have run."""

    def queues(self) -> list[Line]:
        """Whether dead letter queues are empty, and the others not too full."""

    def sweep(self) -> list[Line]:
        """Whether the sweep ran lately."""


@dataclass(frozen=True)
class Place:
    """One running system. `api` is where /v1 is, `origin` where providers call, `providers` how they are called."""

    name: str
    api: str
    origin: str
    secrets: Secrets
    providers: Transport
    web: Transport
    token: str | None
    inside: Inside

    def __repr__(self) -> str:
        return f"Place({self.name})"


def find(environment: Mapping[str, str] = os.environ) -> Place:
    """The system that the environment names. Raises PlaceFailed."""
    stack, token = environment.get("STACK"), environment.get("TOKEN") or None
    if stack:
        from infra.doctor.deployed import deployed  # boto3 is slow to load

        return deployed(stack, token)
    return _local(Path(environment.get("VENTANA_STATE") or ROOT / ".local"), token)


def to_providers(simulator_url: str | None = None) -> Transport:
    """How providers are asked: not faster than any of them allows."""
    return paced(transport(simulator_url, read_seconds=READ_SECONDS), CALLS_PER_SECOND)


def secret_name(provider: str) -> str:
    """The logical id of a provider's secret in template.yaml."""
    return f"{provider.title()}Secret"


def _local(state: Path, token: str | None) -> Place:
    from infra.doctor.local import LocalInside

    try:
        runtime: dict[str, Any] = json.loads((state / "runtime.json").read_text())
        identity = Identity(**json.loads((state / "identity.json").read_text()))
    except (OSError, ValueError, TypeError):
        raise PlaceFailed(
            f"no system runs here ({state.name}/runtime.json is not there): start one with `make run`, or name a "
            "deployed one with STACK=…"
        ) from None
    stored = identity.stored_secrets()
    return Place(
        name="the local system",
        api=runtime["base_url"],
        origin=runtime["base_url"],
        secrets={name: ProviderSecrets(name, stored.get(secret_name(name), {})) for name in PROVIDERS},
        providers=to_providers(runtime["simulator_url"]),
        web=transport(read_seconds=READ_SECONDS),
        token=token or runtime["api_token"],
        inside=LocalInside(runtime["dsn"], state.resolve() / "logs"),
    )
