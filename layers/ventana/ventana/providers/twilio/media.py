"""Where a file of a message is at Twilio: an address of its API, which redirects to a store of files."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ventana.errors import Unacceptable
from ventana.http import Transport
from ventana.messages import Media
from ventana.providers.fetching import MediaSource
from ventana.providers.twilio.credentials import basic
from ventana.secrets import ProviderSecrets

API = ("api.twilio.com", "api.*.twilio.com")
STORES = ("*.twilio.com", "*.twiliocdn.com", "s3.amazonaws.com", "s3-*.amazonaws.com", "s3.*.amazonaws.com")
BUCKETS = ("*.s3.amazonaws.com", "*.s3-*.amazonaws.com", "*.s3.*.amazonaws.com")
FILE = re.compile(r"/2010-04-01/Accounts/\w+/Messages/\w+/Media/\w+")


def media_source(media: Media, secrets: ProviderSecrets, http: Transport) -> MediaSource:
    """The address with the account's credentials, which are for files of messages and nothing else of the API.

    Raises Unacceptable without an address.
    """
    if not media.url:
        raise Unacceptable("the message has no address of its file")
    return MediaSource(
        media.url,
        hosts=(*API, *STORES, *BUCKETS),
        trusted=API,
        credentials=basic(secrets) if FILE.fullmatch(urlsplit(media.url).path) else {},
        mime_type=media.mime_type,
        missing_is_final=False,  # the webhook may be faster than the store
    )
