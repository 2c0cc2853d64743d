"""Where a file of a message is at Kommo: a link that is open to whoever has it."""

from __future__ import annotations

from ventana.errors import Unacceptable
from ventana.http import Transport
from ventana.messages import Media
from ventana.providers.fetching import MediaSource
from ventana.secrets import ProviderSecrets

# The hook is not signed: a link may be anybody's invention, so nothing but these hosts is asked, and nothing is shown.
HOSTS = ("*.kommo.com", "*.amocrm.com", "*.amocrm.ru")


def media_source(media: Media, secrets: ProviderSecrets, http: Transport) -> MediaSource:
    """The link. Channels behind Kommo have size limits of their own, so only ours counts. Raises Unacceptable."""
    if not media.url:
        raise Unacceptable("the message has no address of its file")
    return MediaSource(media.url, hosts=HOSTS, mime_type=media.mime_type, limits={})
