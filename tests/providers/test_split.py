"""A text that no single message of Twilio's can hold becomes several: nothing lost, and no character torn."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ventana.providers.twilio.limits import parts
from ventana.providers.twilio.split import LONGEST, split, units

WHOLE = [
    "👨\u200d👩\u200d👧\u200d👦",
    "👍🏽",
    "❤\ufe0f",
    "1\ufe0f\u20e3",
    "🇧🇷",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "e\u0301",
    "a\u0302\u0323",
    " \u0301",
    "\u1112\u1161\u11ab",
    "각\u11ab",
    "\u1100가",
    "\u3002\u0301",
    "क\u094dष\u093f",
    "ก\u0e47",
    "น\u0e49\u0e33",
    "カ\uff9e",
    "\u06001",
    "😀",
    "\ud83d\ude00",
]
"""What a reader takes for one character, and Python for several."""
words = st.text("aáñ,;-", min_size=1, max_size=60)
spaces = st.sampled_from([" ", "  ", "\n", "\n\n", "\r\n", "\t", ". ", "! ", "\u2028", " \n \n "])
tokens = st.sampled_from(WHOLE) | words | spaces
repeated = st.tuples(tokens, st.integers(1, 200))
long_texts = st.lists(repeated, min_size=1, max_size=12).map(
    lambda found: [token for token, times in found for _ in range(times)]
)
few = settings(max_examples=60, deadline=None)


def gaps(text: str, cut: list[str]) -> list[tuple[int, int]]:
    """What lies between the parts of a text, and at its ends; it is white space or nothing."""
    found, at = [], 0
    for part in cut:
        start = at
        while not text.startswith(part, at):
            assert text[at].isspace()
            at += 1
        found.append((start, at))
        at += len(part)
    assert not text[at:].strip()
    return [*found, (at, len(text))]


@few
@given(long_texts)
def test_text_is_cut_into_messages_that_say_all_of_it(tokens: list[str]) -> None:
    text = "".join(tokens)
    cut = split(text)
    gaps(text, cut)
    assert all(part and units(part) <= LONGEST for part in cut)
    assert all(units(part.encode("utf-16", "surrogatepass").decode("utf-16", "replace")) <= LONGEST for part in cut)
    if units(text) <= LONGEST:
        assert cut == [text]
    elif text.strip():
        assert all(part.strip() for part in cut)


@few
@given(long_texts)
def test_text_is_never_cut_inside_a_character(tokens: list[str]) -> None:
    """However long a run of them is, and even where it leaves no word's end to cut at."""
    text = "".join(tokens)
    inside, at = set(), 0
    for token in tokens:
        if token in WHOLE:
            inside |= set(range(at + 1, at + len(token)))
        at += len(token)
    for start, end in gaps(text, split(text))[1:-1]:
        assert not {start, end} & inside


@pytest.mark.parametrize("character", [each for each in WHOLE if not each.startswith(" ")], ids=ascii)
def test_no_kind_of_character_is_cut(character: str) -> None:
    """Wherever the end of a message would fall in it."""
    for before in range(units(character)):
        first, *_ = split("a" * before + character * LONGEST)
        assert (len(first) - before) % len(character) == 0
        assert units(first) > LONGEST - units(character)


@few
@given(st.lists(st.tuples(words, spaces), min_size=100, max_size=300))
def test_text_of_words_is_cut_between_them(pairs: list[tuple[str, str]]) -> None:
    text = "".join(word + space for word, space in pairs)
    assert all(start < end for start, end in gaps(text, split(text))[1:-1])


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (("a" * 900 + "\n\n" + "b" * 300 + "\n" + "c" * 300 + ". " + "d " * 50) * 2, "a"),
        (("a" * 900 + "\n" + "b" * 300 + ". " + "d " * 500), "a"),
        (("a" * 900 + "\r\n" + "b" * 300 + ". " + "d " * 500), "a"),
        ("a" * 100 + "\n\n" + "b" * 1000 + '." ' + "d " * 500, '"'),
        ("a" * 100 + "\n\n" + "b" * 1000 + "d" * 400 + " " + "e" * 900, "d"),
        ("あ" * 1000 + "。」" + "い" * 900, "」"),
        ("a" * 100 + ". " + "b" * 1499 + "c" * 100, "."),
        ("10" * 795 + "\u00a0" + "kg" * 20, "k"),
        ("a" * 1600 + " " + "b" * 1600, "a"),
    ],
    ids=["paragraph", "line", "line of Windows", "sentence", "word", "no spaces", "whole word", "no space", "full"],
)
def test_text_is_cut_where_a_reader_pauses(text: str, ends: str) -> None:
    assert split(text)[0][-1] == ends


def test_what_no_message_can_hold_is_cut_all_the_same() -> None:
    """A letter with two thousand accents, a word without end, a text of nothing."""
    assert [len(part) for part in split("a" + "\u0301" * 2000)] == [1600, 401]
    assert [len(part) for part in split("a" * 4000)] == [1600, 1600, 800]
    assert [len(part) for part in split("😀" * 1601)] == [800, 800, 1]
    assert [len(part) for part in split("🇧" * 1601)] == [800, 800, 1]
    assert split(" " * 4000) == [" " * 1600]
    assert split("a" + " " * 4000 + "b") == ["a", "b"]
    assert split("") == [""]


def test_only_texts_have_parts() -> None:
    assert parts({"type": "text", "body": "a" * 1600 + " b"}) == [
        {"type": "text", "body": "a" * 1600},
        {"type": "text", "body": "b"},
    ]
    image = parts({"type": "image", "link": "https://files.example/a.png", "caption": "a" * 1600})
    assert image == [{"type": "image", "link": "https://files.example/a.png", "caption": "a" * 1600}]
