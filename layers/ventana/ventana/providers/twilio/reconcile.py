"""Asking Twilio which messages it took for us: it does not repeat a webhook that failed, but keeps every message.

What it lists becomes the webhook that it would have sent, so that one parser reads both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from ventana.errors import ListingFailed
from ventana.http import Transport
from ventana.messages import InboundMessage, Item
from ventana.providers.base import Known, Page, RawRequest
from ventana.providers.reading import Object, an_object, decoded_json, number, objects, text
from ventana.providers.twilio.client import twilio_client
from ventana.providers.twilio.parse import parse
from ventana.secrets import ProviderSecrets

CALLS_PER_SECOND = 10.0
ORIGIN = "https://api.twilio.com"
VERSION = "2010-04-01"
PAGE_SIZE = 200
GONE = (404, 410)


def missed(
    since: datetime,
    until: datetime,
    secrets: ProviderSecrets,
    http: Transport,
    known: Known,
    place: str | None = None,
) -> Iterator[Page]:
    """List the account's WhatsApp messages, newest first. Raises ListingFailed or SendError."""
    account = Account(secrets, http)
    following = place if place and account.holds(place) else account.first_page(since)
    while following:
        listing = account.read(following)
        found = [entry for entry in entries_of(listing) if isinstance(entry, dict)]
        wanted = [entry for entry in found if _is_inbound(entry) and since <= (moment_of(entry) or since) <= until]
        ours = known(sid_of(entry) for entry in wanted)
        items = [
            item for entry in reversed(wanted) if sid_of(entry) not in ours for item in _items(entry, account, since)
        ]
        following = "" if is_past(found, since) else account.next_page(listing)
        yield Page(len(wanted), items, following or None)


class Account:
    """The account's part of Twilio's API, read through the SDK's client; it follows no address that leads out of it."""

    def __init__(self, secrets: ProviderSecrets, http: Transport) -> None:
        sid = secrets.first("account_sid")
        self.messages = f"/{VERSION}/Accounts/{quote(sid, safe='')}/Messages"
        self._client = twilio_client(sid, secrets.first("auth_tokens"), http)

    def first_page(self, since: datetime) -> str:
        """Twilio filters by the day, in UTC."""
        return self.page_of({"DateSent>": since.astimezone(UTC).date().isoformat()})

    def page_of(self, asked: Mapping[str, str]) -> str:
        """Where the list of the messages begins that are asked for."""
        return f"{self.messages}.json?{urlencode({**asked, 'PageSize': PAGE_SIZE})}"

    def next_page(self, listing: Object) -> str:
        """Where the list goes on; empty at its end."""
        place = text(listing.get("next_page_uri")).removeprefix(ORIGIN)
        if place and not self.holds(place):
            raise ListingFailed("the next page lies outside of the account's messages")
        return place

    def holds(self, place: str) -> bool:
        """Whether this is a page of this account's messages."""
        return place.startswith(f"{self.messages}.json?")

    def media(self, sid: str) -> list[Any]:
        """The files of a message; none where they have been deleted."""
        try:
            return objects(self.read(f"{self.messages}/{quote(sid, safe='')}/Media.json").get("media_list"))
        except ListingFailed as error:
            if error.status in GONE:
                return []
            raise

    def read(self, place: str) -> Object:
        """One answer. Raises ListingFailed for anything but a 200 with JSON in it."""
        reply = self._client.request("GET", ORIGIN + place)
        if reply.status_code != 200:
            raise ListingFailed(f"the list was answered with {reply.status_code}", reply.status_code)
        try:
            return an_object(decoded_json(reply.text))
        except ValueError:
            raise ListingFailed("the list could not be read") from None


def entries_of(listing: Object) -> list[Any]:
    """What a page lists. Raises ListingFailed for an answer without a list."""
    entries = listing.get("messages")
    if not isinstance(entries, list):  # taken for an empty list, it would move the cursor over what it did not show
        raise ListingFailed("the answer holds no list of messages")
    return entries


def _is_inbound(entry: Object) -> bool:
    """A customer's WhatsApp message. SMS to a number of the same account may be another application's."""
    return (
        entry.get("direction") == "inbound" and text(entry.get("from")).startswith("whatsapp:") and bool(sid_of(entry))
    )


def sid_of(entry: Object) -> str:
    """The id of a message."""
    return text(entry.get("sid"))


def is_past(entries: list[Object], since: datetime) -> bool:
    """Whether the rest of the day lies before `since`, as far as the list shows itself to be newest first."""
    times = [moment for entry in entries if (moment := moment_of(entry))]
    return bool(times) and max(times) < since and times[0] >= times[-1]


def moment_of(entry: Object, names: Iterable[str] = ("date_sent", "date_created")) -> datetime | None:
    """When it was sent or, before that, taken: the first of these times that can be read."""
    for name in names:
        try:
            return parsedate_to_datetime(text(entry.get(name))).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def _items(entry: Object, account: Account, since: datetime) -> list[Item]:
    has_media = (number(entry.get("num_media")) or 0) > 0
    media = account.media(sid_of(entry)) if has_media else []
    return [_dated(item, entry, since, has_media) for item in parse(_webhook(entry, media))]


def _dated(item: Item, entry: Object, since: datetime, has_media: bool) -> Item:
    """The message with Twilio's time; one without would open a window now, so it counts as sent before all others."""
    if not isinstance(item, InboundMessage):
        return item
    return replace(
        item,
        content_type="file" if has_media and item.content_type == "text" else item.content_type,
        sent_at=moment_of(entry) or since,
        details={**item.details, "reconciled": True},
        raw=entry,
    )


def _webhook(entry: Object, media: list[Any]) -> RawRequest:
    """The webhook that would have brought this message, as far as the list tells."""
    form = {
        "MessageSid": sid_of(entry),
        "AccountSid": text(entry.get("account_sid")),
        "From": text(entry.get("from")),
        "To": text(entry.get("to")),
        "Body": text(entry.get("body")),
        "NumMedia": str(len(media)),
        "SmsStatus": "received",
    }
    for index, file in enumerate(an_object(each) for each in media):
        form[f"MediaUrl{index}"] = ORIGIN + text(file.get("uri")).removesuffix(".json")
        form[f"MediaContentType{index}"] = text(file.get("content_type"))
    return RawRequest("POST", "", {}, urlencode(form, errors="replace").encode())
