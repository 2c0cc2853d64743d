"""Calls a function of a running `make run` with an event, as the AWS console does, and prints what it answers.

python -m infra.local.invoke Reconcile '{"grace_seconds": 0}'
"""

from __future__ import annotations

import json
import os
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 900.0
"""Longer than any function may run."""


def main() -> int:
    """Invoke; 0 when the function answered, or 1 after one line on stderr that says what to do."""
    name, event = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "{}"
    runtime = Path(os.environ.get("VENTANA_STATE") or ROOT / ".local") / "runtime.json"
    try:
        status, answer = _invoke(json.loads(runtime.read_text())["simulator_url"], name, event)
    except (OSError, HTTPException) as error:
        print(f"{name}: no system runs here ({type(error).__name__}): start one with `make run`", file=sys.stderr)
        return 1
    if status != 200:
        print(f"{name}: {answer}", file=sys.stderr)
        return 1
    print(json.dumps(json.loads(answer), indent=2))
    return 0


def _invoke(simulator_url: str, name: str, event: str) -> tuple[int, str]:
    parts = urlsplit(simulator_url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", f"/invoke/{name}", event.encode())
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
