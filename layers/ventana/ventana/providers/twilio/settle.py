"""Asking Twilio what became of a send whose answer was lost: its list has every message that it took, but not our id.

A message is known by who wrote to whom, when and what. The list is not narrowed by DateSent, which a message that waits
in Twilio's queue does not have yet: one that is overlooked would be sent twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from ventana.errors import ListingFailed, SendError
from ventana.http import Transport
from ventana.messages import OutboundMessage, Receipt
from ventana.providers.base import Known
from ventana.providers.reading import Object, number, text
from ventana.providers.twilio.reconcile import Account, entries_of, is_past, moment_of, sid_of
from ventana.providers.twilio.send import build
from ventana.secrets import ProviderSecrets

CALLS_PER_SECOND = 10.0
MOST_PAGES = 10
SLACK = timedelta(seconds=5)
"""Twilio's times are whole seconds, of another clock."""

ARRIVED = {"sent", "delivered", "read"}
"""The callbacks that told so may be lost as the answer was: then nothing else ever tells."""

Likeness: TypeAlias = Literal["alike", "doubtful", "different"]


def find_taken(
    message: OutboundMessage,
    since: datetime,
    until: datetime,
    secrets: ProviderSecrets,
    http: Transport,
    known: Known,
) -> Receipt | None:
    """Look for the message in the list of what went to this customer; None: it took no such message.

    Raises ListingFailed where it cannot be told.
    """
    arguments = build(message)
    try:
        found = list(_listed(arguments, since - SLACK, until + SLACK, Account(secrets, http)))
    except SendError as error:
        raise ListingFailed("the list could not be asked for") from error
    likeness = {sid_of(entry): _likeness(arguments, entry) for entry in found}
    arrived = {sid_of(entry) for entry in found if text(entry.get("status")) in ARRIVED}
    others = known(sid for sid, how in likeness.items() if how != "different")
    alike = [sid for sid, how in likeness.items() if how == "alike" and sid not in others]
    doubtful = [sid for sid, how in likeness.items() if how == "doubtful" and sid not in others]
    if len(alike) == 1:
        return Receipt(alike[0], "sent" if alike[0] in arrived else "sending")
    if alike or doubtful:
        raise ListingFailed("several messages could be this one" if alike else "a message there cannot be compared")
    return None


def _listed(arguments: Object, since: datetime, until: datetime, account: Account) -> Iterator[Object]:
    """What was sent from this address to this customer then, page by page, or at a time that nobody can read."""
    place = account.page_of({"To": arguments["to"], "From": arguments["from_"]})
    for _ in range(MOST_PAGES):
        listing = account.read(place)
        entries = [entry for entry in entries_of(listing) if isinstance(entry, dict)]
        for entry in entries:
            if _is_between(arguments, entry) and since <= (_taken_at(entry) or since) <= until:
                yield entry
        place = "" if is_past(entries, since) else account.next_page(listing)
        if not place:
            return
    raise ListingFailed("the list is too long")


def _taken_at(entry: Object) -> datetime | None:
    """It may be sent much later."""
    return moment_of(entry, ("date_created", "date_sent"))


def _is_between(arguments: Object, entry: Object) -> bool:
    """Whether it is ours, and went from this address to this customer."""
    addresses = (text(entry.get("from")), text(entry.get("to")))
    outbound = text(entry.get("direction")).startswith("outbound")
    return outbound and addresses == (arguments["from_"], arguments["to"]) and bool(sid_of(entry))


def _likeness(arguments: Object, entry: Object) -> Likeness:
    """Whether it says the same. Nobody can tell of a template, nor in an account that does not keep its texts."""
    has_file, is_file = (number(entry.get("num_media")) or 0) > 0, "media_url" in arguments
    theirs, ours = _plain(entry.get("body")), _plain(arguments.get("body"))
    if "content_sid" in arguments or (has_file == is_file and theirs == ours):
        return "alike" if _taken_at(entry) else "doubtful"
    if has_file and not is_file:
        return "different"
    return "doubtful" if not theirs or theirs == ours or (has_file and not ours) else "different"


def _plain(body: Any) -> str:
    """A text as it may come back: white space is not always kept, and half an emoji never."""
    return " ".join(text(body).encode("utf-8", "replace").decode().split())
