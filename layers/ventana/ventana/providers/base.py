"""The contract that every provider keeps; nothing in it knows AWS, SQL or another provider.

A provider is one folder with the files `signature.py` (verify), `parse.py` (parse) and `send.py` (send), and one
line in the registry. All of `verify`, `parse` and `challenge` are pure; only `send` talks to the network, through
the transport that it is given. What not every provider can do is a file more: `reconcile.py` (Listing) where it tells
what it took for us, `media.py` (Files) where it keeps files, `lookup.py` (Contacts) where it knows who a contact is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ventana.http import Transport
from ventana.messages import Customer, IdentityChange, Item, Media, OutboundMessage, Receipt
from ventana.secrets import ProviderSecrets

if TYPE_CHECKING:
    from ventana.providers.fetching import MediaSource


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A webhook as it was sent: what signatures are made over.

    `url` is the public URL, from settings and never from the Host header, with path and query exactly as received
    (percent-encoding untouched); header names are lower case; `body` is the raw bytes.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The answer that a provider wants for a webhook that was taken."""

    status: int = 200
    content_type: str = "application/json"
    body: str = "{}"


class Provider(Protocol):
    """One carrier of messages."""

    name: str
    acknowledgement: Acknowledgement

    def challenge(self, request: RawRequest, secrets: ProviderSecrets) -> Acknowledgement | None:
        """Answer a handshake that proves the endpoint is ours; None where the request is no handshake.

        Raises BadSignature when it is one, but for somebody else.
        """

    def verify(self, request: RawRequest, secrets: ProviderSecrets) -> None:
        """Raise BadSignature unless the provider sent exactly these bytes; any live secret will do."""

    def parse(self, request: RawRequest) -> list[Item]:
        """Turn a verified webhook into our words: every message and status in it, in the order given.

        What cannot be understood becomes `Parked`, or a message of content type "unsupported" when it is known who
        wrote it. Never raises for what a provider sent.
        """

    def send(self, message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
        """Hand the message over. Raises a SendError that says whether it may be tried again."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a provider's list: how many customers' messages it held, and those of them that we do not have.

    `place` is where the list goes on, in the provider's words; None after the last page.
    """

    listed: int
    items: list[Item]
    place: str | None = None


Known: TypeAlias = Callable[[Iterable[str]], set[str]]
"""Which of these of the provider's message ids we have."""


class Listing(Protocol):
    """The optional capability of a provider's `reconcile.py`: finding messages whose webhook never reached us."""

    CALLS_PER_SECOND: float

    def missed(
        self,
        since: datetime,
        until: datetime,
        secrets: ProviderSecrets,
        http: Transport,
        known: Known,
        place: str | None = None,
    ) -> Iterator[Page]:
        """List customers' messages between these times, page by page, from `place` on where one is given.

        A message found here has the id, the addresses and the customer that its webhook gives it, so that both are
        one row whichever comes first, and the provider's time, which alone decides about the window. Raises
        ListingFailed, or SendError where the provider cannot be reached.
        """


class Files(Protocol):
    """The optional capability of a provider's `media.py`: telling where a file of a message is."""

    def media_source(self, media: Media, secrets: ProviderSecrets, http: Transport) -> MediaSource:
        """Tell where the file is now, and which hosts are the provider's. Downloads nothing.

        Raises Unavailable where asking again may help, Unacceptable where the file is gone.
        """


class Contacts(Protocol):
    """The optional capability of a provider's `lookup.py`: telling the names of a customer that webhooks leave out."""

    def lookup(self, customer: Customer, secrets: ProviderSecrets, http: Transport) -> IdentityChange | None:
        """Ask for the customer; None where the provider knows nothing more. One request at most.

        Raises Unavailable where asking again may help, AskedTooMuch where the whole account should be left alone.
        """
