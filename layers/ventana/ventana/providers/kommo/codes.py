"""Kommo's answers to a send, by HTTP status: it has no other codes."""

from __future__ import annotations

from ventana.errors import Misconfigured, Rejected, Throttled
from ventana.providers.refusal import Codes

CODES: Codes = {
    "401": (Misconfigured, "the access token was not accepted"),
    "402": (Misconfigured, "the account's plan does not cover this message"),
    "403": (Misconfigured, "the integration may not send, or the account is blocked for too many calls"),
    "404": (Rejected, "the talk does not exist"),
    "422": (Rejected, "the talk is closed"),
    "429": (Throttled, "too many calls at once"),
}
