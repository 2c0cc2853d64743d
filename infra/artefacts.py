"""How large what `sam build` packed is, one line each, against what Lambda takes and what we let it grow to.

    python -m infra.artefacts FOLDER

Ends with 1 where something is larger than its limit. Writes `.local/artefacts.json` for the cost model.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.template import Template

ROOT = Path(__file__).parents[1]
RESULT = ROOT / ".local" / "artefacts.json"
MB = 1_000_000
FUNCTION_LIMIT = 100_000
"""Zipped bytes of a function's own folder: what it imports is in the layers."""
CONSOLE_LIMIT = 200_000
"""The same with the console's files in it."""
LAYER_LIMITS = {"VentanaLayer": 12 * MB, "TwilioLayer": 3 * MB}
"""Zipped bytes of a layer. Lambda reads them at a cold start."""
LAMBDA_UNZIPPED = 250 * MB
"""What Lambda takes of a function and its layers together."""


@dataclass(frozen=True)
class Size:
    """One folder, in bytes."""

    name: str
    files: int
    unzipped: int
    zipped: int
    limit: int


def measured(built: Path, name: str, limit: int) -> Size:
    """The size of a folder, and of the archive that would be uploaded of it."""
    files = sorted(path for path in (built / name).rglob("*") if path.is_file())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(built / name))
    return Size(name, len(files), sum(path.stat().st_size for path in files), packed.tell(), limit)


def main(folder: str) -> int:
    """Print the table; 1 where a limit is broken."""
    built = Path(folder)
    template = Template.read(ROOT / "template.yaml", {"EchoBot": "true"})
    functions = [name for name, _ in template.of_type("AWS::Serverless::Function")]
    sizes = {name: measured(built, name, CONSOLE_LIMIT if name == "Api" else FUNCTION_LIMIT) for name in functions}
    sizes |= {name: measured(built, name, limit) for name, limit in LAYER_LIMITS.items()}
    _say(f"{'artefact':<16}{'files':>7}{'unzipped':>12}{'zipped':>12}{'limit':>12}")
    for size in sizes.values():
        _say(f"{size.name:<16}{size.files:>7}{size.unzipped:>12,}{size.zipped:>12,}{size.limit:>12,}")
    broken = [f"{size.name} is larger than {size.limit:,} bytes" for size in sizes.values() if size.zipped > size.limit]
    layers = sum(sizes[name].unzipped for name in LAYER_LIMITS)
    most = max(sizes[name].unzipped for name in functions) + layers
    _say(f"the largest function with all layers: {most:,} bytes unzipped, of {LAMBDA_UNZIPPED:,} that Lambda takes")
    if most > LAMBDA_UNZIPPED:
        broken.append("Lambda would refuse the largest function")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"artefacts": [asdict(size) for size in sizes.values()]}, indent=2) + "\n")
    for line in broken:
        print(line, file=sys.stderr)  # noqa: T201 - a command's own words
    return 1 if broken else 0


def _say(line: str) -> None:
    print(line)  # noqa: T201 - a command's own words


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
