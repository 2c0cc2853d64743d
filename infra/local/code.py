"""Where the code of functions comes from: the sources beside template.yaml, or what `sam build` packed of them.

What was packed runs as on Lambda: its own folder, its layers, what Lambda's runtime brings, and nothing else of this
machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infra.local.state import LocalFailed
from infra.local.template import FunctionSpec

ROOT = Path(__file__).parents[2]
RUNTIME = (
    "awslambdaric",
    "runtime_client",  # the compiled part of it
    "snapshot_restore_py",
    "simplejson",
    "boto3",
    "botocore",
    "s3transfer",
    "jmespath",
    "dateutil",
    "six",
    "urllib3",
)
"""What Lambda's Python brings: its runtime client, AWS's SDK, and what these two need."""


@dataclass(frozen=True)
class Sources:
    """The working copy."""

    isolated = False

    def folder(self, spec: FunctionSpec) -> Path:
        """Where the function's own files are."""
        return ROOT / spec.folder

    def path(self, spec: FunctionSpec) -> Sequence[Path]:
        """Where it finds what it imports, beside what is installed."""
        return ROOT / "layers" / "ventana", ROOT


@dataclass(frozen=True)
class Artefacts:
    """What was built into `built`, packed for this machine; `runtime` is where Lambda's part of it is put together."""

    built: Path
    runtime: Path
    isolated = True

    def prepare(self) -> None:
        """Put Lambda's runtime together. Raises LocalFailed when nothing was built, or the platform has no client."""
        if not (self.built / "template.yaml").is_file():
            raise LocalFailed(f"{self.built} holds nothing that was built: make artefacts does")
        self.runtime.mkdir(parents=True, exist_ok=True)
        for name in RUNTIME:
            found = find_spec(name)
            if found is None or found.origin is None:
                raise LocalFailed(f"artefacts run under AWS's runtime client, and {name} is not installed here")
            origin = Path(found.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            link = self.runtime / source.name
            link.unlink(missing_ok=True)
            link.symlink_to(source)

    def folder(self, spec: FunctionSpec) -> Path:
        """Where the function was unpacked."""
        return (self.built / spec.name).resolve()

    def path(self, spec: FunctionSpec) -> Sequence[Path]:
        """Its layers, and then what the runtime brings, as on Lambda."""
        return *((self.built / layer / "python").resolve() for layer in spec.layers), self.runtime
