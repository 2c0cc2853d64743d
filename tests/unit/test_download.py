"""Downloads: whom they may meet, what they show to whom, how much they take, and what they refuse to keep."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from ventana.download import MAX_REDIRECTIONS, Downloaded, download
from ventana.errors import FetchError, Unacceptable, Unavailable
from ventana.http import HttpRequest, HttpStream
from ventana.providers.fetching import MB, MediaSource

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SECRET = {"authorization": "Bearer secret"}
SOURCE = MediaSource(
    "https://api.example.com/file/1",
    hosts=("api.example.com", "*.cdn.example.com"),
    trusted=("api.example.com",),
    credentials=SECRET,
)


@dataclass
class Web:
    """Hosts that answer as told, by address; every request is kept."""

    pages: dict[str, tuple[int, dict[str, str], list[bytes]]] = field(default_factory=dict)
    requests: list[HttpRequest] = field(default_factory=list)
    read: int = 0

    @contextmanager
    def __call__(self, request: HttpRequest) -> Iterator[HttpStream]:
        self.requests.append(request)
        status, headers, body = self.pages[request.url]
        yield HttpStream(status, headers, self._counted(body))

    def _counted(self, body: list[bytes]) -> Iterator[bytes]:
        for chunk in body:
            self.read += len(chunk)
            yield chunk

    def holding(self, body: bytes, status: int = 200, url: str = SOURCE.url, **headers: str) -> Web:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[url] = status, {"content-type": "image/png", **named}, [body]
        return self

    def redirecting(self, start: str, to: str, status: int = 307) -> Web:
        self.pages[start] = status, {"location": to}, [b"elsewhere"]
        return self

    def shown(self) -> list[tuple[str, bool]]:
        """Who was asked, and whether with credentials."""
        return [(request.url, "authorization" in request.headers) for request in self.requests]


def fetched(web: Web, source: MediaSource = SOURCE, kind: str = "image", most: int = MB) -> tuple[Downloaded, bytes]:
    into = io.BytesIO()
    return download(source, kind, most, into, web), into.read()


def changed(**changes: object) -> MediaSource:
    return MediaSource(**{**{name: getattr(SOURCE, name) for name in SOURCE.__slots__}, **changes})


def test_a_file_comes_whole_with_its_type() -> None:
    web = Web().holding(PNG)
    assert fetched(web) == (Downloaded("image/png", len(PNG)), PNG)
    assert web.shown() == [(SOURCE.url, True)]
    assert web.requests[0].headers["accept-encoding"] == "identity"


def test_nothing_shows_the_address_or_the_credentials() -> None:
    assert "secret" not in repr(SOURCE)
    assert "file/1" not in repr(SOURCE)


# ---- whom it may meet ----


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/file",
        "ftp://api.example.com/file",
        "file:///etc/passwd",
        "//api.example.com/file",
        "https://",
        "",
        "https://api.example.com:8443/file",
        "https://evil.example.org/file",
        "https://api.example.com.evil.org/file",
        "https://evilcdn.example.com/file",
        "https://cdn.example.com/file",
        "https://user@api.example.com/file",
        "https://api.example.com@evil.org/file",
        "https://evil.org\\@api.example.com/file",
        "https://evil.org#@api.example.com/file",
        "https://evil.org?.cdn.example.com/",
        "https://evil.org/.cdn.example.com",
        "https://api.example.com\n.evil.org/",
        "https://[::1]/file",
        "https://127.0.0.1/file",
        "https://2130706433/file",
        "https://api.example.com./file",
        "https://аpi.example.com/file",  # noqa: RUF001 - a Cyrillic a
    ],
)
def test_an_address_that_is_not_the_providers_is_never_asked(url: str) -> None:
    web = Web()
    with pytest.raises(Unacceptable) as caught:
        fetched(web, changed(url=url))
    assert web.requests == []
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://API.example.com/file", "https://API.example.com/file"),
        ("https://api.example.com:443/file", "https://api.example.com:443/file"),
        ("https://a.b.cdn.example.com/file?x=%2F&y", "https://a.b.cdn.example.com/file?x=%2F&y"),
        ("https://api.example.com/el recibo ñ.pdf#page", "https://api.example.com/el%20recibo%20%C3%B1.pdf"),
        ("https://api.example.com/a\\..\\b", "https://api.example.com/a%5C..%5Cb"),
    ],
)
def test_an_address_of_the_provider_is_asked(url: str, asked: str) -> None:
    web = Web().holding(PNG, url=asked)
    fetched(web, changed(url=url))
    assert [request.url for request in web.requests] == [asked]


# ---- credentials and redirections ----


def test_credentials_do_not_follow_a_redirection_to_another_host() -> None:
    web = Web().redirecting(SOURCE.url, "https://x.cdn.example.com/1").holding(PNG, url="https://x.cdn.example.com/1")
    assert fetched(web)[1] == PNG
    assert web.shown() == [(SOURCE.url, True), ("https://x.cdn.example.com/1", False)]


def test_credentials_that_were_dropped_do_not_come_back() -> None:
    away, back = "https://x.cdn.example.com/1", "https://api.example.com/anything"
    web = Web().redirecting(SOURCE.url, away).redirecting(away, back).holding(PNG, url=back)
    fetched(web)
    assert web.shown() == [(SOURCE.url, True), (away, False), (back, False)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_stay_on_their_host(status: int) -> None:
    web = Web().redirecting(SOURCE.url, "/file/2?x=1", status).holding(PNG, url="https://api.example.com/file/2?x=1")
    fetched(web)
    assert web.shown()[1] == ("https://api.example.com/file/2?x=1", True)


def test_credentials_are_not_shown_to_a_host_that_is_not_trusted() -> None:
    url = "https://x.cdn.example.com/1"
    web = Web().holding(PNG, url=url)
    fetched(web, changed(url=url))
    assert web.shown() == [(url, False)]


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.org/1",
        "http://api.example.com/1",
        "http://169.254.169.254/latest/meta-data",
        "//evil.org/1",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_redirection_leads_nowhere_else(target: str) -> None:
    web = Web().redirecting(SOURCE.url, target)
    with pytest.raises(Unacceptable):
        fetched(web)
    assert {request.url for request in web.requests} == {SOURCE.url}


def test_redirections_come_to_an_end() -> None:
    web = Web()
    for number in range(10):
        web.redirecting(f"https://api.example.com/file/{number}", f"https://api.example.com/file/{number + 1}")
    with pytest.raises(Unacceptable, match="redirects too often"):
        fetched(web)
    assert len(web.requests) == MAX_REDIRECTIONS + 1


# ---- how much ----


def test_a_file_that_says_it_is_too_large_is_not_read() -> None:
    web = Web().holding(bytes(11), content_length="11")
    with pytest.raises(Unacceptable, match="larger than 10 bytes"):
        fetched(web, most=10)
    assert web.read == 0


def test_a_file_that_says_nothing_is_read_no_further_than_allowed() -> None:
    web = Web()
    web.pages[SOURCE.url] = 200, {"content-type": "image/png"}, [bytes(6)] * 1000
    with pytest.raises(Unacceptable, match="larger than 10 bytes"):
        fetched(web, most=10)
    assert web.read == 12


def test_the_smaller_limit_counts() -> None:
    source = changed(limits={"image": 5})
    with pytest.raises(Unacceptable, match="larger than 5 bytes"):
        fetched(Web().holding(PNG), source)
    assert fetched(Web().holding(PNG), source, kind="file")[0].size == len(PNG)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [("image", 5 * MB), ("sticker", 500 * 1024), ("voice", 16 * MB), ("video", 16 * MB), ("file", 100 * MB)],
)
def test_whatsapps_own_limits(kind: str, limit: int) -> None:
    with pytest.raises(Unacceptable, match=f"larger than {limit} bytes"):
        fetched(Web().holding(PNG, content_length=str(limit + 1)), kind=kind, most=1000 * MB)


# ---- what ----


@pytest.mark.parametrize(
    ("kind", "announced", "given", "kept"),
    [
        ("image", "image/jpeg", "image/png", "image/png"),
        ("image", "image/jpeg", None, "image/jpeg"),
        ("image", "image/jpeg", "binary/octet-stream", "image/jpeg"),
        ("image", None, None, "application/octet-stream"),
        ("voice", "audio/ogg; codecs=opus", "audio/ogg", "audio/ogg"),
        ("voice", "audio/ogg", "application/ogg", "application/ogg"),
        ("voice", "audio/mp4", "Video/MP4; x=y", "video/mp4"),
        ("sticker", None, "video/webm", "video/webm"),
        ("file", "application/pdf", "application/octet-stream", "application/pdf"),
        ("file", "application/pdf", "application/zip", "application/zip"),
        ("file", "text/csv", "text/plain", "text/plain"),
        ("file", None, "not a type\r\nx: y", "application/octet-stream"),
        ("image", "image/jpeg", "text/html", None),
        ("image", "image/jpeg", "application/json", None),
        ("image", "image/jpeg", "video/mp4", None),
        ("voice", "audio/ogg", "image/png", None),
        ("image", None, "text/plain", None),
        ("file", "application/pdf", "text/html; charset=utf-8", None),
        ("file", "text/html", None, None),
        ("image", "image/svg+xml", "image/svg+xml", None),
        ("file", "application/x-msdownload", None, None),
        ("file", "application/pdf", "application/vnd.microsoft.portable-executable", None),
        ("file", None, "application/javascript", None),
    ],
)
def test_the_type_is_the_one_that_was_announced_and_runs_nowhere(
    kind: str, announced: str | None, given: str | None, kept: str | None
) -> None:
    web = Web()
    web.pages[SOURCE.url] = 200, {"content-type": given} if given else {}, [b"content"]
    source = changed(mime_type=announced)
    if kept:
        assert fetched(web, source, kind)[0].content_type == kept
        return
    with pytest.raises(Unacceptable):
        fetched(web, source, kind)


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html>",
        b"\xef\xbb\xbf\n <HTML>",
        b"<script>alert(1)</script>",
        b"<svg onload=x>",
        b"MZ\x90\x00\x03",
        b"\x7fELF\x02\x01",
        b"\xcf\xfa\xed\xfe\x0c",
    ],
)
def test_a_page_or_program_is_known_by_its_beginning(content: bytes) -> None:
    with pytest.raises(Unacceptable, match="a program or a page"):
        fetched(Web().holding(content, content_type="application/pdf"), kind="file")


@pytest.mark.parametrize("content", [b"MZ;size;colour\n1;2;3\n", b"a text about <html>", b"%PDF-1.7"])
def test_other_files_are_not_taken_for_one(content: bytes) -> None:
    assert fetched(Web().holding(content, content_type="text/plain"), kind="file")[1] == content


def test_a_file_with_another_hash_is_not_kept() -> None:
    right = hashlib.sha256(PNG).hexdigest()
    assert fetched(Web().holding(PNG), changed(digests=frozenset({right, "0" * 64})))
    with pytest.raises(Unacceptable, match="SHA-256"):
        fetched(Web().holding(PNG + b"!"), changed(digests=frozenset({right})))


@pytest.mark.parametrize(
    ("status", "final", "error"),
    [
        (500, True, Unavailable),
        (503, True, Unavailable),
        (429, True, Unavailable),
        (408, True, Unavailable),
        (401, True, Unavailable),
        (404, False, Unavailable),
        (404, True, Unacceptable),
        (403, False, Unacceptable),
        (206, True, Unacceptable),
        (304, True, Unacceptable),
    ],
)
def test_a_host_that_gives_no_file(status: int, final: bool, error: type[FetchError]) -> None:
    with pytest.raises(error, match=str(status)):
        fetched(Web().holding(b"sorry", status), changed(missing_is_final=final))


def test_an_empty_file_may_be_there_later() -> None:
    with pytest.raises(Unavailable, match="empty"):
        fetched(Web().holding(b""))


def test_an_encoding_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(Unacceptable, match="encoding"):
        fetched(Web().holding(PNG, content_encoding="gzip"))
