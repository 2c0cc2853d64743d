"""What the snapshot of a started function holds, and what must be new in each copy of it (Lambda SnapStart).

A function is started once for a version, and every container continues from a copy of its memory. So whatever is slow
to make is made before, and whatever may not be shared, or grows old, is renewed after: connections, secrets, chance.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html

Elsewhere, where no snapshot is taken, nothing here does anything.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

TAKEN = os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"


def before_snapshot(prepare: Callable[[], object]) -> None:
    """Have `prepare` run once before the snapshot is taken; nothing in it may connect to anything."""
    if TAKEN:
        # The runtime brings it.
        from snapshot_restore_py import register_before_snapshot  # type: ignore[import-untyped]

        register_before_snapshot(prepare)


def after_restore(renew: Callable[[], object]) -> None:
    """Have `renew` run in each copy, before its first event. AWS ends a copy whose hooks take more than 10 s."""
    if TAKEN:
        from snapshot_restore_py import register_after_restore

        register_after_restore(renew)


after_restore(random.seed)  # or all copies would wait equally long before they try again
