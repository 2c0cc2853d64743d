"""What a provider tells of a file before it is downloaded, and how a provider is asked a question at all.

A file's address may come from a webhook that anybody could have made up, so it brings the list of hosts that belong
to the provider; nothing else is contacted, and credentials are for the hosts that own them alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ventana.errors import AskedTooMuch, SendError, Unavailable
from ventana.http import HttpReply, HttpRequest, Transport

MB = 1024 * 1024
WHATSAPP_LIMITS: Mapping[str, int] = MappingProxyType(
    {"image": 5 * MB, "sticker": 500 * 1024, "voice": 16 * MB, "audio": 16 * MB, "video": 16 * MB, "file": 100 * MB}
)
"""The largest file of each content type that WhatsApp itself carries."""
TROUBLE = frozenset({408, 425, *range(500, 600)})
"""Statuses that say nothing about the question: it may be asked again."""


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Where a file is, whom one may meet on the way to it, and what was announced of it; repr shows no credentials.

    `hosts` and `trusted` are patterns such as `*.example.com`. `credentials` are headers for `trusted` hosts, until
    the first redirection to another host. The content must have one of `digests` (SHA-256, hex), where there are any.
    `missing_is_final` is False where a 404 may mean "not there yet" or "this address has expired".
    """

    url: str = field(repr=False)
    hosts: tuple[str, ...]
    trusted: tuple[str, ...] = ()
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    mime_type: str | None = None
    digests: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=lambda: WHATSAPP_LIMITS)
    missing_is_final: bool = True


def asked(http: Transport, request: HttpRequest) -> HttpReply:
    """Ask a provider something that may be asked twice. Raises Unavailable where asking again may help.

    AskedTooMuch, which is such an error too, where the account should be left alone for a while.
    """
    try:
        reply = http(request)
    except SendError as error:
        raise Unavailable("the provider could not be reached, or its answer was lost") from error
    if reply.status == 429:
        raise AskedTooMuch("the provider asked us to slow down")
    if reply.status in TROUBLE:
        raise Unavailable(f"the provider answered {reply.status}")
    return reply
