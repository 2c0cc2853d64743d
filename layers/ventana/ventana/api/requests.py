"""What callers may send, checked before anything is done; errors name the field and never repeat the value."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, Strict, StringConstraints, model_validator

from ventana.api.contents import (
    Buttons,
    CallToAction,
    Contacts,
    File,
    Kind,
    ListMenu,
    Location,
    Reaction,
    Shape,
    Template,
    Text,
)
from ventana.providers import PROVIDERS

RECIPIENT = r"^(\+[1-9]\d{6,14}|[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128})$"
OURS = r"^[A-Za-z0-9+@._:-]{1,200}$"
"""Addresses of ours as all providers write them: phones, and ids of theirs."""
ONE_LINE = r"^[^\x00-\x20\x7f-\xa0]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0])?$"
"""Without control characters, and with something to see at both ends."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
MINUTE, DAY, MONTH = 60, 24 * 60 * 60, 30 * 24 * 60 * 60


def _known_provider(name: str) -> str:
    if name not in PROVIDERS:
        raise ValueError(f"must be one of {', '.join(sorted(PROVIDERS))}")
    return name


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("must be a whole number")
    return value


def _as_written(value: object) -> object:
    if not isinstance(value, str) or not TIME.fullmatch(value):
        raise ValueError("must be a time as in 2026-11-22T12:00:00Z, with its offset")
    return value


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except (OverflowError, ValueError):
        raise ValueError("must lie between the years 1 and 9999") from None


ProviderName: TypeAlias = Annotated[
    str, AfterValidator(_known_provider), Field(json_schema_extra={"enum": sorted(PROVIDERS)})
]
Time: TypeAlias = Annotated[datetime, BeforeValidator(_as_written), AfterValidator(_in_utc)]
Seconds: TypeAlias = Annotated[int, Field(ge=MINUTE, le=MONTH), BeforeValidator(_number)]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=ONE_LINE, max_length=200)]
Tag: TypeAlias = Annotated[str, StringConstraints(pattern=ONE_LINE, max_length=64)]
MOST_TAGS = 50


class SendRequest(Shape):
    """What to send, and to whom: a conversation, or a customer at a provider."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"anyOf": [{"required": ["conversation_id"]}, {"required": ["provider", "to"]}]},
                {"oneOf": [{"required": [k], "properties": {"type": {"const": k}}} for k in get_args(Kind)]},
            ]
        }
    )
    conversation_id: UUID | None = None
    provider: ProviderName | None = None
    to: Annotated[
        str | None, Field(pattern=RECIPIENT, description="A phone in E.164 with its plus sign, or a user id.")
    ] = None
    sender: Annotated[
        str | None,
        Field(
            alias="from",
            pattern=OURS,
            description="Our address to send from; else the one that the customer wrote to last.",
        ),
    ] = None
    type: Kind
    text: Text | None = None
    image: File | None = None
    video: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    location: Location | None = None
    contacts: Contacts | None = None
    buttons: Buttons | None = None
    list: ListMenu | None = None
    cta_url: CallToAction | None = None
    reaction: Reaction | None = None
    template: Template | None = None
    reply_to: Annotated[UUID | None, Field(description="The message of the conversation that this answers.")] = None
    if_window_closed: Annotated[
        Literal["reject", "template", "hold"],
        Field(description="Refuse it, send a template in its place, or keep it until the customer writes."),
    ] = "reject"
    fallback_template: Annotated[
        Template | None, Field(description="What goes instead; else the template of the address.")
    ] = None
    lane: Annotated[
        Literal["reply", "bulk"], Field(description="Bulk messages let replies pass, and do not go after an opt-out.")
    ] = "reply"
    send_at: Annotated[Time | None, Field(description="Not before this time, at most 30 days ahead.")] = None
    expires_in: Annotated[
        Seconds, Field(description="Seconds after which, counted from send_at, it is no longer sent.")
    ] = DAY
    provider_options: Annotated[
        dict[ProviderName, dict[str, Any]] | None,
        Field(description="By provider, what goes into its request over what the gateway makes."),
    ] = None

    @model_validator(mode="after")
    def _one_address(self) -> SendRequest:
        by_customer = self.provider is not None and self.to is not None
        if (self.conversation_id is None) != by_customer or (self.provider is None) != (self.to is None):
            raise ValueError("give either conversation_id, or provider and to")
        return self


class RetryRequest(Shape):
    """For how long it is tried again."""

    expires_in: Seconds = DAY


class SettleRequest(Shape):
    """What became of it: it was sent, it was not and shall not be, or it was not and may be sent again."""

    outcome: Literal["sent", "failed", "untaken"]


class ReadRequest(Shape):
    """Whether to show that an answer is being written, too."""

    typing: Annotated[bool, Strict()] = False


class AddressRequest(Shape):
    """How one of our addresses sends; `null` is as fast as the provider allows, and no template."""

    messages_per_second: Annotated[float, Strict(), Field(ge=0.1, le=1000)] | None = None
    fallback_template: Template | None = None


class EscalateRequest(Shape):
    """Why a person is needed, and who."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    assignee: Name | None = None


class AssignRequest(Shape):
    """Whose it is; `null` is nobody's."""

    assignee: Name | None


class TagRequest(Shape):
    """Tags to add and to remove."""

    add: Annotated[tuple[Tag, ...], Field(max_length=MOST_TAGS)] = ()
    remove: Annotated[tuple[Tag, ...], Field(max_length=MOST_TAGS)] = ()


class NoteRequest(Shape):
    """What colleagues should know; the customer never sees it."""

    body: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
