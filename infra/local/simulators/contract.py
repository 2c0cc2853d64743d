"""What each simulated provider can do, and the words in which the server and it speak of a call."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from infra.local.http_server import Request, Response
from infra.local.simulators.account import Account
from infra.local.simulators.callbacks import Webhook
from infra.local.simulators.faults import Call, Fault


@dataclass(frozen=True)
class Attempt:
    """A call of ours that is in order: a message that could be taken, or an indication (a read mark, typing).

    `to` and `sender` are as the call has them; `customers` (all names under which the provider knows whom it is for)
    and `address` (the business address) are as the gateway has them. `message_id` is ours, where it came along.
    """

    provider: str
    kind: str
    to: str
    sender: str
    customers: tuple[str, ...]
    address: str
    text: str
    message_id: str | None
    raw: Mapping[str, Any]
    call: Call = "send"

    @property
    def free_form(self) -> bool:
        """Whether it may be sent inside the window only."""
        return self.call == "send" and self.kind != "template"


@dataclass(frozen=True)
class Sent:
    """A message that the provider took, under its own id."""

    id: str
    attempt: Attempt
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Heard:
    """A customer's message, whoever signed its webhook. `opens`: whether it counts as writing."""

    customers: tuple[str, ...]
    address: str
    at: float
    opens: bool
    text: str


@dataclass(frozen=True)
class Letter:
    """What a developer lets a customer write, at which of our addresses, how many seconds ago, and by which name."""

    sender: str
    text: str | None
    payload: Mapping[str, Any]
    address: str | None = None
    age: float = 0.0
    name: str | None = None


class Simulator(Protocol):
    """One provider."""

    name: str

    @property
    def account(self) -> Account:
        """What our account there holds."""

    def owns(self, request: Request) -> bool:
        """Whether this is a call to the provider."""

    def read(self, request: Request) -> Response | Attempt:
        """Answer what is no send in order (wrong credentials, wrong bodies, questions); otherwise say what it is."""

    def question(self, request: Request) -> Attempt | None:
        """A question that was answered, where the provider counts it like any call; None where it does not."""

    def take(self, attempt: Attempt) -> Sent:
        """Keep a message."""

    def accepted(self, sent: Sent) -> Response:
        """The provider's answer to a message that it took."""

    def refusal(self, code: str) -> Response:
        """The provider's answer when it refuses, with one of its codes."""

    def failed(self, fault: Fault) -> Response:
        """The provider's answer when it misbehaves."""

    def statuses(self, sent: Sent, error_code: str | None) -> Sequence[Webhook]:
        """What became of a message, for its log; and what the provider reports about that, in order."""

    def customer(self, letter: Letter) -> tuple[Webhook, str]:
        """A customer's message as the provider's webhook, and its id there."""

    def heard(self, path: str, body: bytes) -> list[Heard]:
        """The customers' messages in a webhook to us, if it is one of this provider's."""
