"""What a function is told by its environment, read once, with an error that names what is missing.

DATABASE_URL             where Postgres is (wins), or
DATABASE_SECRET_ID       a secret with host, port, dbname, username, password; or
DATABASE_USER            the role to connect as with a token of IAM, through RDS Proxy, instead of a secret
DATABASE_HOST            its host; where there is a secret as well, the host that the secret lacks (RDS's own has none)
DATABASE_NAME            likewise the database's name
DATABASE_TIMEOUT_MS      longest wait for one statement; below what the provider waits for us (4000)
PUBLIC_BASE_URL          the origin and stage that providers call; empty: the API's own execute-api address
KOMMO_SECRET_ID …        one per provider in the registry: <PROVIDER>_SECRET_ID
SEND_QUEUE_URL           the FIFO queue that carries turns of messages that people wait for to the sender
BULK_QUEUE_URL           the FIFO queue for those of bulk sends; empty: they take the other
SPILL_QUEUE_URL          the FIFO queue where items wait while the database does not answer; without it they are refused
SPILL_BUCKET             where items wait that are too large for that queue
SPILL_TIMEOUT_MS         longest wait for one answer of either; asked twice at least, while the provider waits (1000)
MEDIA_QUEUE_URL          the queue of files to fetch from providers; empty: files stay where they are
MEDIA_BUCKET             where our copies of them are kept
MEDIA_MAX_BYTES          no larger file is kept, whatever a provider allows (104857600)
LOOKUP_QUEUE_URL         the FIFO queue of contacts whose phone is to be asked for
DEAD_LETTER_QUEUES       `name url source …` of each dead letter queue that leads back, separated by commas
EVENT_BUS_NAME           where events are published; empty: nowhere
SIMULATOR_URL            when set, every call to a provider goes there instead
WINDOW_MARGIN_SECONDS    free text is refused this long before a window shuts (60)
WINDOW_WARNING_MINUTES   `WindowClosing` is published this long before a window shuts (60)
LEASE_SECONDS            how long a claimed message or file belongs to one worker (60)
PROVIDER_TIMEOUT_MS      longest wait for a provider's answer to a send; well below the lease (10000)
SETTLE_AFTER_SECONDS     how long an uncertain send waits for its status before a person may decide about it (300)
WRITE_SCOPE              what a token must hold to change something through the API; empty: nothing
RECONCILE_PROVIDERS      whose lists of messages are compared with ours, separated by commas; empty: nobody's
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ventana.errors import NotConfigured


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of one function; repr shows no credentials."""

    database_url: str | None = field(default=None, repr=False)
    database_secret_id: str | None = None
    database_host: str | None = None
    database_name: str | None = None
    database_user: str | None = None
    database_timeout_ms: int = 4000
    public_base_url: str = ""
    secret_ids: Mapping[str, str] = field(default_factory=dict)
    send_queue_url: str | None = None
    bulk_queue_url: str | None = None
    spill_queue_url: str | None = None
    spill_bucket: str | None = None
    spill_timeout_ms: int = 1000
    media_queue_url: str | None = None
    media_bucket: str | None = None
    media_max_bytes: int = 100 * 1024 * 1024
    lookup_queue_url: str | None = None
    dead_letter_queues: str = ""
    event_bus_name: str | None = None
    simulator_url: str | None = None
    window_margin_seconds: int = 60
    window_warning_minutes: int = 60
    lease_seconds: int = 60
    provider_timeout_ms: int = 10_000
    settle_after_seconds: int = 300
    reconcile_providers: tuple[str, ...] = ()
    write_scope: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables above. Raises NotConfigured when a number is none."""
        return cls(
            database_url=environment.get("DATABASE_URL") or None,
            database_secret_id=environment.get("DATABASE_SECRET_ID") or None,
            database_host=environment.get("DATABASE_HOST") or None,
            database_name=environment.get("DATABASE_NAME") or None,
            database_user=environment.get("DATABASE_USER") or None,
            database_timeout_ms=_number(environment, "DATABASE_TIMEOUT_MS", 4000),
            public_base_url=environment.get("PUBLIC_BASE_URL", "").rstrip("/"),
            secret_ids={
                name.removesuffix("_SECRET_ID").lower(): value
                for name, value in environment.items()
                if name.endswith("_SECRET_ID") and value
            },
            send_queue_url=environment.get("SEND_QUEUE_URL") or None,
            bulk_queue_url=environment.get("BULK_QUEUE_URL") or None,
            spill_queue_url=environment.get("SPILL_QUEUE_URL") or None,
            spill_bucket=environment.get("SPILL_BUCKET") or None,
            spill_timeout_ms=_number(environment, "SPILL_TIMEOUT_MS", 1000),
            media_queue_url=environment.get("MEDIA_QUEUE_URL") or None,
            media_bucket=environment.get("MEDIA_BUCKET") or None,
            media_max_bytes=_number(environment, "MEDIA_MAX_BYTES", 100 * 1024 * 1024),
            lookup_queue_url=environment.get("LOOKUP_QUEUE_URL") or None,
            dead_letter_queues=environment.get("DEAD_LETTER_QUEUES", ""),
            event_bus_name=environment.get("EVENT_BUS_NAME") or None,
            simulator_url=environment.get("SIMULATOR_URL") or None,
            window_margin_seconds=_number(environment, "WINDOW_MARGIN_SECONDS", 60),
            window_warning_minutes=_number(environment, "WINDOW_WARNING_MINUTES", 60),
            lease_seconds=_number(environment, "LEASE_SECONDS", 60),
            provider_timeout_ms=_number(environment, "PROVIDER_TIMEOUT_MS", 10_000),
            settle_after_seconds=_number(environment, "SETTLE_AFTER_SECONDS", 300),
            reconcile_providers=_names(environment, "RECONCILE_PROVIDERS"),
            write_scope=environment.get("WRITE_SCOPE") or "",
        )

    def secret_id(self, provider: str) -> str:
        """The id of a provider's secret. Raises NotConfigured when the function was not given one."""
        try:
            return self.secret_ids[provider]
        except KeyError:
            raise NotConfigured(f"set {provider.upper()}_SECRET_ID to the secret of {provider}") from None

    @property
    def through_proxy(self) -> bool:
        """Whether sessions of the database are shared with others: RDS Proxy is before it."""
        return bool(self.database_user and not self.database_url)

    @property
    def bulk_queue_arn_end(self) -> str | None:
        """How the ARN of the bulk queue ends, which is all that its URL tells."""
        return f":{self.bulk_queue_url.rsplit('/', 1)[-1]}" if self.bulk_queue_url else None

    def send_queue_urls(self) -> dict[str, str]:
        """The send queue of each lane. Raises NotConfigured without any."""
        reply = self.required("send_queue_url")
        return {"reply": reply, "bulk": self.bulk_queue_url or reply}

    def required(self, name: str) -> str:
        """A setting that this function cannot work without. Raises NotConfigured naming its variable."""
        value = getattr(self, name)
        if not value:
            raise NotConfigured(f"set {name.upper()}")
        return str(value)


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit():
        raise NotConfigured(f"{name} must be a whole number")
    return int(text)


def _names(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(environment.get(name, "").replace(",", " ").split())
