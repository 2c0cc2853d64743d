"""What a provider takes is refused before acceptance where it would be refused after it, and nothing else is.

cases/<provider>/limits.json   boundaries: contents, and the limits of their fields: at the limit they are taken, beyond
                               it not; taken and refused: contents, the latter with the field that the error names
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.providers.test_outgoing import request_sent, some_message
from ventana import errors
from ventana.content import COLUMN, Content, FileKind
from ventana.errors import BadRequest, OverLimit, UnsupportedByProvider
from ventana.providers import PROVIDERS, limits_named
from ventana.providers.limits import Limits

STEP = re.compile(r"\w+|\[\d+\]")
FILES = {name: Path(__file__).parent / "cases" / name / "limits.json" for name in PROVIDERS}
TABLES = {name: json.loads(path.read_text("utf-8")) for name, path in FILES.items() if path.exists()}
LIMITED = [name for name in PROVIDERS if find_spec(f"{PROVIDERS[name]}.limits")]
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows(part: str) -> Iterator[Any]:
    for provider, table in TABLES.items():
        for label, row in table[part].items():
            yield pytest.param(provider, row, id=f"{provider}-{label}")


def boundaries(part: str) -> Iterator[Any]:
    for provider, table in TABLES.items():
        for row in table["boundaries"]:
            for name, limit in row.get(part, {}).items():
                yield pytest.param(provider, row["content"], name, limit, id=f"{provider}-{name}")


def checked(provider: str, row: dict[str, Any]) -> None:
    limits_named(provider).check(row["content"], row.get("replies", False), row.get("options", {}))


def changed(content: dict[str, Any], name: str, change: Callable[[Any], Any]) -> Content:
    """The content with another value in the field of this name."""
    copy: Any = deepcopy(content)
    _, *path, last = (int(step[1:-1]) if step[0] == "[" else step for step in STEP.findall(name))
    node = copy
    for step in path:
        node = node[step]
    node[last] = change(node[last])
    return copy  # type: ignore[no-any-return]


def entries(count: int) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Makes as many of the first entry, which differ in what an entry has to tell it from others."""
    return lambda given: [
        {name: f"{number}" if name in ("id", "title") else value for name, value in given[0].items()}
        for number in range(count)
    ]


def says_nothing_of(content: Any) -> Callable[[Exception], bool]:
    """Whether an error repeats none of the texts of a content."""
    texts = re.findall(r'"([^"]{5,})"(?!:)', json.dumps({**content, "type": ""}, ensure_ascii=False))
    return lambda error: not [text for text in texts if text in str(error)]


def over(provider: str, content: Content, name: str, limit: int) -> None:
    with pytest.raises(OverLimit) as caught:
        checked(provider, {"content": content})
    assert (caught.value.field, caught.value.limit) == (name, limit)
    assert says_nothing_of(content)(caught.value)


@pytest.mark.parametrize(("provider", "content", "name", "limit"), list(boundaries("longest")))
def test_text_at_its_limit_and_beyond(provider: str, content: dict[str, Any], name: str, limit: int) -> None:
    """Counted as WhatsApp counts, in code points: an emoji of four bytes is one."""
    checked(provider, {"content": changed(content, name, lambda _: "👋" * limit)})
    over(provider, changed(content, name, lambda _: "👋" * (limit + 1)), name, limit)


@pytest.mark.parametrize(("provider", "content", "name", "limit"), list(boundaries("most")))
def test_list_at_its_limit_and_beyond(provider: str, content: dict[str, Any], name: str, limit: int) -> None:
    checked(provider, {"content": changed(content, name, entries(limit))})
    over(provider, changed(content, name, entries(limit + 1)), name, limit)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("provider", "content", "name", "limit"), list(boundaries("greatest")))
def test_number_at_its_limit_and_beyond(
    provider: str, content: dict[str, Any], name: str, limit: int, sign: int
) -> None:
    checked(provider, {"content": changed(content, name, lambda _: sign * limit)})
    over(provider, changed(content, name, lambda _: sign * (limit + 0.00001)), name, limit)


@pytest.mark.parametrize(("provider", "row"), list(rows("taken")))
def test_content_is_taken(provider: str, row: dict[str, Any]) -> None:
    checked(provider, row)


@pytest.mark.parametrize(("provider", "row"), list(rows("refused")))
def test_content_is_refused(provider: str, row: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        checked(provider, row)
    assert type(caught.value) is getattr(errors, row.get("error", "UnsupportedByProvider"))
    assert caught.value.field == row["field"]  # type: ignore[attr-defined]
    assert caught.value.http_status == 422
    assert says_nothing_of(row["content"])(caught.value)


@pytest.mark.parametrize("provider", TABLES)
def test_every_limit_is_tried(provider: str) -> None:
    """A limit that nobody tries may be one that was mistyped, and never refuses."""
    limits: Limits = import_module(f"{PROVIDERS[provider]}.limits").LIMITS
    table = TABLES[provider]
    for part in ("longest", "most", "greatest"):
        tried = {(in_general(name), limit) for row in table["boundaries"] for name, limit in row.get(part, {}).items()}
        assert tried == set(getattr(limits, part).items())
    refused = {in_general(row["field"]) for row in table["refused"].values()}
    assert {*limits.needed, *limits.distinct, *limits.https, *limits.unsupported} - {*COLUMN} <= refused
    assert {f"provider_options.{name}" for name in limits.protected} <= refused
    unsendable = {row["content"]["type"] for row in table["refused"].values() if row["field"] == "type"}
    assert unsendable == {*COLUMN} - limits.kinds


def in_general(name: str) -> str:
    return re.sub(r"\[\d+\]", "[]", name)


words = st.text(st.characters(exclude_categories=[]), max_size=24)
told = words.filter(lambda text: bool(text.strip()))
https = st.builds("https://files.example/{}".format, words)
numbers = st.integers(-200, 200) | st.floats(-200, 200)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


def some_content(kind: str, needed: dict[str, Any], **optional: Any) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"type": st.just(kind), **needed}, optional=optional)


