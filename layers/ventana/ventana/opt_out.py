"""What a customer's text says about being written to: a whole message of STOP, or of START, is a wish and not talk.

    with_preferences(items)       the items, each wish right behind the message that says it

Pure. The message itself is recorded as any other: a person may still want to answer it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from ventana.messages import InboundMessage, Item, Preference

# Only what nobody writes for another reason, as the whole text. CANCEL, CANCELAR, END, FIN, QUIT and NO are missing
# although text messaging counts some of them: here they cancel an order, or end a talk with somebody who helps.
OUT = frozenset(
    {
        "stop",
        "stopall",
        "stop all",
        "stop promotions",
        "unsubscribe",
        "optout",
        "opt out",
        "baja",
        "darme de baja",
        "dar de baja",
        "detener promociones",
        "parar",
        "sair",
        "descadastrar",
        "interromper promocoes",
    }
)
# VOLVER and VOLTAR are missing, because menus have them: a wish to hear nothing must not end by a step back.
IN = frozenset({"start", "unstop", "alta", "darme de alta"})

LONGEST = 80
"""No wish is longer, decorations included; other texts are not looked at any closer."""
NO_LETTERS = re.compile(r"[\W_]+")


def with_preferences(items: Sequence[Item]) -> list[Item]:
    """The items with the wishes that customers' texts among them say."""
    return [each for item in items for each in _with_preference(item)]


def wish_in(text: str) -> bool | None:
    """Whether the text asks to be left out (True) or in again (False); None where it asks for neither.

    Case, accents, and punctuation and space around it make no difference.
    """
    if len(text) > LONGEST:
        return None
    letters = text.casefold()
    if not letters.isascii():
        letters = "".join(c for c in unicodedata.normalize("NFKD", letters) if not unicodedata.combining(c))
    words = NO_LETTERS.sub(" ", letters).strip()
    if words in OUT:
        return True
    return False if words in IN else None


def _with_preference(item: Item) -> Iterator[Item]:
    yield item
    if not isinstance(item, InboundMessage) or item.role != "user" or item.content_type != "text":
        return
    opted_out = wish_in(item.content)
    if opted_out is not None:
        yield Preference(item.provider, item.business_address, item.customer, opted_out, item.sent_at)
