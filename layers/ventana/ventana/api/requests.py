"""What callers may send, checked before anything is done; errors name the field and never repeat the value."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ventana.providers import PROVIDERS

RECIPIENT = re.compile(r"\+[1-9]\d{6,14}|[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128}")


def _known_provider(name: str) -> str:
    if name not in PROVIDERS:
        raise ValueError(f"must be one of {', '.join(sorted(PROVIDERS))}")
    return name


def _recipient(to: str) -> str:
    if not RECIPIENT.fullmatch(to):
        raise ValueError("must be a phone in E.164 with its plus sign, or a business-scoped user id")
    return to


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must not hold NUL characters or halves of surrogate pairs")
    return text


ProviderName = Annotated[str, AfterValidator(_known_provider)]


class Text(BaseModel):
    """A free-form text."""

    model_config = ConfigDict(extra="forbid")
    body: Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_storable)]


class SendRequest(BaseModel):
    """What to send, and to whom: a conversation, or a customer at a provider."""

    model_config = ConfigDict(extra="forbid")
    conversation_id: UUID | None = None
    provider: ProviderName | None = None
    to: Annotated[str, AfterValidator(_recipient)] | None = None
    type: Literal["text"]
    text: Text

    @model_validator(mode="after")
    def _one_address(self) -> SendRequest:
        by_customer = self.provider is not None and self.to is not None
        if (self.conversation_id is None) != by_customer or (self.provider is None) != (self.to is None):
            raise ValueError("give either conversation_id, or provider and to")
        return self
