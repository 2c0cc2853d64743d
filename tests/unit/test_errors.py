"""The tree drawn in ventana.errors is the tree of its classes, and each error says what a program needs."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime

import pytest

from ventana import errors
from ventana.errors import SendError, VentanaError, WindowClosed

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, VentanaError)]
BRANCH = re.compile(r"^((?:│   |    )*)(?:[├└]── )?([A-Z]\w+)(?: +(\d{3}))?(?: {2,}(.*))?$")


def drawn() -> dict[str, tuple[str | None, str | None, str]]:
    """Name → (parent, status, remark) of every error in the picture."""
    found: dict[str, tuple[str | None, str | None, str]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").split("\n\n")[1].splitlines():
        match = BRANCH.match(line)
        assert match, line
        indent, name, status, remark = match.groups()
        del path[len(indent) // 4 + ("── " in line) :]
        found[name] = (path[-1] if path else None, status, remark or "")
        path.append(name)
    return found


def test_the_picture_shows_every_class_below_its_parent() -> None:
    parents = {cls.__name__: cls.__mro__[1].__name__ if cls is not VentanaError else None for cls in CLASSES}
    assert {name: parent for name, (parent, _, _) in drawn().items()} == parents


def test_the_picture_shows_the_status_that_callers_get() -> None:
    statuses = {cls.__name__: str(cls.http_status) for cls in CLASSES}
    shown = {name: status for name, (_, status, _) in drawn().items() if status}
    assert shown == {name: statuses[name] for name in shown}
    assert set(statuses) - set(shown) == {
        cls.__name__ for cls in CLASSES if issubclass(cls, SendError) or cls is VentanaError
    }


def test_the_picture_tells_which_sends_may_be_tried_again() -> None:
    shown = {name: remark for name, (_, _, remark) in drawn().items()}
    for cls in CLASSES:
        if issubclass(cls, SendError) and cls is not SendError:
            assert cls.retryable is shown[cls.__name__].endswith(": retry"), cls


def test_codes_are_stable_words_and_no_two_are_alike() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_says_when_it_happens(cls: type[VentanaError]) -> None:
    assert cls.__doc__
    assert cls.__doc__.endswith(".")


def test_a_closed_window_says_since_when() -> None:
    error = WindowClosed(datetime(2026, 11, 22, 10, tzinfo=UTC), "c1")
    assert str(error) == "the window closed at 2026-11-22T10:00:00+00:00"
    assert error.conversation_id == "c1"


def test_a_window_that_was_never_open_has_no_time() -> None:
    assert str(WindowClosed(None)) == "the customer has never written here"


def test_a_failed_send_keeps_the_providers_code() -> None:
    assert errors.Rejected("it said no", "131026").provider_code == "131026"
