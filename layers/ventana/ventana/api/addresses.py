"""Our numbers and accounts: how fast they send, what goes where a window is shut, and how they start again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BeforeValidator, StringConstraints

from ventana.api import views
from ventana.api.acceptance import checked_template
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.callers import audit, caller_of
from ventana.api.contents import as_request
from ventana.api.operations import Operations
from ventana.api.requests import OURS, AddressRequest, ProviderName
from ventana.api.services import Services
from ventana.errors import NotFound
from ventana.schema.addresses import BusinessAddress, find_address, list_addresses, resume_address, save_address

Provider = Annotated[ProviderName, Path()]
Address = Annotated[
    str,
    StringConstraints(pattern=OURS),
    BeforeValidator(unquote),  # which changes nothing where the path was decoded before
    Path(description="Our number or account there."),
]


def register(app: Api, services: Services) -> None:
    """Add the operations of addresses."""
    operations = Operations(app, "addresses")

    @operations.get("/v1/addresses", views.AddressPage)
    def list_all_addresses() -> Response[Any]:
        """List every address of ours that has sent or was set up."""
        return answer(200, views.AddressPage([_shown(each) for each in list_addresses(services.database)]))

    @operations.put("/v1/addresses/<provider>/<address>", views.Address, 404)
    def set_address(provider: Provider, address: Address, request: AddressRequest) -> Response[Any]:
        """Set how an address sends; what is left out is as fast as the provider allows, and no template."""
        caller, template = caller_of(app.current_event), checked_template(provider, request.fallback_template)
        saved = save_address(services.database, provider, address, request.messages_per_second, template)
        audit("address_set", caller, provider=provider, address=_named(saved.address))
        return answer(200, _shown(saved))

    @operations.post("/v1/addresses/<provider>/<address>/resume", views.Resumed, 404)
    def resume(provider: Provider, address: Address) -> Response[Any]:
        """Let a stopped or slowed address send again at once."""
        caller = caller_of(app.current_event)
        if find_address(services.database, provider, address) is None:
            raise NotFound("there is no such address")
        resumed = resume_address(services.database, provider, address, caller)
        audit("address_resumed", caller, provider=provider, address=_named(address), resumed=resumed)
        return answer(200, views.Resumed(provider, address, resumed))


def _shown(address: BusinessAddress) -> views.Address:
    template = as_request(address.fallback_template)
    return views.Address(**{**asdict(address), "fallback_template": template["template"] if template else None})


def _named(address: str) -> str:
    """An address in the log, where no phone may be: the start of its SHA-256, by which one who knows it finds it."""
    return hashlib.sha256(address.encode()).hexdigest()[:12]
