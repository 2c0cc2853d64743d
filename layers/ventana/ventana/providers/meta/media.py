"""Where a file of a message is at Meta: its id is asked for an address, which lives five minutes.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import quote

from ventana.errors import Unacceptable, Unavailable
from ventana.http import HttpRequest, Transport
from ventana.messages import Media
from ventana.providers.fetching import MediaSource, asked
from ventana.providers.meta.send import GRAPH_VERSION
from ventana.providers.reading import Object, an_object, decoded_json, text
from ventana.secrets import ProviderSecrets

HOSTS = ("graph.facebook.com", "lookaside.fbsbx.com", "*.fbcdn.net", "*.whatsapp.net")
OURS_TO_SOLVE = frozenset({"0", "3", "10", "190", "200"})
"""Codes about our token and its permissions: an operator renews it, and the file may still be had."""
PASSING = frozenset({"1", "2", "4", "80007", "130429"})
"""Codes about too many calls and troubles of Meta's own."""
HEX = re.compile(r"[0-9a-f]{64}")


def media_source(media: Media, secrets: ProviderSecrets, http: Transport) -> MediaSource:
    """Ask for the file's address by its id, also where the webhook brought one: that may have expired.

    Raises Unavailable where asking again may help, Unacceptable where the file is gone.
    """
    credentials = {"authorization": f"Bearer {secrets.first('access_tokens')}"}
    answer: Object = {}
    if media.id:
        version = secrets.get("graph_version") or GRAPH_VERSION
        url = f"https://graph.facebook.com/{version}/{quote(media.id, safe='')}"
        answer = _described(HttpRequest("GET", url, credentials), http)
    url = text(answer.get("url")) or media.url or ""
    if not url:
        raise Unacceptable("the message has neither an id nor an address of its file")
    return MediaSource(
        url,
        hosts=HOSTS,
        trusted=HOSTS,
        credentials=credentials,
        mime_type=text(answer.get("mime_type")) or media.mime_type,
        digests=frozenset(filter(None, (_digest(text(answer.get("sha256"))), _digest(media.sha256 or "")))),
        missing_is_final=False,
    )


def _described(request: HttpRequest, http: Transport) -> Object:
    reply = asked(http, request)
    try:
        answer = an_object(decoded_json(reply.body))
    except ValueError:
        answer = {}
    if reply.status == 200 and text(answer.get("url")):
        return answer
    code = text(an_object(answer.get("error")).get("code"))
    if reply.status == 200 or reply.status == 401 or code in OURS_TO_SOLVE | PASSING:
        raise Unavailable(f"the provider did not tell the file's address (status {reply.status}, code {code or '-'})")
    raise Unacceptable(f"the provider has no such file any more (status {reply.status}, code {code or '-'})")


def _digest(given: str) -> str | None:
    """A SHA-256 as hex: Meta writes it in base64 in webhooks and in hex in answers."""
    if HEX.fullmatch(given.lower()):
        return given.lower()
    try:
        raw = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 32 else None
