"""Kommo's answers to a send, by HTTP status: it has no other codes."""

from __future__ import annotations

from ventana.errors import Rejected, Throttled
from ventana.providers.refusal import Codes

CODES: Codes = {
    "401": (Rejected, "the access token was not accepted"),
    "402": (Rejected, "the account's plan does not cover this message"),
    "403": (Rejected, "the integration may not send, or the account is blocked for too many calls"),
    "404": (Rejected, "the talk does not exist"),
    "422": (Rejected, "the talk is closed"),
    "429": (Throttled, "too many calls at once"),
}
