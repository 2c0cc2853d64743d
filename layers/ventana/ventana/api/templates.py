"""Approved templates: what may be sent while the window is shut, ready to be filled in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import StringConstraints

from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.conversations import found_conversation
from ventana.api.operations import Operations
from ventana.api.requests import OURS, ProviderName
from ventana.api.services import Services
from ventana.providers.templating import TemplateButton, TemplateParameter
from ventana.schema.templates import KeptTemplate, find_templates, templates_refreshed_at


@dataclass(frozen=True, slots=True)
class ShownTemplate:
    """An approved template. `{{key}}` stands for the value of a parameter, in header, body and `send` alike.

    `send`, with these replaced, is the `template` of POST /v1/messages.
    """

    id: str
    provider: str
    name: str
    language: str
    category: str | None
    body: str
    header: str | None
    footer: str | None
    buttons: list[TemplateButton]
    parameters: list[TemplateParameter]
    send: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TemplatePage:
    """Templates by name, and when the provider last told them; null: not yet, or it has none."""

    templates: list[ShownTemplate]
    refreshed_at: datetime | None


def register(app: Api, services: Services) -> None:
    """Add the operation that lists templates."""
    operations = Operations(app, "templates")

    @operations.get("/v1/templates", TemplatePage, 404)
    def list_templates(
        conversation_id: Annotated[UUID | None, Query()] = None,
        provider: Annotated[ProviderName | None, Query()] = None,
        address: Annotated[str | None, StringConstraints(pattern=OURS), Query()] = None,
    ) -> Response[Any]:
        """List approved templates, for a conversation or for a provider.

        Give `conversation_id`: what may be sent to this customer. Or `provider`, with `address` for one of our
        addresses there. They are asked for once an hour.
        """
        if conversation_id is not None and (provider or address):
            raise _invalid("conversation_id", "leave out provider and address: the conversation has them")
        if conversation_id is not None:
            found = found_conversation(services, conversation_id)
            provider, address = found.provider, found.business_address
        if provider is None:
            raise _invalid("provider", "give conversation_id, or a provider")
        templates = [_shown(template) for template in find_templates(services.database, provider, address)]
        return answer(200, TemplatePage(templates, templates_refreshed_at(services.database, provider)))


def _shown(template: KeptTemplate) -> ShownTemplate:
    buttons = [TemplateButton(**button) for button in template.buttons]
    parameters = [TemplateParameter(**parameter) for parameter in template.parameters]
    return ShownTemplate(**{**asdict(template), "buttons": buttons, "parameters": parameters})


def _invalid(field: str, text: str) -> RequestValidationError:
    return RequestValidationError([{"type": "value_error", "loc": ("query", field), "msg": text}])
