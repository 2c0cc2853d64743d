"""A Chromium to look at the console with: the one that is installed, or Debian's, which root can install."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
ELSEWHERE = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
MISSING = (
    "the console is looked at in a Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM to yours"
)
INSTALL_SECONDS = 600.0


class NoChromium(Exception):
    """There is none, and none could be installed; the message is one line that says what to do."""


def chromium() -> str:
    """Where it is; installed first where it is missing and may be. Raises NoChromium."""
    with (Path(tempfile.gettempdir()) / f"ventana-chromium-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one worker installs, the others wait
        found = _found()
        if found is None and os.getuid() == 0 and shutil.which("apt-get"):
            _install()
            found = _found()
    if found is None:
        raise NoChromium(MISSING)
    return found


def _found() -> str | None:
    given = os.environ.get("CHROMIUM")
    if given:
        return given
    named = (shutil.which(name) for name in NAMES)
    return next(filter(None, named), None) or next((path for path in ELSEWHERE if Path(path).exists()), None)


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"],
    ):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode and "install" in command:
            raise NoChromium(f"{MISSING}; apt-get said: {' '.join(done.stderr.split())[-200:]}")
