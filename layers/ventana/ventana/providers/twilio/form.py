"""The parameters of a Twilio request: of the form in a POST, of the query in a GET."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from ventana.providers.base import RawRequest

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 10_000
"""Twilio sends fewer than a hundred; the cap keeps a hostile body from costing seconds before it is verified."""


def pairs(request: RawRequest) -> Sequence[tuple[str, str]]:
    """Decode them once, blank and repeated ones kept. Raises ValueError for more than any webhook has."""
    return _decoded(urlsplit(request.url).query if request.method == "GET" else request.body.decode("utf-8", "replace"))


@lru_cache(maxsize=1)  # verifying and parsing read the same parameters
def _decoded(form: str) -> Sequence[tuple[str, str]]:
    return tuple(parse_qsl(form, keep_blank_values=True, max_num_fields=MAX_FIELDS))


def query(request: RawRequest) -> dict[str, str]:
    """The query of the URL that was called."""
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


def is_json(request: RawRequest) -> bool:
    """Whether the body is JSON, as of some of Twilio's newer webhooks: then the URL carries its hash."""
    return request.method != "GET" and _media_type(request) != FORM and "bodySHA256" in query(request)


def holds_json(request: RawRequest) -> bool:
    """Whether the body is to be read as JSON; a parked one has no hash in its URL any more."""
    return is_json(request) or (request.method != "GET" and _media_type(request) == "application/json")


def written(request: RawRequest) -> bytes:
    """What was sent, as it came: the body, or the query of a GET."""
    return urlsplit(request.url).query.encode("utf-8", "replace") if request.method == "GET" else request.body


def _media_type(request: RawRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
