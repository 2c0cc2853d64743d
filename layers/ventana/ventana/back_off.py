"""How long to wait before something is tried again: doubling, bounded, and never the same for all who wait."""

from __future__ import annotations

import random


def back_off(attempt: int, first_seconds: int, longest_seconds: int) -> int:
    """Seconds to wait after the `attempt`-th try (from 1): up to first_seconds, doubled with each try, at least one."""
    longest: int = min(first_seconds << (attempt - 1), longest_seconds)
    return max(1, round(longest * random.uniform(0.5, 1)))  # noqa: S311 - jitter
