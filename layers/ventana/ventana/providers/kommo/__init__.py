"""Kommo: the CRM's unsigned form hooks behind a secret path, the Chats API's signed ones, and answers in a talk."""

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
        """Raise BadSignature unless the path holds a webhook token, or is the one of signed hooks and this is one."""
        signature.verify(request, secrets)

    def parse(self, request: RawRequest) -> list[Item]:
        """Read every message of a hook, and what it says of the customer; other things are kept as notices."""
        return parse.parse(request)

    def send(self, message: OutboundMessage, secrets: ProviderSecrets, http: Transport) -> Receipt:
        """Answer in the customer's talk. Raises SendError."""
        return send.send(message, secrets, http)


PROVIDER: Provider = Kommo()
