"""What an answer may be: one provider-neutral shape per kind, as JSON, from the API to the provider's adapter.

The API checks it once (api/contents.py), the row keeps it, the adapter of the provider turns it into the provider's own
request. A kind that a provider cannot do is refused before acceptance (providers/limits.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from ventana.messages import ContentType

FileKind = Literal["image", "video", "audio", "document", "sticker"]


class Text(TypedDict):
    """Free text; `preview_url` asks for a preview of the first link."""

    type: Literal["text"]
    body: str
    preview_url: NotRequired[bool]


class File(TypedDict):
    """A file by its public https `link`, or by the `id` of an upload at the provider: exactly one of them."""

    type: FileKind
    link: NotRequired[str]
    id: NotRequired[str]
    caption: NotRequired[str]
    filename: NotRequired[str]


class Location(TypedDict):
    """A point on the map, in degrees."""

    type: Literal["location"]
    latitude: float
    longitude: float
    name: NotRequired[str]
    address: NotRequired[str]


class Phone(TypedDict):
    """A phone of a contact; `type` is a label such as CELL or WORK."""

    phone: str
    type: NotRequired[str]


class Contact(TypedDict):
    """A person: `name` as it is to be shown, and what else is known."""

    name: str
    phones: NotRequired[list[Phone]]
    emails: NotRequired[list[str]]
    organization: NotRequired[str]


class Contacts(TypedDict):
    """One or more people."""

    type: Literal["contacts"]
    contacts: list[Contact]


class Button(TypedDict):
    """A reply button: `id` comes back when it is tapped."""

    id: str
    title: str


class Buttons(TypedDict):
    """A text with reply buttons."""

    type: Literal["buttons"]
    body: str
    buttons: list[Button]
    header: NotRequired[str]
    footer: NotRequired[str]


class Row(TypedDict):
    """A row of a list: `id` comes back when it is chosen."""

    id: str
    title: str
    description: NotRequired[str]


class Section(TypedDict):
    """Rows under a title, which is needed where there is more than one section."""

    rows: list[Row]
    title: NotRequired[str]


class ListMenu(TypedDict):
    """A text with a `button` that opens a list to choose from."""

    type: Literal["list"]
    body: str
    button: str
    sections: list[Section]
    header: NotRequired[str]
    footer: NotRequired[str]


class CallToAction(TypedDict):
    """A text with one button that opens a link."""

    type: Literal["cta_url"]
    body: str
    display_text: str
    url: str
    header: NotRequired[str]
    footer: NotRequired[str]


class Reaction(TypedDict):
    """An emoji on the message that is answered (`OutboundMessage.reply_to`); an empty one takes it back."""

    type: Literal["reaction"]
    emoji: str


class Template(TypedDict):
    """An approved template: the only kind that may be sent while the window is shut.

    Meta knows it by `name`, `language` and `components`, Twilio by `content_sid` and `variables`.
    """

    type: Literal["template"]
    name: NotRequired[str]
    language: NotRequired[str]
    components: NotRequired[list[dict[str, Any]]]
    content_sid: NotRequired[str]
    variables: NotRequired[dict[str, str]]


Content: TypeAlias = Text | File | Location | Contacts | Buttons | ListMenu | CallToAction | Reaction | Template

COLUMN: Mapping[str, ContentType] = {
    "text": "text",
    "image": "image",
    "video": "video",
    "audio": "audio",
    "document": "file",
    "sticker": "sticker",
    "location": "location",
    "contacts": "contact",
    "buttons": "interactive",
    "list": "interactive",
    "cta_url": "interactive",
    "reaction": "reaction",
    "template": "template",
}
"""The kind as kommo_messages.content_type has it."""


def needs_window(content: Content) -> bool:
    """Whether it may be sent only while the customer-service window is open."""
    return content["type"] != "template"


def summary(content: Content) -> str:
    """What a person reads of it in a list, and what is searched: the column kommo_messages.content."""
    match content["type"]:
        case "text" | "buttons" | "list" | "cta_url":
            return str(content.get("body", ""))
        case "image" | "video" | "audio" | "document" | "sticker":
            return str(content.get("caption") or content.get("filename") or "")
        case "location":
            return ", ".join(str(part) for part in (content.get("name"), content.get("address")) if part)
        case "contacts":
            return ", ".join(contact["name"] for contact in content["contacts"])
        case "reaction":
            return content["emoji"]
        case "template":
            return str(content.get("name") or content.get("content_sid") or "")
