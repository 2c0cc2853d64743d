"""Reading what a provider sent without trusting any of it: nothing here raises for a value it did not expect.

Values are taken as JSON or a form gives them; what has the wrong shape counts as absent. The exception is
`decoded_json`, which refuses what could not be stored as jsonb.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]

MAX_DEPTH = 64
_EARLIEST, _LATEST = 946_684_800, 4_102_444_800  # the years 2000 to 2100: outside of them it is no time of a message
_PHONE = re.compile(r"\+?([0-9]{3,20})")
_USER_ID = re.compile(r"[A-Z]{2}(?:\.ENT)?\.[A-Za-z0-9]{1,128}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def decoded_json(body: bytes | str) -> Any:
    """Decode JSON. Raises ValueError for what is none, names a value twice, or is nested beyond what is ever sent."""
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass") if isinstance(body, bytes) else body
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # Counting brackets is nearly free, and most payloads have too few of them to be deep.
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    return value


def objects(value: object) -> list[Any]:
    """The elements of a list; none where it is no list."""
    return value if isinstance(value, list) else []


def an_object(value: object) -> Object:
    """The value, if it is an object; an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """A string or number as text; empty for everything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def number(value: object) -> float | None:
    """A finite number, whether it came as number or as text."""
    try:
        result = float(text(value))
    except ValueError:
        return None
    return result if math.isfinite(result) else None


def picked(source: Mapping[str, Any], names: Iterable[str]) -> Object:
    """The entries of these names that are there."""
    return {name: source[name] for name in names if source.get(name) is not None}


def moment(value: object) -> datetime | None:
    """A time in unix seconds, or milliseconds from 13 digits on; None where it is unreadable or absurd."""
    digits = text(value).strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        return None
    seconds = int(digits) / 1000 if len(digits) >= 13 else int(digits)
    return datetime.fromtimestamp(seconds, UTC) if _EARLIEST <= seconds < _LATEST else None


def phone(value: object) -> str | None:
    """An E.164 number with its plus sign, as the provider gave it; None where it is no number."""
    found = _PHONE.fullmatch(text(value))
    return f"+{found[1]}" if found else None


def user_id(value: object) -> str | None:
    """A business-scoped user id (`US.1349…`), told from a phone number by its shape."""
    found = _USER_ID.fullmatch(text(value))
    return found[0] if found else None


def uuid(value: object) -> str | None:
    """A UUID in its canonical form: only such an id can be one of ours."""
    found = _UUID.fullmatch(text(value))
    return found[0].lower() if found else None


def place(location: Mapping[str, Any]) -> str:
    """A location in words: its name and address, or its coordinates."""
    named = ", ".join(part for part in (text(location.get("name")), text(location.get("address"))) if part)
    latitude, longitude = text(location.get("latitude")), text(location.get("longitude"))
    return named or (f"{latitude},{longitude}" if latitude and longitude else "")


def _depth(value: Any) -> int:
    depth, level = 1, [value]
    while level := [
        child
        for parent in level
        if isinstance(parent, dict | list)
        for child in (parent.values() if isinstance(parent, dict) else parent)
    ]:
        depth += 1
    return depth


def _finite(digits: str) -> float | str:
    """1e999 is legal JSON and infinite in Python, which no database would take back."""
    value = float(digits)
    return value if math.isfinite(value) else digits


def _once(pairs: list[tuple[str, Any]]) -> Object:
    """Python keeps the last of two values under one name, and would lose whatever stands in the first."""
    found = dict(pairs)
    if len(found) != len(pairs) and any(found[name] != value for name, value in pairs):
        raise ValueError("a name stands for two values")
    return found


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=str, object_pairs_hook=_once)
