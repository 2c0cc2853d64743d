"""The transport for files: public addresses only, and no server can make it wait or read for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from ventana import public_network
from ventana.errors import Unacceptable, Unavailable
from ventana.http import HttpRequest, Streaming, streaming
from ventana.public_network import is_public

Answer = Callable[[socket.socket], None]


@contextmanager
def serving(answer: Answer, connections: int = 1) -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that treats each request as `answer` says; its URL, and what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def serve() -> None:
        for _ in range(connections):
            connection, _ = listener.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
                    data += more
                asked.append(data)
                with suppress(OSError):  # the client had enough
                    answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


def raw(data: bytes) -> Answer:
    return lambda connection: connection.sendall(data)


def impatient(url: str | None) -> Streaming:
    return streaming(url, connect_seconds=0.5, read_seconds=0.3, whole_seconds=0.5)


def read(stream: Streaming, url: str = "https://files.example.com/a/b?c=%2B") -> bytes:
    with stream(HttpRequest("GET", url, {"authorization": "Bearer t"})) as reply:
        return b"".join(reply.chunks)


def test_a_file_comes_in_pieces_with_its_headers() -> None:
    body = bytes(range(256)) * 1000
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(body)
    with (
        serving(raw(head + body)) as (url, asked),
        impatient(url)(HttpRequest("GET", "https://files.example.com/a/b?c=%2B", {"authorization": "Bearer t"})) as got,
    ):
        assert (got.status, got.headers["content-type"]) == (200, "image/png")
        pieces = list(got.chunks)
    assert b"".join(pieces) == body
    assert len(pieces) > 1
    assert asked[0].startswith(b"GET /a/b?c=%2B HTTP/1.1\r\n")
    assert b"authorization: Bearer t" in asked[0]


def test_a_chunked_file_comes_whole() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with serving(raw(answer)) as (url, _):
        assert read(impatient(url)) == b"abcde"


def test_an_encoded_file_is_not_unpacked() -> None:
    """A few bytes can unpack to gigabytes."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    with serving(raw(answer)) as (url, _):
        assert read(impatient(url)) == b"abc"


def test_a_redirection_is_not_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with (
        serving(raw(answer)) as (url, _),
        impatient(url)(HttpRequest("GET", "https://files.example.com/")) as reply,
    ):
        assert (reply.status, reply.headers["location"]) == (302, "http://127.0.0.1:9/")


def hang(connection: socket.socket) -> None:
    connection.settimeout(5)
    connection.recv(1)


def begin_and_hang(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    hang(connection)


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b".")
        time.sleep(0.05)


def drip_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"1\r\n.\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "answer",
    [
        hang,
        begin_and_hang,
        drip,
        drip_chunks,
        raw(b""),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
        raw(b"no HTTP at all\r\n\r\n"),
    ],
)
def test_a_server_that_does_not_deliver_is_given_up(answer: Answer) -> None:
    started = time.monotonic()
    with serving(answer) as (url, _), pytest.raises(Unavailable):
        read(impatient(url))
    assert time.monotonic() - started < 6


def test_a_reader_that_had_enough_ends_the_connection() -> None:
    sent = []

    def pour(connection: socket.socket) -> None:
        connection.settimeout(5)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10_000):
            sent.append(connection.send(bytes(65536)))

    with serving(pour) as (url, _), impatient(url)(HttpRequest("GET", "https://files.example.com/")) as reply:
        next(reply.chunks)
    assert sum(sent) < 100 * 1024 * 1024


def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(Unavailable):
        read(impatient(url))


# ---- without a simulator ----


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "2001:db8::1",
    ],
)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "31.13.66.51", "2a03:2880:f003::1", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433"])
def test_a_host_inside_is_refused_before_anything_is_sent(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(Unacceptable, match="not public"):
            read(impatient(None), f"https://{host}:{listener.getsockname()[1]}/")
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr("ventana.public_network.socket.getaddrinfo", getaddrinfo)


def test_a_name_of_which_one_address_is_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(Unacceptable, match="not public"):
        read(impatient(None))


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = []

    class Refused(socket.socket):
        def connect(self, address: Any) -> None:
            connected.append(address)
            raise ConnectionRefusedError

    resolving_to(monkeypatch, "8.8.8.8", "8.8.4.4")
    monkeypatch.setattr("ventana.public_network.socket.socket", Refused)
    with pytest.raises(Unavailable):
        read(impatient(None))
    assert connected == [("8.8.8.8", 443), ("8.8.4.4", 443)]


def test_plain_http_is_no_scheme_for_files() -> None:
    with pytest.raises(Unacceptable):
        read(impatient(None), "http://files.example.com/")


def test_a_name_that_nobody_knows_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: Any, **options: Any) -> list[Any]:
        raise socket.gaierror("no such name")

    monkeypatch.setattr("ventana.public_network.socket.getaddrinfo", unknown)
    with pytest.raises(Unavailable):
        read(impatient(None))


def test_a_server_without_a_valid_certificate_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_network, "is_public", lambda address: True)
    with serving(raw(b"no TLS")) as (url, _), pytest.raises(Unavailable):
        read(impatient(None), url.replace("http:", "https:"))
