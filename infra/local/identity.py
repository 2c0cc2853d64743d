"""Who we are at each provider on this laptop: random secrets, made once and kept, and the addresses they belong to."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Identity:
    """Secrets and addresses of one local system. With `api_token` one may write, with `reader_token` only read."""

    api_token: str
    twilio_account_sid: str
    twilio_auth_token: str
    twilio_address: str
    meta_app_secret: str
    meta_verify_token: str
    meta_access_token: str
    meta_phone_number_id: str
    meta_display_phone_number: str
    kommo_webhook_token: str
    kommo_access_token: str
    kommo_account_id: str
    kommo_subdomain: str
    # Ids, alike for everybody: an identity that was kept before there were any is complete with them.
    twilio_sender_sid: str = "XE" + "0" * 30 + "1a"
    meta_app_id: str = "1289640328712643"
    meta_waba_id: str = "102290129340398"
    reader_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @classmethod
    def kept(cls, path: Path) -> Identity:
        """The identity in `path`, made now when there is none; what one of before lacks is made now as well."""
        kept = json.loads(path.read_text()) if path.exists() else {}
        identity = cls(**kept) if kept else cls.random()
        if asdict(identity) != kept:
            write_private(path, asdict(identity))
        return identity

    @classmethod
    def random(cls) -> Identity:
        """A fresh one. Numbers come from ranges that no customer has."""
        return cls(
            api_token=secrets.token_urlsafe(32),
            twilio_account_sid=f"AC{secrets.token_hex(16)}",
            twilio_auth_token=secrets.token_hex(16),
            twilio_address="+14155238886",
            meta_app_secret=secrets.token_hex(16),
            meta_verify_token=secrets.token_urlsafe(24),
            meta_access_token=f"EAA{secrets.token_urlsafe(48)}",
            meta_phone_number_id="106540352242922",
            meta_display_phone_number="15550783881",
            kommo_webhook_token=secrets.token_urlsafe(24),
            kommo_access_token=secrets.token_urlsafe(48),
            kommo_account_id="32100001",
            kommo_subdomain="ventanalocal",
        )

    def stored_secrets(self) -> dict[str, dict[str, Any]]:
        """What Secrets Manager holds, by logical id in template.yaml; the keys are those of ventana/secrets.py."""
        return {
            "TwilioSecret": {"account_sid": self.twilio_account_sid, "auth_tokens": [self.twilio_auth_token]},
            "MetaSecret": {
                "app_secrets": [self.meta_app_secret],
                "verify_tokens": [self.meta_verify_token],
                "access_tokens": [self.meta_access_token],
            },
            "KommoSecret": {
                "webhook_tokens": [self.kommo_webhook_token],
                "access_tokens": [self.kommo_access_token],
                "account_id": self.kommo_account_id,
                "subdomain": self.kommo_subdomain,
            },
        }

    def claims(self) -> dict[str, dict[str, Any]]:
        """What each of the API's tokens says of who holds it."""
        return {
            self.api_token: {"sub": "local-operator", "iss": "local", "scope": "read write"},
            self.reader_token: {"sub": "local-reader", "iss": "local", "scope": "read"},
        }

    def published(self) -> dict[str, Any]:
        """The part that `runtime.json` tells: what a client needs to sign and to send."""
        everything = asdict(self)
        secret = ("twilio_auth_token", "meta_app_secret", "meta_verify_token", "kommo_webhook_token")
        address = (
            "twilio_account_sid",
            "twilio_address",
            "meta_phone_number_id",
            "meta_display_phone_number",
            "kommo_account_id",
            "kommo_subdomain",
        )
        return {
            "api_token": self.api_token,
            "reader_token": self.reader_token,
            "secrets": {name: everything[name] for name in secret},
            "addresses": {name: everything[name] for name in address},
        }


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only its owner can read, whole or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(path)
