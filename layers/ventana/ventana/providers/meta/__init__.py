"""Meta's WhatsApp Cloud API: JSON webhooks signed with the app secret, sends through the Graph API."""

from __future__ import annotations

from ventana.http import Transport
from ventana.messages import Item, OutboundMessage, Receipt
from ventana.providers.base import Acknowledgement, Provider, RawRequest
from ventana.providers.meta import parse, send, signature
from ventana.secrets import ProviderSecrets


class Meta:
    """Every number of every WhatsApp business account whose app calls this webhook."""

    name = "meta"
    acknowledgement = Acknowledgement()

    def challenge(self, request: RawRequest, secrets: ProviderSecrets) -> Acknowledgement | None:
        """Answer the GET that Meta sends whenever the callback URL is edited. Raises BadSignature for a wrong token."""
        return signature.challenge(request, secrets)

    def verify(self, request: RawRequest, secrets: ProviderSecrets) -> None:
        """Raise BadSignature unless one of the app secrets signed exactly these bytes."""
        signature.verify(request, secrets)

    def parse(self, request: RawRequest) -> list[Item]:
        """Read every entry, change, message and status of a POST."""
        return parse.parse(request)

    def send(self, message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
        """Send any kind of content through the Graph API. Raises SendError."""
        return send.send(message, secrets, http)


PROVIDER: Provider = Meta()
