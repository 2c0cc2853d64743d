"""Which texts are wishes to be left out or in again, and which are talk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ventana.messages import Customer, InboundMessage, Item, Preference, StatusUpdate
from ventana.opt_out import IN, OUT, wish_in, with_preferences

SENT_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MESSAGE = InboundMessage("meta", "1065", "wamid.1", Customer(phone="+5511987654321"), "text", "hola", sent_at=SENT_AT)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("STOP", True),
        ("stop", True),
        ("  Stop.\n", True),
        ("*STOP*", True),
        ("«STOP»!!! 🙏", True),
        ("\u200eSTOP\u200b", True),
        ("\uff33\uff34\uff2f\uff30", True),
        ("StopAll", True),
        ("stop all", True),
        ("Stop promotions", True),
        ("UNSUBSCRIBE", True),
        ("opt-out", True),
        ("BAJA", True),
        ("¡Baja!", True),
        ("Darme  de\nbaja", True),
        ("PARAR", True),
        ("Sair", True),
        ("descadastrar", True),
        ("Interromper promoções", True),
        ("START", False),
        ("unstop", False),
        ("Alta", False),
        # talk
        ("VOLVER", None),
        ("voltar.", None),
        ("", None),
        ("🛑", None),
        ("?", None),
        ("cancel", None),
        ("Cancelar", None),
        ("END", None),
        ("fin", None),
        ("QUIT", None),
        ("No", None),
        ("no, gracias", None),
        ("stop it", None),
        ("Please stop calling me", None),
        ("the bus stop", None),
        ("STOP STOP", None),
        ("S.T.O.P.", None),
        ("nonstop", None),
        ("¿La chaqueta baja de precio?", None),
        ("planta baja", None),
        ("quiero darme de baja del gimnasio", None),
        ("puedo parar o pedido?", None),
        ("sair de casa", None),
        ("temporada alta", None),
        ("quiero volver a comprar", None),
        ("start 2", None),
        ("stop" + "!" * 200, None),
    ],
)
def test_a_text_is_a_wish_or_talk(text: str, wish: bool | None) -> None:
    assert wish_in(text) is wish


@pytest.mark.parametrize("word", sorted(OUT | IN))
def test_every_word_is_found_as_it_is_kept(word: str) -> None:
    assert wish_in(word) is (word in OUT)
    assert wish_in(f"¡{word.upper()}!") is (word in OUT)


def test_no_word_means_both() -> None:
    assert not OUT & IN


@given(st.text(max_size=200))
def test_any_text_may_come(text: str) -> None:
    assert wish_in(text) in (True, False, None)


def test_a_wish_comes_right_behind_its_message_with_its_customer_and_time() -> None:
    after = replace(MESSAGE, provider_message_id="wamid.2")
    assert with_preferences([replace(MESSAGE, content="STOP"), after]) == [
        replace(MESSAGE, content="STOP"),
        Preference("meta", "1065", Customer(phone="+5511987654321"), opted_out=True, at=SENT_AT),
        after,
    ]


@pytest.mark.parametrize(
    "item",
    [
        MESSAGE,
        replace(MESSAGE, content="STOP", role="assistant"),
        replace(MESSAGE, content="STOP", role="system"),
        replace(MESSAGE, content="STOP", content_type="image"),
        replace(MESSAGE, content="STOP", content_type="interactive"),
        StatusUpdate("meta", "1065", "wamid.1", "read"),
        Preference("meta", "1065", Customer(phone="+5511987654321"), opted_out=True),
    ],
)
def test_only_what_a_customer_has_written_says_a_wish(item: Item) -> None:
    assert with_preferences([item]) == [item]
