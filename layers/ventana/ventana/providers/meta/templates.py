"""The templates of our WhatsApp accounts: GET /{WABA}/message_templates, and with whose numbers they go.

https://developers.facebook.com/docs/graph-api/reference/whats-app-business-account/message_templates. A template of a
WABA may be sent from each of its numbers. What somebody who fills in texts could not send is not offered: locations in
the header, carousels, catalogues, offers with an end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ventana.errors import ListingFailed
from ventana.http import Transport
from ventana.providers.meta.access import wabas_of
from ventana.providers.meta.console import Graph, Told
from ventana.providers.reading import Object, an_object, objects, text
from ventana.providers.templating import (
    OfferedTemplate,
    TemplateButton,
    TemplateParameter,
    keys_of,
    placeholder,
    renamed,
)
from ventana.secrets import ProviderSecrets

CALLS_PER_SECOND = 5.0
MOST_PAGES = 60
"""Of a hundred: a WABA has six thousand templates at most."""

BUTTONS = {
    "QUICK_REPLY": "quick_reply",
    "URL": "url",
    "PHONE_NUMBER": "phone",
    "COPY_CODE": "copy_code",
    "OTP": "copy_code",
    "VOICE_CALL": "other",
}
"""Those that can be sent with a text, or with nothing at all."""
FILES = ("IMAGE", "VIDEO", "DOCUMENT")


class _CannotBeFilled(Exception):
    """It needs more than texts and links."""


def offered(secrets: ProviderSecrets, http: Transport) -> Iterator[OfferedTemplate]:
    """Every approved template, once for each number that it may go from.

    Raises ListingFailed where the provider does not tell all, Unavailable where nobody answers.
    """
    graph, token = Graph(secrets, http), secrets.first("access_tokens")
    for waba in _wabas(graph, secrets, token):
        numbers = [text(number.get("id")) for number in _fine(graph.numbers(waba, token)).data]
        for entry in _entries(graph, waba, token):
            for number in filter(None, numbers):
                if template := _template(number, entry):
                    yield template


def _wabas(graph: Graph, secrets: ProviderSecrets, token: str) -> tuple[str, ...]:
    """Those that the secret names, or else those that the access token was given for."""
    if named := secrets.optional("waba_ids"):
        return named
    told = _fine(graph.token(token, token))
    found = wabas_of(an_object(told.content.get("data")))
    if not found:
        raise ListingFailed("the access token does not tell whose templates: put waba_ids into the secret")
    return found


def _entries(graph: Graph, waba: str, token: str) -> Iterator[Object]:
    after = ""
    for _ in range(MOST_PAGES):
        told = _fine(graph.templates(waba, token, after))
        yield from told.data
        paging = an_object(told.content.get("paging"))
        after = text(an_object(paging.get("cursors")).get("after"))
        if not paging.get("next") or not after:
            return
    raise ListingFailed("the list of templates is too long")


def _fine(told: Told) -> Told:
    """Taken for an empty list, a refusal would take all templates away."""
    if not told.fine or not (isinstance(told.content.get("data"), list | dict)):
        raise ListingFailed(f"the question for templates was answered with {told.why}", told.status)
    return told


def _template(number: str, entry: Object) -> OfferedTemplate | None:
    if text(entry.get("status")).upper() != "APPROVED":
        return None
    parts = {text(part.get("type")).upper(): part for part in map(an_object, objects(entry.get("components")))}
    is_named = text(entry.get("parameter_format")).upper() == "NAMED"
    try:
        if "BODY" not in parts or parts.keys() - {"HEADER", "BODY", "FOOTER", "BUTTONS"}:
            raise _CannotBeFilled
        header, head, in_head = _header(parts.get("HEADER", {}), is_named)
        body, in_body = _body(parts["BODY"], is_named)
        buttons, pressed, in_buttons = _buttons(parts.get("BUTTONS", {}), in_body)
    except _CannotBeFilled:
        return None
    send: Object = {"name": text(entry.get("name")), "language": text(entry.get("language"))}
    if components := [*head, *body, *pressed]:
        send["components"] = components
    return OfferedTemplate(
        number,
        text(entry.get("id")) or f"{send['name']}:{send['language']}",
        send["name"],
        send["language"],
        text(parts["BODY"].get("text")),
        send,
        text(entry.get("category")).lower() or None,
        header,
        text(parts.get("FOOTER", {}).get("text")) or None,
        buttons,
        (*in_head, *in_body, *in_buttons),
    )


def _header(part: Object, is_named: bool) -> tuple[str | None, list[Object], list[TemplateParameter]]:
    """What it says, what is sent for it, and what is to be filled in."""
    kind, example = text(part.get("format")).upper(), an_object(part.get("example"))
    if kind in FILES:
        links = [text(link) for link in objects(example.get("header_handle"))]
        link = next((link for link in links if link.startswith("https://")), None)
        file = {"type": kind.lower(), kind.lower(): {"link": placeholder("header_link")}}
        return None, [{"type": "header", "parameters": [file]}], [TemplateParameter("header_link", link)]
    if kind not in ("", "TEXT"):
        raise _CannotBeFilled
    names = keys_of(text(part.get("text")))
    examples = _examples(example, "header_text", names)
    parameters = [TemplateParameter(_of_header(name), examples.get(name)) for name in names]
    shown = renamed(text(part.get("text")), _of_header) or None
    return shown, _component("header", names, _of_header, is_named), parameters


def _of_header(name: str) -> str:
    """Its parameters are counted apart from the body's."""
    return f"header_{name}"


