"""The contract that every provider keeps; nothing in it knows AWS, SQL or another provider.

A provider is one folder with the files `signature.py` (verify), `parse.py` (parse), `send.py` (send) and `limits.py`
(what it takes, and how fast), and one line in the registry. All of `verify`, `parse` and `challenge` are pure; only
`send` talks to the network, through the transport that it is given. What not every provider can do is a file more:
`reconcile.py` (Listing) where it tells what it took for us, `settle.py` (Settling) where it tells what became of one
send, `indicate.py` (Indications) where it shows that we read or write, `media.py` (Files) where it keeps files,
`lookup.py` (Contacts) where it knows who a contact is, `connect.py` (Connecting) with `probe.py` (Probing) where an
account is to be connected to us, `templates.py` (Templating) where it tells which templates of ours were approved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ventana.http import Transport
from ventana.messages import Customer, IdentityChange, Item, Media, OutboundMessage, Receipt
from ventana.secrets import ProviderSecrets

if TYPE_CHECKING:
    from ventana.content import Content
    from ventana.providers.connecting import Finding, Probe, Setting
    from ventana.providers.fetching import MediaSource
    from ventana.providers.templating import OfferedTemplate


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


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a provider may be sent to: at most so many messages in any second from one business address, and to one
    customer from one address `pair_burst` at once and then one in `pair_seconds` (0: no limit of its own).
    """

    messages_per_second: float
    pair_seconds: float = 0.0
    pair_burst: int = 1


class Limiting(Protocol):
    """A provider's `limits.py`: what it takes, checked before anything is accepted, and how fast."""

    PACE: Pace

    def check(self, content: Content, replies: bool, options: Mapping[str, Any]) -> None:
        """Raise UnsupportedByProvider or OverLimit, naming the field, for what the provider would refuse.

        `replies`: it answers a message; `options` are the caller's in the provider's own words.
        """

    def parts(self, content: Content) -> list[Content]:
        """The messages that the provider needs for this one, in order; nearly always the one itself."""


class Settling(Protocol):
    """The optional capability of a provider's `settle.py`: telling what became of a send whose answer was lost."""

    CALLS_PER_SECOND: float

    def find_taken(
        self,
        message: OutboundMessage,
        since: datetime,
        until: datetime,
        secrets: ProviderSecrets,
        http: Transport,
        known: Known,
    ) -> Receipt | None:
        """Look for the message among what the provider took between these times; None: it took no such message.

        Messages that are `known` are others' rows. Raises ListingFailed where it cannot be told, also because several
        of what it took could be this one.
        """


class Indications(Protocol):
    """The optional capability of a provider's `indicate.py`: showing the customer that we have read or are writing."""

    KINDS: frozenset[str]
    """Of "read" and "typing", what can be shown; typing marks as read too."""

    def indicate(
        self, kind: str, provider_message_id: str, business_address: str, secrets: ProviderSecrets, http: Transport
    ) -> None:
        """Show it at this message of the customer. Raises SendError; nothing is ever lost by that."""


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


class Connecting(Protocol):
    """The optional capability of a provider's `connect.py`: setting the account there up, and telling how it is.

    `origin` is where providers call us, without a slash at its end. Nothing here raises for what a provider answers,
    nor where it does not: that is a finding.
    """

    NEEDED: tuple[str, ...]
    """What the secret must hold, so that anything works."""

    def settings(self, origin: str, secrets: ProviderSecrets) -> list[Setting]:
        """What to enter in the provider's console, in the order in which a person meets it; asks nobody."""

    def connect(self, origin: str, secrets: ProviderSecrets, http: Transport, replace: bool = False) -> list[Finding]:
        """Set all that by the provider's API, and tell what was done.

        What points to somebody else is left alone unless we may `replace` it; so are former addresses of ours.
        """

    def check(self, origin: str, secrets: ProviderSecrets, http: Transport) -> list[Finding]:
        """Ask the provider whether our credentials, its webhook and our numbers are in order; changes nothing."""


class Probing(Protocol):
    """The other half of that, in `probe.py`: calls that show whether webhooks are taken, and forged ones refused."""

    def probes(self, origin: str, secrets: ProviderSecrets) -> list[Probe]:
        """Harmless webhooks, signed as the provider signs them, and one that nobody signed; sends nothing."""


class Templating(Protocol):
    """The optional capability of a provider's `templates.py`: telling which templates it has approved for us."""

    CALLS_PER_SECOND: float

    def offered(self, secrets: ProviderSecrets, http: Transport) -> Iterator[OfferedTemplate]:
        """List all approved templates that can be filled in with texts and links.

        Raises ListingFailed where the provider does not tell all of them, Unavailable where asking again may help.
        """
