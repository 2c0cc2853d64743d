"""Twilio's WhatsApp: one form per message or status, signed over URL and parameters; sends through Twilio's SDK."""

from __future__ import annotations

from ventana.http import Transport
from ventana.messages import Item, OutboundMessage, Receipt
from ventana.providers.base import Acknowledgement, Provider, RawRequest
from ventana.providers.twilio import parse, send
from ventana.secrets import ProviderSecrets


class Twilio:
    """Every WhatsApp sender of one Twilio account."""

    name = "twilio"
    acknowledgement = Acknowledgement(200, "text/xml", "<Response/>")
    """An answer in any other form may be read as a reply to the customer."""

    def challenge(self, request: RawRequest, secrets: ProviderSecrets) -> Acknowledgement | None:
        """Twilio has no handshake: a GET is a webhook like any other, where one is so configured."""
        return None

    def verify(self, request: RawRequest, secrets: ProviderSecrets) -> None:
        """Raise BadSignature unless one of the auth tokens signed this URL with these parameters."""
        from ventana.providers.twilio import signature  # the SDK is in a layer that not every function has

        signature.verify(request, secrets)

    def parse(self, request: RawRequest) -> list[Item]:
        """Read the one message or status of a request."""
        return parse.parse(request)

    def send(self, message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
        """Send it through the SDK's client. Raises SendError."""
        return send.send(message, secrets, http)


PROVIDER: Provider = Twilio()