def of_entries(optional: dict[str, Any], **needed: Any) -> st.SearchStrategy[Any]:
    return st.lists(st.fixed_dictionaries(needed, optional=optional), max_size=4)


framed = {"header": words, "footer": words}
buttons = of_entries({}, id=told, title=told)
sections = of_entries({"title": words}, rows=of_entries({"description": words}, id=told, title=told))
people = of_entries(
    {"phones": of_entries({"type": words}, phone=words), "emails": st.lists(words), "organization": words}, name=told
)
components = of_entries({"parameters": of_entries({"text": words}, type=words)}, type=words)
any_content: dict[str, st.SearchStrategy[Any]] = {
    "text": some_content("text", {"body": told}, preview_url=st.booleans()),
    **{
        kind: some_content(kind, {"link": https}, caption=words, filename=words) | some_content(kind, {"id": told})
        for kind in get_args(FileKind)
    },
    "location": some_content("location", {"latitude": numbers, "longitude": numbers}, name=words, address=words),
    "contacts": some_content("contacts", {"contacts": people}),
    "buttons": some_content("buttons", {"body": told, "buttons": buttons}, **framed),
    "list": some_content("list", {"body": told, "button": told, "sections": sections}, **framed),
    "cta_url": some_content("cta_url", {"body": told, "display_text": told, "url": https}, **framed),
    "reaction": some_content("reaction", {"emoji": words}),
    "template": some_content("template", {"name": told, "language": told}, components=components)
    | some_content("template", {"content_sid": told}, variables=st.dictionaries(words, words, max_size=2)),
}


@pytest.mark.parametrize("provider", LIMITED)
@many
@given(
    content=st.one_of(*any_content.values()),
    reply_to=st.none() | told,
    options=st.dictionaries(words, json_values, max_size=2),
)
def test_whatever_is_taken_can_be_sent(
    provider: str, content: Content, reply_to: str | None, options: dict[str, Any]
) -> None:
    limits = limits_named(provider)
    try:
        limits.check(content, reply_to is not None, options)
    except (UnsupportedByProvider, OverLimit):
        return
    for part in limits.parts(content):
        message = replace(some_message(provider), content=part, reply_to=reply_to, options=options)
        request, _ = request_sent(provider, message)
        assert request.body


def test_every_kind_is_made_up() -> None:
    assert any_content.keys() == COLUMN.keys()


MADE_UP = Limits(
    provider="Doves",
    kinds=frozenset({"text", "list", "reaction"}),
    unsupported={"image": "send a link", "reply_to": "doves know no way back", "list.footer": "leave it out"},
    needed=frozenset({"list.sections[].rows"}),
    longest={"text.body": 3},
    most={"list.sections[].rows": 3},
    options=frozenset({"colour", "name"}),
    protected=frozenset({"name"}),
)
ROW = {"id": "1", "title": "Uno"}
TEXT = {"type": "text", "body": "Sí"}


def menu(*rows: int, **more: Any) -> dict[str, Any]:
    return {"type": "list", "sections": [{"rows": [ROW] * count} for count in rows], **more}


@pytest.mark.parametrize(
    ("content", "replies", "options", "field", "text"),
    [
        ({"type": "image"}, False, {}, "type", "send a link"),
        ({"type": "sticker"}, False, {}, "type", "Doves cannot send this type"),
        (TEXT, True, {}, "reply_to", "doves know no way back"),
        ({"type": "reaction", "emoji": ""}, False, {}, "reply_to", "name the message that the reaction is to"),
        (TEXT, False, {"name": 1}, "provider_options.name", "leave it out: the gateway sets it itself"),
        (TEXT, False, {"size": 1}, "provider_options.size", "Doves is sent no such option"),
        (menu(1, footer="f"), False, {}, "list.footer", "leave it out"),
        (menu(1, 0), False, {}, "list.sections[1].rows", "Doves needs this field: fill it in"),
        (menu(1, 1, 2), False, {}, "list.sections[2].rows", "Doves takes at most 3 of these"),
        ({**TEXT, "body": "a b "}, False, {}, "text.body", "Doves takes at most 3 characters here"),
    ],
)
def test_error_names_the_field_and_says_what_to_do(
    content: Any, replies: bool, options: dict[str, Any], field: str, text: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        MADE_UP.check(content, replies, options)
    assert (caught.value.field, str(caught.value)) == (field, text)  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", [menu(1, 1, 1), menu(3, footer=""), menu(2, footer=None), menu(), TEXT])
def test_nothing_else_is_refused(content: Any) -> None:
    MADE_UP.check(content, False, {"colour": "white"})


@pytest.mark.parametrize("provider", LIMITED)
def test_message_that_is_one_for_the_provider(provider: str) -> None:
    content = some_message(provider).content
    assert limits_named(provider).parts(content) == [content]
    assert limits_named(provider).PACE.messages_per_second > 0
