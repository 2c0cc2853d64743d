"""Waits that template.yaml is generous with, and that a run may shorten: to see in seconds what takes AWS minutes.

LEASE_SECONDS, PROVIDER_TIMEOUT_MS, WINDOW_MARGIN_SECONDS  what functions are told instead of the template's values
VISIBILITY_SECONDS  for how long every queue hides what it has handed out, and what a worker died with
"""

from __future__ import annotations

import os
from collections.abc import Mapping

OF_FUNCTIONS = ("LEASE_SECONDS", "PROVIDER_TIMEOUT_MS", "WINDOW_MARGIN_SECONDS")
OF_QUEUES = "VISIBILITY_SECONDS"


def shortened(declared: Mapping[str, str], given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """A function's environment with the waits of it that are given."""
    return {**declared, **{name: given[name] for name in OF_FUNCTIONS if name in declared and given.get(name)}}


def visibility_seconds(declared: str, given: Mapping[str, str] = os.environ) -> str:
    """A queue's visibility time-out, or the one that is given."""
    return given.get(OF_QUEUES) or declared
