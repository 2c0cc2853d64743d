"""How large the tables are that a part is measured on: from the environment, written as 10k or 1M."""

from __future__ import annotations

import os

UNITS = {"k": 1_000, "M": 1_000_000}


def sizes_of(variable: str, default: str) -> list[int]:
    """The sizes that the variable lists, separated by commas, the smallest first."""
    text = os.environ.get(variable) or default
    try:
        found = sorted({number_of(each) for each in text.replace(" ", "").split(",") if each})
    except ValueError:
        found = []
    if not found or found[0] < 1:
        raise SystemExit(f"{variable} lists sizes such as {default}")
    return found


def number_of(name: str) -> int:
    """What "10k" means. Raises ValueError for what means nothing."""
    unit = UNITS.get(name[-1:], 1)
    return int(name.rstrip("kM")) * unit


def named(size: int) -> str:
    """The size as it is written in tables."""
    for letter, unit in reversed(UNITS.items()):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{letter}"
    return str(size)
