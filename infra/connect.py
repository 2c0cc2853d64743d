"""`make connect`: what to enter in each provider's console, or the same done by the provider's API.

    make connect                      print the addresses and settings of each configured provider
    make connect APPLY=1              set them by API, and check them
    make connect APPLY=1 REPLACE=1    and take over what points elsewhere, and remove former webhooks of ours
    make connect PROVIDER=…           one provider only

infra/doctor/place.py tells which system: the local one, or STACK=…. An address may hold a secret token: it is printed
for the person who has to enter it, and only without APPLY.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping

from infra.doctor.line import Line, lines_of, summary
from infra.doctor.place import Place, PlaceFailed, find
from ventana.providers import PROVIDERS, connecting_named
from ventana.providers.base import Connecting
from ventana.providers.connecting import lacks
from ventana.secrets import ProviderSecrets


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Print the settings, or set them; exit status 1 where that did not work."""
    wanted = environment.get("PROVIDER", "")
    if wanted and wanted not in PROVIDERS:
        print(f"make connect: there is no provider {wanted}: use one of {', '.join(PROVIDERS)}", file=sys.stderr)
        return 1
    try:
        place = find(environment)
    except PlaceFailed as error:
        print(f"make connect: {error}", file=sys.stderr)
        return 1
    names = [wanted] if wanted else list(PROVIDERS)
    if not _is_set(environment, "APPLY"):
        for name in names:
            _show(place, name)
        print("To have all this set by the providers' APIs: make connect APPLY=1")
        return 0
    lines = []
    for line in (line for name in names for line in _apply(place, name, _is_set(environment, "REPLACE"))):
        lines.append(line)
        print(line, flush=True)
    print(f"\n{summary(lines)}")
    return int(any(line.level == "problem" for line in lines))


def _show(place: Place, name: str) -> None:
    found = _connecting(place, name)
    if isinstance(found, Line):
        print(f"{found}\n")
        return
    connecting, secrets = found
    print(name)
    if lack := lacks(secrets, connecting.NEEDED):
        print("\n".join(f"  {line}" for line in lines_of(name, [lack])))
    step, where = 0, ""
    for setting in connecting.settings(place.origin, secrets):
        if setting.where != where:
            step, where = step + 1, setting.where
            print(f"  {step}. {where}")
        print(f"     {setting.name}\n         {setting.value}")
    print()


def _apply(place: Place, name: str, replace: bool) -> Iterator[Line]:
    found = _connecting(place, name)
    if isinstance(found, Line):
        yield found
        return
    connecting, secrets = found
    findings = connecting.connect(place.origin, secrets, place.providers, replace)
    done = lines_of(
        name, (dataclasses.replace(each, level="problem") if each.about == "reach" else each for each in findings)
    )
    yield from done
    said = {line.what for line in done if line.level != "ok"}
    checked = lines_of(name, connecting.check(place.origin, secrets, place.providers))
    yield from (line for line in checked if line.what not in said)


def _connecting(place: Place, name: str) -> tuple[Connecting, ProviderSecrets] | Line:
    secrets, connecting = place.secrets[name], connecting_named(name)
    if isinstance(secrets, str):
        return Line("problem", f"{name}: {secrets}")
    if connecting is None:
        return Line("ok", f"{name}: there is nothing to set")
    lack = lacks(secrets, connecting.NEEDED)
    return lines_of(name, [lack])[0] if lack and lack.about == "secret" else (connecting, secrets)


def _is_set(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "") not in ("", "0", "false", "no")


if __name__ == "__main__":
    sys.exit(main())
