"""WhatsApp's 24-hour customer-service window: is it open, until when, and how long still.

Pure functions of the customer's last message, the clock and the channel's policy; the sets (which conversations need
a template, which windows close soon) are asked of the database in schema/windows.py.

A window opens with what the customer writes or taps, never with statuses, echoes, edits, deletions, reactions or
notes of the system. The 72 hours after a click on an advertisement change the price, never what may be sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(hours=24)
POLICY: Mapping[str, timedelta | None] = {
    "whatsapp": DAY,
    "instagram": DAY,
    "facebook": DAY,
    "telegram": None,  # has no window
    "other": DAY,  # unknown rules: the strict one
}
"""How long a customer's message keeps the window open, by channel. The database has the same in window_length_v1."""


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a conversation at one moment.

    `closes_at` is None where the customer never wrote or the channel has no window; `open` and `needs_template` are
    opposites; `minutes_left` is rounded down, 0 when shut, None where nothing ever closes.
    """

    open: bool
    closes_at: datetime | None
    minutes_left: int | None
    last_user_message_at: datetime | None

    @property
    def needs_template(self) -> bool:
        """Whether only an approved template may be sent."""
        return not self.open


def window(
    last_user_message_at: datetime | None,
    now: datetime,
    *,
    channel: str = "whatsapp",
    closed_for: datetime | None = None,
    margin: timedelta = timedelta(0),
) -> Window:
    """The window of a customer who last wrote at `last_user_message_at` (aware, UTC).

    `closed_for`: the message whose window the provider or the sweep declared shut; a newer message opens another.
    `margin`: how long before the end free text is refused, for the time that sending takes. A last message in the
    future, from a clock ahead of ours, counts as now.
    """
    length = POLICY.get(channel, DAY)
    if length is None:
        return Window(True, None, None, last_user_message_at)
    if last_user_message_at is None:
        return Window(False, None, 0, None)
    closes_at = min(last_user_message_at, now) + length
    left = closes_at - margin - now
    is_open = left > timedelta(0) and closed_for != last_user_message_at
    return Window(is_open, closes_at, int(left / timedelta(minutes=1)) if is_open else 0, last_user_message_at)


def closes_within(state: Window, minutes: int) -> bool:
    """Whether an open window closes within so many minutes."""
    return state.open and state.minutes_left is not None and state.minutes_left < minutes
