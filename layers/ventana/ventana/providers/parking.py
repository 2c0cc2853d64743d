"""Setting aside what is not acted on: each item by itself, whole, in a webhook body that can be parsed again.

A reader that cannot go on raises `Poison`, or `Notice` for what has no consequence; whatever else it raises is a bug
of ours and parks the item as well. A parked item never takes its neighbours with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from ventana.messages import Item, Parked
from ventana.providers.reading import Object


class Poison(Exception):
    """The item cannot be understood. The text is the reason, without anything of the payload in it."""


class Notice(Exception):
    """The item is known and of no consequence for conversations. The text is a word for it."""


def known(word: object, words: Collection[str]) -> str:
    """The word, if it is one of these; only such a word of a payload may appear in a reason."""
    return word if isinstance(word, str) and word in words else "other"


def parked(provider: str, why: Exception, body: bytes, content_type: str = "application/json") -> Parked:
    """Set aside an item that is alone in `body`."""
    if isinstance(why, Notice):
        return Parked(provider, f"notice: {why}", body, content_type, "notice")
    reason = str(why) if isinstance(why, Poison) else f"item not understood: {type(why).__name__}"
    return Parked(provider, reason, body, content_type)


def each(
    raws: Iterable[Any], read: Callable[[Object], Iterable[Item]], park: Callable[[Exception, Any], Parked]
) -> Iterator[Item]:
    """Read every item on its own; one that its reader does not understand is given to `park`."""
    for raw in raws:
        try:
            if not isinstance(raw, dict):
                raise Poison("item is no object")
            items = list(read(raw))
        except Exception as error:
            items = [park(error, raw)]
        yield from items
