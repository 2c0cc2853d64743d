"""Posts webhooks to the gateway, in order and with each provider's patience."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PAUSE_SECONDS = 0.05
FIRST_RETRY_SECONDS = 0.5


@dataclass(frozen=True)
class Webhook:
    """One signed request. `tries` is how often the provider repeats what was not answered with 2xx."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    tries: int = 1


def post(webhook: Webhook) -> int:
    """Send it once; the status of the answer, or 0 when there was none."""
    parts = urlsplit(webhook.url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=webhook.timeout)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, webhook.body, dict(webhook.headers))
        reply = connection.getresponse()
        reply.read()
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()
    return reply.status


def post_later(webhooks: Sequence[Webhook], delay: float = 0.0) -> None:
    """Send several one after the other, soon or after a while, without making the caller wait."""
    if webhooks:
        threading.Thread(target=_post_all, args=[webhooks, delay], name="callbacks", daemon=True).start()


def _post_all(webhooks: Sequence[Webhook], delay: float) -> None:
    time.sleep(delay)
    for webhook in webhooks:
        time.sleep(PAUSE_SECONDS)
        pause = FIRST_RETRY_SECONDS
        for _ in range(webhook.tries):
            if 200 <= post(webhook) < 300:
                break
            time.sleep(pause)
            pause *= 2
