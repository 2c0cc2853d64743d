"""Child processes that never outlive the process that started them, whatever ends it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec a child of a threaded process may not import.
LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(how: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """Make a `preexec_fn` that lets the kernel send `how` when the parent is gone, kill -9 included.

    Linux ties this to the *thread* that forks: start children from a thread that lives as long as they shall.
    Python runs it after it has changed user and group, which matters because changing credentials clears it.
    Elsewhere there is no such call, and the parent's orderly end has to do.
    """
    if LIBC is None:
        return None
    prctl, parent, number = LIBC.prctl, os.getpid(), int(how)

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(1)

    return before_exec


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, seconds: float = 5.0) -> None:
    """Ask a child to end, and end it for good if it does not within `seconds`."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
