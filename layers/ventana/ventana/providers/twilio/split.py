"""Cutting a long text into as many messages as it takes, where a reader would pause and never inside a character.

What a reader takes for one character may be many: an emoji of a family, a flag, a letter with its accents.
"""

from __future__ import annotations

import re
from unicodedata import category, combining

LONGEST = 1600
"""Of one message, counted in UTF-16 units: it is not said what is counted, and no other count gives more."""
LEAST = LONGEST // 2
"""What a message must hold to end before it is full, at the end of a paragraph, a line or a sentence."""

SPACE = r"[^\S\u00a0\u2007\u202f]"  # all white space but the kinds that hold words together
PARAGRAPH = re.compile(r"(?=[^\S\n]*\n\s*\n)")
LINE = re.compile(r"(?=[^\S\n]*\n)")
QUOTE = r"[\"')\]»\u2019\u201d\u300d\u300f\uff09]*"
SENTENCE = re.compile(rf"[.!?…]{QUOTE}(?={SPACE})|[\u3002\uff01\uff1f]{QUOTE}")
WORD = re.compile(rf"(?={SPACE})")
PAUSES = ((PARAGRAPH, LEAST), (LINE, LEAST), (SENTENCE, LEAST), (WORD, 1))

JOINER = "\u200d"
ATTACHED = re.compile(
    "[\u200c\u200d\u0e33\u0eb3\uff9e\uff9f"
    "\u1160-\u11ff\ud7b0-\ud7fb"  # the later parts of a Korean syllable
    "\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"  # skin tones, and the letters in the flags of regions
)
AWAITING = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd]")
SYLLABLE = re.compile("[\u1100-\u115f\ua960-\ua97c][\u1100-\u115f\ua960-\ua97c\uac00-\ud7a3]")
FLAG = re.compile("[\U0001f1e6-\U0001f1ff]+")
PAIR = re.compile("\r\n|[\ud800-\udbff][\udc00-\udfff]")
LETTER_JOINER = 9
"""The combining class of the signs that make one of two letters, in the scripts of India."""


def split(text: str) -> list[str]:
    """The messages that say the text, in order. What is lost is the white space where it was cut."""
    parts, rest = [], text
    while units(rest) > LONGEST:
        end = _cut(rest)
        parts.append(rest[:end].rstrip())
        rest = rest[_next_word(rest, end) :]
    parts.append(rest)
    return [part for part in parts if part.strip()] or [text[:LONGEST]]


def units(text: str) -> int:
    """The length in UTF-16."""
    return len(text) + sum(character > "\uffff" for character in text)


def _cut(text: str) -> int:
    """Where the first message ends: at the last of the best pauses that it has room for."""
    most = _room(text)
    for pause, least in PAUSES:
        ends = [found.end() for found in pause.finditer(text, 0, most + 2)]
        if fitting := [end for end in ends if least <= end <= most and _is_between_characters(text, end)]:
            return fitting[-1]
    return next((end for end in range(most, 0, -1) if _is_between_characters(text, end)), most)


def _room(text: str) -> int:
    """How much of the text one message holds."""
    used = 0
    for index, character in enumerate(text):
        used += units(character)
        if used > LONGEST:
            return index
    return len(text)


def _next_word(text: str, end: int) -> int:
    start = len(text) - len(text[end:].lstrip())
    while start > end and not _is_between_characters(text, start):
        start -= 1  # white space that carries an accent is no white space
    return start


def _is_between_characters(text: str, at: int) -> bool:
    """Whether a reader sees one character end here and another begin, by the rules of Unicode's annex 29.

    Where they are intricate it rather says no.
    """
    if at >= len(text):
        return True
    last, following = text[at - 1], text[at]
    both = last + following
    if category(following).startswith("M") or ATTACHED.match(following) or AWAITING.match(last):
        return False
    if last == JOINER or combining(last) == LETTER_JOINER:
        return following.isspace()
    if FLAG.fullmatch(both):
        return _flag_letters_before(text, at) % 2 == 0
    return not (PAIR.fullmatch(both) or SYLLABLE.fullmatch(both))


def _flag_letters_before(text: str, at: int) -> int:
    start = at
    while start and FLAG.match(text[start - 1]):
        start -= 1
    return at - start
