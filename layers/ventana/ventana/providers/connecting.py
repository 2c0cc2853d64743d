"""What it takes to connect an account at a provider to us: settings to enter there, findings, and calls that prove it.

A finding never holds a secret, a token, a phone number, or an address with a token in it: it ends on terminals, in logs
and in CloudFormation's events. A setting may: it is printed only for whoever has to enter it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from ventana.errors import Unavailable
from ventana.http import HttpRequest
from ventana.secrets import ProviderSecrets

Level: TypeAlias = Literal["ok", "warning", "problem"]
About: TypeAlias = Literal["secret", "credentials", "account", "webhook", "reach", "database"]
KEYS = "the keys are in layers/ventana/ventana/secrets.py"
SET_IT = "set it with make connect APPLY=1"
TAKE_OVER = "if it shall come here, take it over with make connect APPLY=1 REPLACE=1"


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the provider's console: where it is, what it is called there, and what belongs into it."""

    where: str
    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is well, may become a problem, or is one; `advice` says what to do about it.

    `about` tells what it depends on: "secret" (nothing is configured), "credentials" (what our secret holds, and what
    it may do), "account" (the numbers there), "webhook" (what was set there), "reach" (nobody answered just now), and
    "database" (which is ours, and looked at beside them).
    """

    level: Level
    what: str
    advice: str = ""
    about: About = "webhook"


@dataclass(frozen=True, slots=True)
class Probe:
    """A call through our public address that stores nothing, and how it has to be answered."""

    what: str
    request: HttpRequest
    status: int
    body: bytes | None = None


def collected(findings: Iterable[Finding]) -> list[Finding]:
    """Every finding up to the end, or up to where the provider could not be reached."""
    found: list[Finding] = []
    try:
        for finding in findings:
            found.append(finding)
    except Unavailable as error:
        found.append(Finding("warning", f"could not be asked just now: {error}", "try again later", "reach"))
    return found


def lacks(secrets: ProviderSecrets, needed: Sequence[str]) -> Finding | None:
    """What is to say of a secret that is empty, or in which something that is needed has no value."""
    missing = [name for name in needed if not secrets.optional(name)]
    if len(missing) == len(needed):
        return Finding("warning", "not configured: its secret is empty", f"fill the secret; {KEYS}", "secret")
    if missing:
        what = f"the secret has no value for {', '.join(missing)}"
        return Finding("problem", what, f"add it to the secret; {KEYS}", "credentials")
    return None


def live_values(name: str, accepted: Sequence[bool], hint: str = "") -> Iterator[Finding]:
    """What is to say of the values of `name`, of which the provider accepted these. The first one is used for calls.

    `hint` is what else may be wrong where it accepted none.
    """
    for place, fine in enumerate(accepted, 1):
        said = f"value {place} of {name}" if len(accepted) > 1 else f"the value of {name}"
        if fine:
            yield Finding("ok", f"{said} is accepted", about="credentials")
        elif place > 1:
            yield Finding("warning", f"{said} is not accepted", "take it out of the secret", "credentials")
        elif any(accepted):
            better = accepted.index(True) + 1
            yield Finding("problem", f"{said} is not accepted", f"put value {better}, which is, first", "credentials")
        else:
            advice = f"put one that is valid into the secret, as the first value{hint}"
            yield Finding("problem", f"{said} is not accepted", advice, "credentials")


def points_to(url: str, wanted: str) -> bool:
    """Whether an address at the provider is this one of ours, whatever options stand behind it."""
    return url.partition("#")[0].rstrip("/") == wanted.partition("#")[0].rstrip("/")


def is_ours(url: str, origin: str) -> bool:
    """Whether an address lies below our origin."""
    return url == origin or url.startswith(f"{origin}/")


def host_of(url: str) -> str:
    """All that may be told of an address: a path may hold a token."""
    try:
        return urlsplit(url).hostname or "an address without host"
    except ValueError:
        return "an unreadable address"