def _body(part: Object, is_named: bool) -> tuple[list[Object], list[TemplateParameter]]:
    names = keys_of(text(part.get("text")))
    examples = _examples(an_object(part.get("example")), "body_text", names)
    return _component("body", names, str, is_named), [TemplateParameter(name, examples.get(name)) for name in names]


def _component(kind: str, names: list[str], key: Any, is_named: bool) -> list[Object]:
    parameters = [
        {"type": "text", **({"parameter_name": name} if is_named else {}), "text": placeholder(key(name))}
        for name in names
    ]
    return [{"type": kind, "parameters": parameters}] if parameters else []


def _examples(example: Object, kind: str, names: list[str]) -> dict[str, str]:
    """By name, or in the order of the text; those of a body are in a list of lists."""
    if named := [an_object(each) for each in objects(example.get(f"{kind}_named_params"))]:
        return {text(each.get("param_name")): text(each.get("example")) for each in named}
    values = objects(example.get(kind))
    if values and isinstance(values[0], list):
        values = values[0]
    return {name: value for name, value in zip(names, map(text, values), strict=False) if value}


def _buttons(
    part: Object, in_body: list[TemplateParameter]
) -> tuple[tuple[TemplateButton, ...], list[Object], list[TemplateParameter]]:
    shown, sent, parameters = [], list[Object](), list[TemplateParameter]()
    for place, button in enumerate(map(an_object, objects(part.get("buttons")))):
        kind = text(button.get("type")).upper()
        if kind not in BUTTONS:
            raise _CannotBeFilled
        shown.append(TemplateButton(BUTTONS[kind], text(button.get("text"))))
        key, example = f"button_{place}", _example_of(button)
        if kind == "OTP":  # the code once more
            key = in_body[0].key if in_body else key
            value: Object = {"type": "text", "text": placeholder(key)}
        elif kind == "COPY_CODE":
            value = {"type": "coupon_code", "coupon_code": placeholder(key)}
        elif kind == "URL" and keys_of(text(button.get("url"))):
            value = {"type": "text", "text": placeholder(key)}
        else:
            continue
        if key.startswith("button_"):
            parameters.append(TemplateParameter(key, example))
        sub_type = "copy_code" if kind == "COPY_CODE" else "url"
        sent.append({"type": "button", "sub_type": sub_type, "index": str(place), "parameters": [value]})
    return tuple(shown), sent, parameters


def _example_of(button: Object) -> str | None:
    """A link's is the whole link, of which the end is to be filled in."""
    given = button.get("example")
    found = text(given[0] if isinstance(given, list) and given else given)
    return found.removeprefix(text(button.get("url")).partition("{{")[0]) or None
