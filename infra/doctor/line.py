"""One line of the report: how it is, in plain words, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ventana.providers.connecting import Finding, Level

SHOWN: dict[Level, str] = {"ok": "ok", "warning": "warn", "problem": "FAIL"}


@dataclass(frozen=True, slots=True)
class Line:
    """What one check found."""

    level: Level
    what: str
    advice: str = ""

    def __str__(self) -> str:
        text = f"{SHOWN[self.level]:<5} {self.what}"
        return f"{text}\n        {self.advice}" if self.advice and self.level != "ok" else text


def lines_of(name: str, findings: Iterable[Finding]) -> list[Line]:
    """What was found about one provider."""
    return [Line(each.level, f"{name}: {each.what}", each.advice) for each in findings]


def summary(lines: Iterable[Line]) -> str:
    """The last line: how much is wrong."""
    levels = [line.level for line in lines]
    problems, warnings = levels.count("problem"), levels.count("warning")
    if not problems and not warnings:
        return "all is well"
    return f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}"


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
