"""The console's files, served as they are: nothing is built, and a page may ask no host but this one and the issuer.

GET /console/{path} answers a file of the folder; /console/config.json how one signs in, which is no secret. The files
hold nothing of anybody's, so whoever asks may have them; what they show comes from /v1, with a token.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ventana.api.answers import problem

ROOT = "/console"
CONFIG = "config.json"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
"""What is served: a file of any other kind is none of the console's."""
PACKED = frozenset(kind for kind in TYPES if kind not in (".png", ".ico", ".woff2"))
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
Event = Mapping[str, Any]


class Console:
    """The files of one folder. `media_origin` says where copies of customers' files are shown from, if anywhere."""

    def __init__(self, folder: Path, local: bool, media_origin: Callable[[], str | None] = lambda: None) -> None:
        self._folder, self._local, self._media_origin = folder, local, media_origin

    def answer(self, event: Event) -> dict[str, Any] | None:
        """The response to one event of the HTTP API; None where it is not about the console."""
        path = str(event["rawPath"])
        if path != ROOT and not path.startswith(f"{ROOT}/"):
            return None
        stage = event.get("stageVariables") or {}
        headers = {**SAFE, "content-security-policy": self._policy(stage)}
        if event["requestContext"]["http"]["method"] not in ("GET", "HEAD"):
            return _refused(headers)
        if path == ROOT:
            return {"statusCode": 308, "headers": {**headers, "location": f"{ROOT}/"}, "body": ""}
        name = unquote(path.removeprefix(f"{ROOT}/")) or "index.html"
        if name == CONFIG:
            content = json.dumps(self._config(stage)).encode()
            return _file(event, headers, ".json", content, f"{sha256(content).hexdigest()[:32]}", None)
        file = self._files.get(name)
        if file is None:
            return _refused(headers)
        content, digest, packed = _read(file, file.stat().st_mtime_ns)
        return _file(event, headers, file.suffix, content, digest, packed)

    @cached_property
    def _files(self) -> dict[str, Path]:
        """What may be asked for, by its path below the folder, looked up once: no path leads anywhere else."""
        found = (file for file in sorted(self._folder.rglob("*")) if file.suffix in TYPES and file.is_file())
        named = {file.relative_to(self._folder).as_posix(): file for file in found}
        return {name: file for name, file in named.items() if not any(part[0] == "." for part in name.split("/"))}

    def _config(self, stage: Mapping[str, str]) -> dict[str, Any]:
        digests = sha256()
        for name, file in self._files.items():
            digests.update(f"{name} {_read(file, file.stat().st_mtime_ns)[1]}\n".encode())
        return {"version": digests.hexdigest()[:12], "local": self._local, "sign_in": self._sign_in(stage)}

    def _sign_in(self, stage: Mapping[str, str]) -> dict[str, Any]:
        if stage.get("ConsoleClientId"):
            return {
                "kind": "oidc",
                "issuer": stage["JwtIssuer"],
                "client_id": stage["ConsoleClientId"],
                "scope": stage["ConsoleScope"].replace(",", " "),  # a stage variable may hold no blanks
                "audience": stage.get("ConsoleAudience") or None,
            }
        return {"kind": "token" if self._local else "none"}

    def _policy(self, stage: Mapping[str, str]) -> str:
        more = {name: [self._media_origin()] for name in ("img-src", "media-src")}
        if stage.get("ConsoleClientId"):
            more["connect-src"] = [_origin(stage["JwtIssuer"]), stage.get("ConsoleTokenOrigin")]
        rules = {name: " ".join([allowed, *filter(None, more.get(name, []))]) for name, allowed in POLICY.items()}
        return "; ".join(f"{name} {allowed}" for name, allowed in rules.items())


@lru_cache(maxsize=256)
def _read(file: Path, changed: int) -> tuple[bytes, str, bytes | None]:
    """A file as it was `changed` last: its content, its digest, and it packed where that makes it smaller."""
    content = file.read_bytes()
    packed = gzip.compress(content, 9, mtime=0) if file.suffix in PACKED else content
    return content, sha256(content).hexdigest()[:32], packed if len(packed) < len(content) else None


def _file(
    event: Event, headers: dict[str, str], suffix: str, content: bytes, digest: str, packed: bytes | None
) -> dict[str, Any]:
    asked = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    headers = {**headers, "content-type": TYPES[suffix], "cache-control": "no-cache", "vary": "accept-encoding"}
    headers["etag"] = f'"{digest}"'
    if packed is not None and _takes_gzip(asked.get("accept-encoding", "")):
        content, headers["etag"], headers["content-encoding"] = packed, f'"{digest}-gzip"', "gzip"
    known = {tag.strip().removeprefix("W/") for tag in asked.get("if-none-match", "").split(",")}
    if known & {headers["etag"], "*"}:
        kept = {name: headers[name] for name in headers if name not in ("content-type", "content-encoding")}
        return {"statusCode": 304, "headers": kept, "body": ""}
    body = base64.b64encode(content).decode()
    return {"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": True}


def _takes_gzip(accepted: str) -> bool:
    for coding in accepted.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _refused(headers: dict[str, str]) -> dict[str, Any]:
    refused = problem(404, "no_such_route", "There is no such route")
    return {"statusCode": 404, "headers": {**headers, "content-type": refused.content_type}, "body": refused.body}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
