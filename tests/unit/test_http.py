"""The transport against a real server on loopback: what it tells a sender about a call that did not end well."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ventana.errors import Uncertain, Unreachable
from ventana.http import HttpReply, HttpRequest, Transport, paced, transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[socket.socket], None]


class Server:
    """Takes connections one after the other, keeps every request, and treats each as `answers` say, in order."""

    def __init__(self, answers: list[Answer]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Serve until the answers are used up."""
        while self._answers:
            connection, _ = self._listener.accept()
            self.connections += 1
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        while self._answers and (request := _read(connection)):
            self.requests.append(request)
            answer = self._answers.pop(0)
            answer(connection)
            if answer in (hang, drop, cut):
                return

    def close(self) -> None:
        """Free the port."""
        self._listener.close()


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().splitlines() if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(raw: bytes) -> Answer:
    """Answer with these bytes."""
    return lambda connection: connection.sendall(raw)


def hang(connection: socket.socket) -> None:
    """Take the request and say nothing until the caller is gone."""
    connection.settimeout(5)
    connection.recv(1)


def drop(connection: socket.socket) -> None:
    """Take the request and hang up."""


def cut(connection: socket.socket) -> None:
    """Begin an answer and hang up in its middle."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    server = Server(list(answers))
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        thread.join(10)
        server.close()
        assert not thread.is_alive()


@pytest.fixture
def http() -> Transport:
    """The transport of production, less patient."""
    return transport(connect_seconds=1.0, read_seconds=0.3)


def test_a_reply_comes_back_whole_whatever_its_status(http: Transport) -> None:
    with serving(reply(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")) as server:
        assert http(HttpRequest("GET", server.url)) == HttpReply(503, b"busy")


def test_method_path_query_headers_and_body_arrive_as_they_were_given(http: Transport) -> None:
    with serving(reply(OK)) as server:
        url = f"{server.url}/v1/a%2Fb?to=%2B1&x=%20"
        http(HttpRequest("POST", url, {"Authorization": "Bearer t", "Content-Type": "application/json"}, b'{"a":1}'))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"POST /v1/a%2Fb?to=%2B1&x=%20 HTTP/1.1"
    assert b"Authorization: Bearer t" in head
    assert body == b'{"a":1}'


def test_a_redirection_is_not_followed(http: Transport) -> None:
    """A token must not travel to wherever a reply points."""
    with serving(reply(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")) as server:
        assert http(HttpRequest("GET", server.url)).status == 302


def test_nobody_listening_is_unreachable(http: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        http(HttpRequest("POST", f"http://127.0.0.1:{port}/", body=b"x"))
    assert caught.value.retryable


@pytest.mark.parametrize("answer", [hang, drop, cut])
def test_a_lost_answer_is_uncertain_and_the_request_is_not_repeated(http: Transport, answer: Answer) -> None:
    with serving(answer) as server, pytest.raises(Uncertain) as caught:
        http(HttpRequest("POST", server.url, body=b"x"))
    assert not caught.value.retryable
    assert len(server.requests) == 1


def test_the_connection_is_kept_for_the_next_call(http: Transport) -> None:
    with serving(reply(OK), reply(OK)) as server:
        for _ in range(2):
            http(HttpRequest("GET", server.url))
    assert server.connections == 1


def test_a_kept_connection_that_the_provider_closed_is_replaced(http: Transport) -> None:
    hung_up = threading.Event()

    def last_on_this_line(connection: socket.socket) -> None:
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        hung_up.set()

    with serving(last_on_this_line, reply(OK)) as server:
        request = HttpRequest("POST", server.url, body=b"x")
        assert http(request).status == 200
        assert hung_up.wait(10)  # a call that crosses with the hang-up is rightly uncertain
        assert http(request).status == 200
    assert server.connections == 2


@pytest.mark.parametrize("prefix", ["", "/simulators"])
def test_the_simulator_takes_the_place_of_the_origin_and_of_nothing_else(prefix: str) -> None:
    with serving(reply(OK)) as server:
        call = transport(server.url + prefix)
        call(HttpRequest("POST", "https://api.example.com:8443/v1/a%2Fb?to=%2B1#part", body=b"x"))
    line = server.requests[0].splitlines()[0].decode()
    assert line == f"POST {prefix}/v1/a%2Fb?to=%2B1 HTTP/1.1"
    assert f"Host: {server.url.removeprefix('http://')}".encode() in server.requests[0]


def test_a_paced_transport_waits_until_the_next_call_is_free() -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now[0] += seconds

    call = paced(lambda request: HttpReply(200, b""), 4, clock=lambda: now[0], sleep=sleep)
    for pause in (0.0, 0.0, 0.1, 3.0, 0.0):
        now[0] += pause
        call(HttpRequest("GET", "https://example.com/"))
    assert slept == [0.25, 0.15, 0.25]
