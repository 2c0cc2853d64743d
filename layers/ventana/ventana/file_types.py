"""Which content types may be kept: those that were announced, and nothing that runs where somebody opens it."""

from __future__ import annotations

import re

from ventana.errors import Unacceptable

UNKNOWN = "application/octet-stream"
SAYS_NOTHING = frozenset({"", UNKNOWN, "binary/octet-stream", "application/binary", "application/x-download"})
FAMILIES = frozenset({"image", "sound or film"})
"""What a reader's program shows by itself: what is announced as one must be one."""
EITHER = {"audio": "sound or film", "video": "sound or film", "application/ogg": "sound or film"}
"""Voice notes come as video/mp4 or application/ogg as well: these containers hold either."""
NO_TEXT = frozenset({"image", "sticker", "voice", "audio", "video"})
"""Content types of ours that are no text, whatever else they may be, where nobody announced more."""
RUNS = re.compile(
    r"text/html|application/xhtml\+xml|image/svg\+xml|(text|application)/(x-)?(java|ecma)script|application/hta"
    r"|application/(x-)?(msdownload|msdos-program|dosexec|executable|elf|sharedlib|mach-binary|msi|ms-installer)"
    r"|application/vnd\.microsoft\.portable-executable|application/(x-)?(sh|csh|shellscript|bat|powershell)"
    r"|application/(x-)?java-archive|application/vnd\.android\.package-archive"
)
BEGINNINGS = re.compile(
    rb"MZ[^\0]{0,64}\0|\x7fELF|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe"
    rb"|(?i:(\xef\xbb\xbf)?\s*(<!doctype\s+html|<html|<head|<body|<script|<svg))"
)
"""How programs and pages begin, whatever their type is said to be."""
MIME_TYPE = re.compile(r"[a-z0-9][\w.+-]*/[a-z0-9][\w.+-]*", re.ASCII)


def agreed_type(kind: str, announced: str | None, given: str | None) -> str:
    """The type to keep a file under: `given` with it, else `announced` with the message of content type `kind`.

    Raises Unacceptable for what runs, and for what is of another family than was announced.
    """
    wanted, found = bare(announced), bare(given)
    found = "" if found in SAYS_NOTHING else found
    if RUNS.fullmatch(found) or RUNS.fullmatch(wanted):
        raise Unacceptable("the file is a program or a page")
    if found and _differs(kind, wanted, found):
        raise Unacceptable("the file is of another type than was announced")
    return found or wanted or UNKNOWN


def refuse_programs(beginning: bytes) -> None:
    """Raise Unacceptable for a file that begins as a program or a page does."""
    if BEGINNINGS.match(beginning):
        raise Unacceptable("the file is a program or a page")


def bare(mime_type: str | None) -> str:
    """A content type without its parameters (`audio/ogg; codecs=opus`), in lower case; empty where it is none."""
    found = (mime_type or "").partition(";")[0].strip().lower()
    return found if MIME_TYPE.fullmatch(found) else ""


def _differs(kind: str, wanted: str, found: str) -> bool:
    if wanted in SAYS_NOTHING:
        return kind in NO_TEXT and found.startswith("text/")
    return _family(wanted) in FAMILIES and _family(found) != _family(wanted)


def _family(mime_type: str) -> str:
    major = mime_type.partition("/")[0]
    return EITHER.get(mime_type) or EITHER.get(major) or major
