"""Where a file of a message is at Twilio: an address of its API, which redirects to a store of files."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

from ventana.errors import Unacceptable
from ventana.http import Transport
from ventana.messages import Media
from ventana.providers.fetching import MediaSource
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
    account = f"{secrets.first('account_sid')}:{secrets.first('auth_tokens')}"
    basic = {"authorization": "Basic " + base64.b64encode(account.encode()).decode()}
    return MediaSource(
        media.url,
        hosts=(*API, *STORES, *BUCKETS),
        trusted=API,
        credentials=basic if FILE.fullmatch(urlsplit(media.url).path) else {},
        mime_type=media.mime_type,
        missing_is_final=False,  # the webhook may be faster than the store
    )
