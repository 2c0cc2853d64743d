"""`make doctor`: checks a running system from end to end; exit status 1 where something is wrong.

place.py tells which system. Everything it does can be done to a system in use: its webhooks store nothing.
"""

from __future__ import annotations

import sys

from infra.doctor.checks import examine
from infra.doctor.line import Line, summary
from infra.doctor.place import PlaceFailed, find


def main() -> int:
    """Print a line for each check."""
    try:
        place = find()
    except PlaceFailed as error:
        print(f"make doctor: {error}", file=sys.stderr)
        return 1
    print(f"{place.name}\n")
    lines: list[Line] = []
    for line in examine(place):
        lines.append(line)
        print(line, flush=True)
    print(f"\n{summary(lines)}")
    return int(any(line.level == "problem" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
