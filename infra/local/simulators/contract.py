"""What each simulated provider can do; the server knows no more about any of them."""

from __future__ import annotations

from typing import Any, Protocol

from infra.local.http_server import Request, Response
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.ledger import Fault, Sent


class Simulator(Protocol):
    """One provider."""

    name: str

    def owns(self, request: Request) -> bool:
        """Whether this is a call to the provider."""

    def refuse(self, request: Request) -> Response | None:
        """Answer what is no send in order: wrong credentials, wrong bodies, questions."""

    def take(self, request: Request) -> Sent:
        """Keep a send that `refuse` let through."""

    def accepted(self, sent: Sent) -> Response:
        """The provider's answer to a send."""

    def failed(self, fault: Fault) -> Response:
        """The provider's answer when it misbehaves."""

    def statuses(self, sent: Sent, error_code: str | None) -> list[Webhook]:
        """What the provider reports about a send, in order; with an error code, that it failed."""

    def customer(self, sender: str, text: str | None, payload: dict[str, Any]) -> tuple[Webhook, str]:
        """A customer's message as the provider's webhook, and its id there."""
