"""The console's files: who gets them how, what a page may do, and what nobody gets."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ventana.api.console import Console

PAGE = "<!doctype html><title>Ventana</title>" + "<p>¡Hola!</p>" * 50
STAGE = {"JwtIssuer": "https://id.example.com/realm", "ConsoleClientId": "console", "ConsoleScope": "openid,write"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:;"
    " connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A console of a few files, and things beside it that are nobody's business."""
    files = {
        "console/index.html": PAGE,
        "console/js/app.js": "export const answer = 42;\n",
        "console/notes.md": "not served",
        "console/.hidden.js": "not served",
        "console/.git/config.json": "{}",
        "app.py": "not served",
        "secret.txt": "not served",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (tmp_path / "console" / "icon.png").write_bytes(b"\x89PNG" + bytes(500))
    return tmp_path / "console"


def asked(
    console: Console, path: str, method: str = "GET", stage: dict[str, str] | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    event: dict[str, Any] = {
        "rawPath": path,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {"http": {"method": method}},
        **({"stageVariables": stage} if stage else {}),
    }
    found = console.answer(event)
    assert found is not None
    body = base64.b64decode(found["body"]) if found.get("isBase64Encoded") else found["body"].encode()
    return found["statusCode"], found["headers"], body


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/console/", "text/html; charset=utf-8", PAGE.encode()),
        ("/console/index.html", "text/html; charset=utf-8", PAGE.encode()),
        ("/console/js/app.js", "text/javascript; charset=utf-8", b"export const answer = 42;\n"),
        ("/console/js%2Fapp.js", "text/javascript; charset=utf-8", b"export const answer = 42;\n"),
        ("/console/icon.png", "image/png", b"\x89PNG" + bytes(500)),
    ],
)
def test_a_file_is_served_as_it_is(folder: Path, path: str, kind: str, content: bytes) -> None:
    status, headers, body = asked(Console(folder, local=True), path)
    assert (status, body) == (200, content)
    assert headers == {
        "content-type": kind,
        "content-security-policy": POLICY,
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "vary": "accept-encoding",
        "etag": headers["etag"],
    }


def test_the_folder_itself_lies_behind_a_slash(folder: Path) -> None:
    status, headers, body = asked(Console(folder, local=True), "/console")
    assert (status, headers["location"], body) == (308, "/console/", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/console/nothing.js",
        "/console/js",
        "/console/js/",
        "/console/notes.md",
        "/console/.hidden.js",
        "/console/.git/config.json",
        "/console/../app.py",
        "/console/../secret.txt",
        "/console/%2e%2e/secret.txt",
        "/console/js/../index.html",
        "/console//etc/passwd",
        "/console/index.html%00",
    ],
)
def test_nothing_else_is(folder: Path, path: str) -> None:
    status, headers, body = asked(Console(folder, local=True), path)
    assert (status, json.loads(body)["code"]) == (404, "no_such_route")
    assert headers["content-type"] == "application/problem+json"
    assert headers["content-security-policy"] == POLICY


def test_it_is_only_looked_at(folder: Path) -> None:
    console = Console(folder, local=True)
    assert asked(console, "/console/", "HEAD")[0] == 200
    assert asked(console, "/console/", "POST")[0] == 404


@pytest.mark.parametrize("path", ["/v1/me", "/consoles", "/webhooks/meta"])
def test_what_is_not_about_it_is_left_to_others(folder: Path, path: str) -> None:
    event = {"rawPath": path, "requestContext": {"http": {"method": "GET"}}}
    assert Console(folder, local=True).answer(event) is None


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
def test_a_file_is_packed_for_who_takes_it(folder: Path, accepted: str, packed: bool) -> None:
    console = Console(folder, local=True)
    _, headers, body = asked(console, "/console/", accept_encoding=accepted)
    assert (headers.get("content-encoding") == "gzip") == packed
    assert (gzip.decompress(body) if packed else body) == PAGE.encode()
    assert asked(Console(folder, local=True), "/console/", accept_encoding=accepted)[2] == body
    assert "content-encoding" not in asked(console, "/console/icon.png", accept_encoding=accepted)[1]


def test_a_file_that_is_known_is_not_sent_again_until_it_changes(folder: Path) -> None:
    console = Console(folder, local=True)
    plain = asked(console, "/console/")[1]["etag"]
    packed = asked(console, "/console/", accept_encoding="gzip")[1]["etag"]
    assert plain != packed
    for known in (packed, f'"other", W/{packed}', "*"):
        status, headers, body = asked(console, "/console/", accept_encoding="gzip", if_none_match=known)
        assert (status, headers["etag"], body) == (304, packed, b"")
    assert asked(console, "/console/", accept_encoding="gzip", if_none_match=plain)[0] == 200
    before = asked(console, "/console/config.json")[2]
    (folder / "index.html").write_text("changed")
    assert asked(console, "/console/", if_none_match=plain)[2] == b"changed"
    assert json.loads(before)["version"] != json.loads(asked(console, "/console/config.json")[2])["version"]


@pytest.mark.parametrize(
    ("stage", "local", "sign_in"),
    [
        ({}, True, {"kind": "token"}),
        ({}, False, {"kind": "none"}),
        (
            STAGE,
            False,
            {
                "kind": "oidc",
                "issuer": "https://id.example.com/realm",
                "client_id": "console",
                "scope": "openid write",
                "audience": None,
            },
        ),
        (
            {**STAGE, "ConsoleAudience": "https://api.example.com"},
            True,
            {
                "kind": "oidc",
                "issuer": "https://id.example.com/realm",
                "client_id": "console",
                "scope": "openid write",
                "audience": "https://api.example.com",
            },
        ),
    ],
)
def test_it_says_how_one_signs_in(folder: Path, stage: dict[str, str], local: bool, sign_in: dict[str, Any]) -> None:
    status, headers, body = asked(Console(folder, local), "/console/config.json", stage=stage)
    found = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert found == {"version": found["version"], "local": local, "sign_in": sign_in}


def test_a_page_may_ask_the_issuer_and_show_files_from_the_bucket(folder: Path) -> None:
    console = Console(folder, local=False, media_origin=lambda: "https://files.s3.eu-west-1.amazonaws.com")
    stage = {**STAGE, "ConsoleTokenOrigin": "https://shop.auth.eu-west-1.amazoncognito.com"}
    policy = asked(console, "/console/", stage=stage)[1]["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["img-src"] == rules["media-src"] == "'self' blob: https://files.s3.eu-west-1.amazonaws.com"
    assert rules["connect-src"] == ("'self' https://id.example.com https://shop.auth.eu-west-1.amazoncognito.com")
    assert rules["script-src"] == rules["style-src"] == "'self'"
