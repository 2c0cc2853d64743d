"""Kommo's CRM: unsigned form hooks behind a secret path, answers through the talk that the customer wrote in."""

from __future__ import annotations

from ventana.http import Transport
from ventana.messages import Item, OutboundMessage, Receipt
from ventana.providers.base import Acknowledgement, Provider, RawRequest
from ventana.providers.kommo import parse, send, signature
from ventana.secrets import ProviderSecrets


class Kommo:
    """Every chat channel of one Kommo account."""

    name = "kommo"
    acknowledgement = Acknowledgement()

    def challenge(self, request: RawRequest, secrets: ProviderSecrets) -> Acknowledgement | None:
        """Kommo has no handshake."""
        return None

    def verify(self, request: RawRequest, secrets: ProviderSecrets) -> None:
        """Raise BadSignature unless the path ends in one of the webhook tokens and the account is ours."""
        signature.verify(request, secrets)

    def parse(self, request: RawRequest) -> list[Item]:
        """Read every message of a hook; hooks about other things are kept as notices."""
        return parse.parse(request)

    def send(self, message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
        """Answer in the customer's talk. Raises SendError."""
        return send.send(message, secrets, http)


PROVIDER: Provider = Kommo()
