"""Downloads a file from hosts of its provider only, into a file of ours, and refuses what is not what was announced.

The address may be anybody's invention, and may redirect to anywhere: every hop is checked, credentials stay with the
first host, and no more is read than a message can hold.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import BinaryIO
from urllib.parse import quote, urljoin, urlsplit

from ventana.errors import Unacceptable, Unavailable
from ventana.file_types import agreed_type, refuse_programs
from ventana.http import HttpRequest, HttpStream, Streaming
from ventana.providers.fetching import TROUBLE, MediaSource

MAX_REDIRECTIONS = 3
REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
SNIFFED = 512
HEADERS = {"accept": "*/*", "accept-encoding": "identity"}
PUNCTUATION = "!$%&'()*+,-./:;=?@[]_~"
# Stricter than any parser: two that read one address differently is how allow-lists are walked around.
ADDRESS = re.compile(r"https://([a-z0-9][a-z0-9.-]*)(?::443)?([/?][!-\[\]-~]*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What is in our file now."""

    content_type: str
    size: int


def download(source: MediaSource, kind: str, most: int, into: BinaryIO, stream: Streaming) -> Downloaded:
    """Write the file of a message of content type `kind` into `into`, at most `most` bytes of it.

    Raises Unavailable where trying again may help, Unacceptable where the file must not or cannot be kept.
    """
    url = _plain(source.url)
    host = _host_of(url, source.hosts)
    credentials = source.credentials if _belongs(host, source.trusted) else {}
    for _ in range(MAX_REDIRECTIONS + 1):
        with stream(HttpRequest("GET", url, {**HEADERS, **credentials})) as reply:
            if reply.status not in REDIRECTIONS:
                return _kept(reply, source, kind, min(most, source.limits.get(kind, most)), into)
            url = _plain(urljoin(url, reply.headers.get("location", "")))
        if (target := _host_of(url, source.hosts)) != host:
            host, credentials = target, {}
    raise Unacceptable("the file's address redirects too often")


def _plain(url: str) -> str:
    """An address without its fragment, and with what must not be in one (names of files, mostly) encoded."""
    return quote(url.partition("#")[0], safe=PUNCTUATION)


def _host_of(url: str, allowed: Iterable[str]) -> str:
    """The host of an address that may be asked. Raises Unacceptable, which never quotes the address."""
    found = ADDRESS.fullmatch(url)
    host = found[1].lower() if found else ""
    if not found or urlsplit(url).hostname != host:
        raise Unacceptable("the file's address is no plain https address")
    if not _belongs(host, allowed):
        raise Unacceptable("the file's address is not one of the provider's")
    return host


def _belongs(host: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(host, pattern) for pattern in patterns)


def _kept(reply: HttpStream, source: MediaSource, kind: str, most: int, into: BinaryIO) -> Downloaded:
    _demand_a_file(reply, source)
    content_type = agreed_type(kind, source.mime_type, reply.headers.get("content-type"))
    length = reply.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise Unacceptable(f"the file is larger than {most} bytes")
    digest, size = hashlib.sha256(), 0
    for chunk in reply.chunks:
        size += len(chunk)
        if size > most:
            raise Unacceptable(f"the file is larger than {most} bytes")
        digest.update(chunk)
        into.write(chunk)
    if not size:
        raise Unavailable("the file is empty")
    if source.digests and digest.hexdigest() not in source.digests:
        raise Unacceptable("the file is not the one that was announced: its SHA-256 differs")
    into.seek(0)
    refuse_programs(into.read(SNIFFED))
    into.seek(0)
    return Downloaded(content_type, size)


def _demand_a_file(reply: HttpStream, source: MediaSource) -> None:
    status = reply.status
    missing = status in (404, 410) and not source.missing_is_final
    # 401: our credentials are being rotated, or wrong; either way an operator can still save the file.
    if status in TROUBLE or status in (401, 429) or missing:
        raise Unavailable(f"the file's host answered {status}")
    if status != 200:
        raise Unacceptable(f"the file's host answered {status}")
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unacceptable("the file came in an encoding that nobody asked for")
