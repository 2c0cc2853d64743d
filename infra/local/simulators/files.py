"""The files that simulated customers send: a sample of each kind, and each provider's way of handing it out.

A sample is no more than the beginning by which programs know its kind; a PNG is one that can be looked at. A file that
was announced elsewhere, in a webhook that somebody signed by hand, is there as well, as bytes of no known kind.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import uuid4

from infra.local.http_server import Request, Response, json_response

ANY = "application/octet-stream"


def _picture(width: int, height: int) -> bytes:
    """A PNG of a window at dusk: panes of a colour that grows warmer towards the ground."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    frame = bytes((52, 46, 60))
    rows = []
    for y in range(height):
        sky = bytes((60 + 180 * y // height, 90 + 60 * y // height, 150 - 50 * y // height))
        bar = y % (height // 2) < 8 or y > height - 8
        rows.append(
            b"\0" + b"".join(frame if bar or x % (width // 3) < 8 or x > width - 8 else sky for x in range(width))
        )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows), 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


SAMPLES: Mapping[str, bytes] = {
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01" + bytes(64) + b"\xff\xd9",
    "image/png": _picture(240, 160),
    "image/webp": b"RIFF\x40\x00\x00\x00WEBPVP8 " + bytes(52),
    "audio/ogg": b"OggS\x00\x02" + bytes(22) + b"OpusHead" + bytes(64),
    "video/mp4": b"\x00\x00\x00\x18ftypmp42" + bytes(64),
    "application/pdf": b"%PDF-1.4\n% a sample\n%%EOF\n",
}
KINDS: Mapping[str, str] = {
    "image": "image/jpeg",
    "sticker": "image/webp",
    "audio": "audio/ogg; codecs=opus",
    "voice": "audio/ogg; codecs=opus",
    "video": "video/mp4",
    "document": "application/pdf",
}
"""What a file of each of Meta's message types is, unless it is said."""


def sample(mime_type: str) -> bytes:
    """A file of this type; some bytes where there is no sample of it."""
    return SAMPLES.get(mime_type.partition(";")[0].strip().lower(), b"a file of a simulated customer\n")


def handed_out(mime_type: str) -> Response:
    """The file itself."""
    return Response(200, sample(mime_type), {"content-type": mime_type})


class MetaFiles:
    """Files behind ids: an id gives an address for five minutes, the address gives the file."""

    PATH = "/whatsapp_business/attachments/"

    def __init__(self) -> None:
        self._types: dict[str, str] = {}

    def completed(self, message: dict[str, Any]) -> dict[str, Any]:
        """A customer's message with what Meta tells of its file, where the order did not tell it itself."""
        kind = str(message.get("type"))
        if kind not in KINDS or not isinstance(message.get(kind), dict):
            return message
        file = {"mime_type": KINDS[kind], "id": str(uuid4().int)[:15], **message[kind]}
        digest = base64.b64encode(sha256(sample(file["mime_type"])).digest()).decode()
        self._types[str(file["id"])] = str(file["mime_type"])
        return {**message, kind: {"sha256": digest, **file}}

    def described(self, file_id: str) -> Response:
        """The answer to the question where a file is."""
        known = self._types.get(file_id, ANY)
        content = sample(known)
        told = {"mime_type": known, "sha256": sha256(content).hexdigest()} if file_id in self._types else {}
        url = f"https://lookaside.fbsbx.com{self.PATH}?mid={file_id}"
        answer = {"messaging_product": "whatsapp", "id": file_id, "url": url, "file_size": len(content), **told}
        return json_response(200, answer)

    def answer(self, request: Request) -> Response:
        """The file at an address that was given out."""
        return handed_out(self._types.get(request.query.partition("mid=")[2], ANY))


class TwilioFiles:
    """Files behind addresses of the API, which redirect to a store that wants no credentials."""

    PATH = "/twilio-store/"

    def __init__(self, account_sid: str) -> None:
        self._account = account_sid
        self._types: dict[str, str] = {}

    def completed(self, form: dict[str, str]) -> dict[str, str]:
        """A webhook's parameters with an address for each of its files that has none."""
        count = form.get("NumMedia", "0")
        for index in range(int(count) if count.isdigit() else 0):
            sid = f"ME{uuid4().hex}"
            url = (
                f"https://api.twilio.com/2010-04-01/Accounts/{self._account}/Messages/{form['MessageSid']}/Media/{sid}"
            )
            form = {f"MediaContentType{index}": "image/jpeg", f"MediaUrl{index}": url, **form}
            self._types[form[f"MediaUrl{index}"].rpartition("/")[2]] = form[f"MediaContentType{index}"]
        return form

    def redirected(self, sid: str) -> Response:
        """Where the store has it."""
        return Response(307, b"", {"location": f"https://media.twiliocdn.com{self.PATH}{sid}?signed=yes"})

    def answer(self, request: Request) -> Response:
        """The store's answer; two kinds of credentials at once, the address being one, are refused as S3 does."""
        if request.header("authorization"):
            return Response(400, b"<Error><Code>InvalidArgument</Code></Error>", {"content-type": "application/xml"})
        return handed_out(self._types.get(request.path.removeprefix(self.PATH), ANY))
