"""Templates are kept as their provider told them last: all of them or none, and found by who may send them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.schema.conftest import AtOnce, rows
from tests.schema.sending import MINUTE, NOW
from ventana.providers.templating import OfferedTemplate, TemplateButton, TemplateParameter
from ventana.schema.connection import Database
from ventana.schema.templates import find_templates, replace_templates, templates_refreshed_at

ORDER = OfferedTemplate(
    "1065",
    "1",
    "pedido_listo",
    "es",
    "Hola {{1}}",
    {"name": "pedido_listo", "language": "es", "components": [{"type": "body"}]},
    "utility",
    "Su pedido",
    "Muebles",
    (TemplateButton("quick_reply", "Sí"),),
    (TemplateParameter("1", "Ana"), TemplateParameter("2")),
)
OTHER = OfferedTemplate("1065", "2", "adios", "es", "Adiós", {"name": "adios", "language": "es"})


def names(database: Database, provider: str = "meta", address: str | None = "1065") -> list[str]:
    return [template.name for template in find_templates(database, provider, address)]


def test_what_is_kept_is_what_was_told(database: Database) -> None:
    assert replace_templates(database, "meta", [ORDER, OTHER]) == 2
    other, order = find_templates(database, "meta", "1065")
    assert (order.id, order.provider, order.name, order.language, order.category) == (
        *("1", "meta", "pedido_listo", "es", "utility"),
    )
    assert (order.body, order.header, order.footer) == ("Hola {{1}}", "Su pedido", "Muebles")
    assert order.buttons == [{"type": "quick_reply", "text": "Sí"}]
    assert order.parameters == [{"key": "1", "example": "Ana"}, {"key": "2", "example": None}]
    assert order.send == ORDER.send
    assert (other.category, other.header, other.footer, other.buttons, other.parameters) == (None, None, None, [], [])


def test_what_is_told_next_takes_its_place(database: Database) -> None:
    """What is gone there is gone here, what has changed is as it is there; other providers' stay."""
    replace_templates(database, "meta", [ORDER, OTHER])
    replace_templates(database, "twilio", [replace(ORDER, address="")])
    changed = replace(ORDER, body="Buenas {{1}}")
    assert replace_templates(database, "meta", [changed]) == 1
    assert [template.body for template in find_templates(database, "meta", "1065")] == ["Buenas {{1}}"]
    assert replace_templates(database, "meta", []) == 0
    assert names(database) == []
    assert names(database, "twilio") == ["pedido_listo"]


def test_what_is_as_it_was_is_not_written(database: Database) -> None:
    replace_templates(database, "meta", [ORDER, OTHER], NOW)
    before = rows(database, "select id, xmin::text, refreshed_at from message_templates order by id")
    replace_templates(database, "meta", [replace(ORDER, footer=None), OTHER], NOW + MINUTE)
    after = rows(database, "select id, xmin::text, refreshed_at from message_templates order by id")
    assert before[1] == after[1]
    assert after[0][2] == NOW + MINUTE


@pytest.mark.parametrize(
    ("address", "expected"),
    [("1065", ["adios", "everywhere"]), ("1066", ["everywhere"]), (None, ["adios", "everywhere"])],
)
def test_who_may_send_one_finds_it(database: Database, address: str | None, expected: list[str]) -> None:
    """From the address that it is for, or from all; for a whole provider each once."""
    everywhere = replace(OTHER, address="", id="3", name="everywhere")
    replace_templates(database, "meta", [OTHER, replace(OTHER, address="1067"), everywhere])
    assert names(database, address=address) == expected


def test_one_that_is_told_twice_is_one(database: Database) -> None:
    """A list may move on while its pages are read."""
    assert replace_templates(database, "meta", [ORDER, OTHER, ORDER]) == 2


def test_any_text_is_kept(database: Database) -> None:
    replace_templates(database, "meta", [replace(ORDER, body="a\0b\ud83d", footer="‮ 🛋")])
    (found,) = find_templates(database, "meta", "1065")
    assert "a" in found.body
    assert found.footer == "‮ 🛋"


def test_it_is_known_when_they_were_told(database: Database) -> None:
    """Also that there are none; and a slow answer does not make it longer ago."""
    assert templates_refreshed_at(database, "meta") is None
    replace_templates(database, "meta", [], NOW)
    replace_templates(database, "meta", [], NOW - timedelta(hours=1))
    assert templates_refreshed_at(database, "meta") == NOW
    assert templates_refreshed_at(database, "twilio") is None


def test_answers_at_once_leave_one_whole(database: Database, at_once: AtOnce) -> None:
    sets = [[replace(OTHER, id=str(n), name=f"{each}-{n}") for n in range(20)] for each in range(4)]
    at_once([partial(replace_templates, provider="meta", templates=told) for told in sets])
    found = names(database)
    assert len(found) == 20
    assert len({name.partition("-")[0] for name in found}) == 1
