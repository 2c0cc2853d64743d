"""From a provider's error answer to our error: a table of its codes first, the HTTP status where the table is silent.

The texts are ours, because providers quote phone numbers and message texts in theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ventana.errors import Misconfigured, OptedOut, Rejected, SendError, Throttled, Uncertain, Unreachable, WindowShut

Codes: TypeAlias = Mapping[str, tuple[type[SendError], str]]
"""What a provider's code means: who may do something about it, and in words."""

NO_ADDRESS = "the customer has no address at this provider"


def refusal(status: int, code: str, codes: Codes) -> SendError:
    """The error for an answer that is no 2xx. A code outranks the status: throttling often comes as a 400."""
    kind, phrase = codes.get(code) or _by_status(status)
    return kind(phrase, code or str(status))


def meaning(code: str | None, codes: Codes) -> str | None:
    """What a code means, for statuses that bring a code without a text."""
    known = codes.get(code or "")
    return known[1] if known else None


def shuts_window(code: str | None, codes: Codes) -> bool:
    """Whether a message failed with this code because the provider holds the window for shut."""
    return _is(code, codes, WindowShut)


def opts_out(code: str | None, codes: Codes) -> bool:
    """Whether a message failed with this code because the customer wants no such messages."""
    return _is(code, codes, OptedOut)


def may_go_again(code: str | None, codes: Codes) -> bool:
    """Whether a message that a status calls failed with this code was never handed to the customer.

    Not for codes of unknown outcome: they say what the provider's servers did, not what the customer got.
    """
    return _is(code, codes, Throttled, Unreachable)


def unreadable() -> Uncertain:
    """The error for a 2xx that does not say which message was taken."""
    return Uncertain("the provider's answer holds no message id")


def _is(code: str | None, codes: Codes, *kinds: type[SendError]) -> bool:
    known = codes.get(code or "")
    return known is not None and issubclass(known[0], kinds)


def _by_status(status: int) -> tuple[type[SendError], str]:
    if status in (401, 403):
        return Misconfigured, "the provider did not accept our credentials"
    if status == 429:
        return Throttled, "the provider asked us to slow down"
    if status == 408:
        return Unreachable, "the provider did not wait for the whole request"
    if status >= 500:
        return Uncertain, "the provider failed while it had the message"
    return Rejected, "the provider refused the message"
