"""`make connect` and `make doctor` as processes of their own, beside a running system."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.local.running import ROOT, Running, environment

PATIENCE_SECONDS = 120


def run(program: str, state: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `infra.doctor` or `infra.connect`."""
    given = environment(VENTANA_STATE=str(state), PYTHONPATH=str(ROOT / "layers/ventana"), **more)
    command = [sys.executable, "-m", program]
    return subprocess.run(
        command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def change(system: Running, provider: str, **order: Any) -> dict[str, Any]:
    """Change our account at a simulated provider."""
    status, answer = system.simulators.call("POST", "/account", {"provider": provider, **order})
    assert status == 200, answer
    return dict(answer["accounts"][provider])


def misled(system: Running, folder: Path, **identity: str) -> Path:
    """A state directory that tells of the same system and holds other secrets than it does."""
    folder.mkdir()
    shutil.copy(system.state / "runtime.json", folder)
    kept = json.loads((system.state / "identity.json").read_text())
    (folder / "identity.json").write_text(json.dumps({**kept, **identity}))
    return folder


def secrets_of(system: Running) -> list[str]:
    """What may be on no terminal, in no log."""
    kept = json.loads((system.state / "identity.json").read_text())
    return [value for name, value in kept.items() if "token" in name or "secret" in name]
