"""A step's SQL as its statements: without comments, and with everything that is quoted out of sight."""

from __future__ import annotations

import re

PIECES = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
  | (?P<text> [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
  | "(?P<name>[^"]*)"
  | (?P<end> ; )
    """,
    re.DOTALL | re.VERBOSE,
)


def statements(sql: str) -> list[str]:
    """The statements in order, each on one line and in lower case; texts and function bodies are left empty."""

    def plain(piece: re.Match[str]) -> str:
        if piece["comment"]:
            return " "
        if piece["text"]:
            return "''"
        return piece["name"] if piece["name"] is not None else "\0"

    found = (" ".join(statement.split()).lower() for statement in PIECES.sub(plain, sql).split("\0"))
    return [statement for statement in found if statement]


def parts(statement: str) -> list[str]:
    """What commas separate, those in parentheses aside: the actions of an ALTER TABLE, the columns of a list."""
    found, depth = [""], 0
    for character in statement:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return [part.strip() for part in found]
