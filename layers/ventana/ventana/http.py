"""Calls to providers: one function from request to reply, so that tests need no mocking library.

Two failures matter to a sender, and the transport tells them apart: `Unreachable` (no byte of the request was
taken, trying again is safe) and `Uncertain` (the request was written, the answer was lost).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from ventana.errors import Unacceptable, Unavailable, Uncertain, Unreachable

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to a provider's production URL; repr shows neither credentials nor text."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: any status, whole body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpStream:
    """An answer whose body is still on its way; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


Transport: TypeAlias = Callable[[HttpRequest], HttpReply]
Streaming: TypeAlias = Callable[[HttpRequest], AbstractContextManager[HttpStream]]
CHUNK = 64 * 1024


def transport(simulator_url: str | None = None, connect_seconds: float = 3.0, read_seconds: float = 10.0) -> Transport:
    """Make the transport of production, kept-alive and without retries of its own.

    With `simulator_url` every request goes to that origin instead of the provider's, path and query untouched:
    adapters always build production URLs.
    """
    import urllib3  # only senders pay for it

    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=connect_seconds, read=read_seconds), retries=False, maxsize=4
    )

    def call(request: HttpRequest) -> HttpReply:
        url = _moved(request.url, simulator_url) if simulator_url else request.url
        try:
            reply = pool.request(
                request.method, url, body=request.body or None, headers=dict(request.headers), redirect=False
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise Unreachable("the provider could not be reached") from error
        except urllib3.exceptions.HTTPError as error:
            if isinstance(next(iter(error.args), None), ssl.SSLCertVerificationError):
                raise Unreachable("the provider's certificate is not valid") from error
            raise Uncertain("the provider's answer was lost") from error
        return HttpReply(reply.status, reply.data)

    return call


def streaming(
    simulator_url: str | None = None,
    connect_seconds: float = 3.0,
    read_seconds: float = 10.0,
    whole_seconds: float = 60.0,
) -> Streaming:
    """Make the transport for files at addresses that others have chosen: public ones only, redirections not followed.

    With `simulator_url` every request goes there, as with `transport`. Raises Unavailable where the server does not
    answer, breaks off or takes longer than `whole_seconds`; Unacceptable for an address that is not public.
    """
    import urllib3

    from ventana.public_network import PublicPoolManager

    timeout = urllib3.Timeout(connect=connect_seconds, read=read_seconds)
    pool = (urllib3.PoolManager if simulator_url else PublicPoolManager)(timeout=timeout, retries=False)

    @contextmanager
    def open_stream(request: HttpRequest) -> Iterator[HttpStream]:
        until = time.monotonic() + whole_seconds
        url = _moved(request.url, simulator_url) if simulator_url else request.url
        if not simulator_url and not url.startswith("https://"):
            raise Unacceptable("the file's address is not https")
        try:
            reply = pool.request(
                request.method,
                url,
                headers=dict(request.headers),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable("the file's host did not answer") from error
        try:
            headers = {name.lower(): value for name, value in reply.headers.items()}
            yield HttpStream(reply.status, headers, _chunks(reply, until))
        finally:
            reply.close()

    return open_stream


def _chunks(reply: BaseHTTPResponse, until: float) -> Iterator[bytes]:
    import urllib3

    try:
        # read1: what has come, and no waiting for more. A server that drips must not outlast the whole time.
        while chunk := reply.read1(CHUNK):
            if time.monotonic() > until:
                raise Unavailable("the file took too long")
            yield chunk
    except urllib3.exceptions.HTTPError as error:
        raise Unavailable("the file broke off") from error


def paced(
    http: Transport,
    calls_per_second: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Transport:
    """Make `http` wait between requests, for providers that block whoever asks too fast."""
    free_at = clock()

    def call(request: HttpRequest) -> HttpReply:
        nonlocal free_at
        if (early := free_at - clock()) > 0:
            sleep(early)
        free_at = max(free_at, clock()) + 1 / calls_per_second
        return http(request)

    return call


def _moved(url: str, origin: str) -> str:
    parts, target = urlsplit(url), urlsplit(origin)
    return urlunsplit((target.scheme, target.netloc, target.path.rstrip("/") + parts.path, parts.query, ""))
