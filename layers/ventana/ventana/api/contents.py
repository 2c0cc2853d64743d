"""What an answer may be, as callers write it: the shapes of ventana.content, checked for form alone.

What a provider makes of them (lengths, counts, kinds) is its limits' business. `null` is as good as no field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, Strict

from ventana.content import Content

Flag: TypeAlias = Annotated[bool, Strict()]
Degrees: TypeAlias = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Kind = Literal[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "buttons",
    "list",
    "cta_url",
    "reaction",
    "template",
]


class Shape(BaseModel):
    """A part of a request: a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Shape):
    """Free text; `preview_url` asks for a preview of the first link."""

    body: Annotated[str, Field(min_length=1)]
    preview_url: Flag | None = None


class File(Shape):
    """A file by its public https `link`, or by the `id` of an upload at the provider: exactly one of them."""

    link: str | None = None
    id: str | None = None
    caption: str | None = None
    filename: str | None = None


class Location(Shape):
    """A point on the map, in degrees."""

    latitude: Degrees
    longitude: Degrees
    name: str | None = None
    address: str | None = None


class Phone(Shape):
    """A phone of a contact; `type` is a label such as CELL or WORK."""

    phone: str
    type: str | None = None


class Contact(Shape):
    """A person: `name` as it is to be shown, and what else is known."""

    name: str
    phones: list[Phone] | None = None
    emails: list[str] | None = None
    organization: str | None = None


class Contacts(Shape):
    """One or more people."""

    contacts: list[Contact]


class Button(Shape):
    """A reply button: `id` comes back when it is tapped."""

    id: str
    title: str


class Buttons(Shape):
    """A text with reply buttons."""

    body: str
    buttons: list[Button]
    header: str | None = None
    footer: str | None = None


class Row(Shape):
    """A row of a list: `id` comes back when it is chosen."""

    id: str
    title: str
    description: str | None = None


class Section(Shape):
    """Rows under a title, which is needed where there is more than one section."""

    rows: list[Row]
    title: str | None = None


class ListMenu(Shape):
    """A text with a `button` that opens a list to choose from."""

    body: str
    button: str
    sections: list[Section]
    header: str | None = None
    footer: str | None = None


class CallToAction(Shape):
    """A text with one button that opens a link."""

    body: str
    display_text: str
    url: str
    header: str | None = None
    footer: str | None = None


class Reaction(Shape):
    """An emoji on a message of the customer; an empty one takes it back."""

    message_id: UUID
    emoji: str


class Template(Shape):
    """An approved template: the only kind that may be sent while the window is shut.

    Meta knows it by `name`, `language` and `components`, Twilio by `content_sid` and `variables`.
    """

    name: str | None = None
    language: str | None = None
    components: list[dict[str, Any]] | None = None
    content_sid: str | None = None
    variables: dict[str, str] | None = None


def as_content(kind: str, shape: Shape) -> Content:
    """The content as the gateway keeps it and providers' adapters take it."""
    fields = shape.model_dump(exclude_none=True, exclude={"message_id"} if kind == "reaction" else None)
    return cast("Content", {"type": kind, **fields})


def as_request(content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A content as callers write it: its type, and under that name the rest."""
    if content is None:
        return None
    return {"type": content["type"], content["type"]: {key: value for key, value in content.items() if key != "type"}}
