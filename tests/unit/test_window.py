"""The 24-hour window as arithmetic: a table of (last message, now) and what may be sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ventana.window import POLICY, closes_within, window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("label", "last", "options", "is_open", "minutes_left"),
    [
        ("just written", NOW, {}, True, 1440),
        ("a minute before the end", NOW - timedelta(hours=23, minutes=59), {}, True, 1),
        ("a second before the end", NOW - timedelta(hours=23, minutes=59, seconds=59), {}, True, 0),
        ("at the end", NOW - timedelta(hours=24), {}, False, 0),
        ("long ago", NOW - timedelta(days=30), {}, False, 0),
        ("never", None, {}, False, 0),
        ("the provider's clock is ahead of ours", NOW + MINUTE, {}, True, 1440),
        ("inside the margin", NOW - timedelta(hours=23, minutes=59, seconds=30), {"margin": MINUTE}, False, 0),
        ("before the margin", NOW - timedelta(hours=23), {"margin": MINUTE}, True, 59),
        ("declared shut by the provider", NOW - MINUTE, {"closed_for": NOW - MINUTE}, False, 0),
        ("written again since it was declared shut", NOW, {"closed_for": NOW - MINUTE}, True, 1440),
        ("an ad's 72 hours do not matter", NOW - timedelta(hours=30), {}, False, 0),
        ("instagram", NOW - timedelta(hours=25), {"channel": "instagram"}, False, 0),
        ("telegram has none", NOW - timedelta(days=9), {"channel": "telegram"}, True, None),
        ("telegram, never written", None, {"channel": "telegram"}, True, None),
        ("a channel of tomorrow gets the strict rule", NOW - timedelta(hours=25), {"channel": "new"}, False, 0),
    ],
)
def test_window(
    label: str, last: datetime | None, options: dict[str, object], is_open: bool, minutes_left: int | None
) -> None:
    state = window(last, NOW, **options)  # type: ignore[arg-type]
    assert (state.open, state.minutes_left, state.needs_template) == (is_open, minutes_left, not is_open), label


def test_closing_soon() -> None:
    """Only an open window can be closing."""
    assert closes_within(window(NOW - timedelta(hours=23, minutes=30), NOW), 60)
    assert not closes_within(window(NOW - timedelta(hours=22, minutes=30), NOW), 60)
    assert not closes_within(window(NOW - timedelta(hours=25), NOW), 60)
    assert not closes_within(window(None, NOW, channel="telegram"), 60)


def test_every_channel_of_the_schema_has_a_policy() -> None:
    assert set(POLICY) == {"whatsapp", "instagram", "telegram", "facebook", "other"}
