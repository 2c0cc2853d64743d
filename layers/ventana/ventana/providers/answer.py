"""What the management API of a provider answers: a status and an object, whatever it sends instead of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ventana.http import HttpRequest, Transport
from ventana.providers.fetching import asked
from ventana.providers.reading import Object, an_object, decoded_json


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and what it came with. A provider's own kind of it says why something was refused."""

    status: int
    content: Object

    @classmethod
    def to(cls, request: HttpRequest, http: Transport) -> Self:
        """The answer to a request that may be made twice. Raises Unavailable where nobody answers."""
        reply = asked(http, request)
        try:
            return cls(reply.status, an_object(decoded_json(reply.body)))
        except ValueError:
            return cls(reply.status, {})

    @property
    def fine(self) -> bool:
        """Whether it is a 2xx; a list of nothing may be a 204."""
        return 200 <= self.status < 300
