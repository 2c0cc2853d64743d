"""What was not understood: seen, and tried again after a fix."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from ventana.api import views
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.callers import audit, caller_of
from ventana.api.operations import Operations
from ventana.api.requests import ProviderName
from ventana.api.services import Services
from ventana.errors import BadRequest, NotFound
from ventana.opt_out import with_preferences
from ventana.providers import PROVIDERS, parser_named
from ventana.providers.base import RawRequest
from ventana.schema.inbound import Recorded, record_inbound, record_json, turns_of
from ventana.schema.parked import ParkedItem, find_parked, list_parked, mark_replayed

Kind = Literal["poison", "notice", "refused"]


def register(app: Api, services: Services) -> None:
    """Add the operations of parked items."""
    operations = Operations(app, "parked items")

    @operations.get("/v1/parked", views.ParkedPage)
    def list_all_parked(
        provider: Annotated[ProviderName | None, Query()] = None,
        kind: Annotated[Kind | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response[Any]:
        """List items that wait for an operator, the latest first; notices only when asked for."""
        return answer(200, views.ParkedPage(list_parked(services.database, provider, kind, limit)))

    @operations.get("/v1/parked/<parked_id>", views.WholeParked, 404)
    def show_parked(parked_id: UUID) -> Response[Any]:
        """Show a parked item with what the provider sent."""
        item = _found(services, parked_id)
        body = item.body.decode("utf-8", "replace") if item.body is not None else None
        return answer(200, views.WholeParked(**{**asdict(item), "body": body}))

    @operations.post("/v1/parked/<parked_id>/replay", views.Replayed, 404)
    def replay_parked(parked_id: UUID) -> Response[Any]:
        """Parse and record a parked item again; what is still not understood stays parked."""
        item = _found(services, parked_id)
        recorded = _replay(services, item)
        services.queue_turns(turns_of(recorded))
        outcomes: list[str] = [row.outcome for row in recorded]
        done = not {"parked", "noticed"} & set(outcomes)
        if done:
            mark_replayed(services.database, item.id, ", ".join(sorted(set(outcomes))))
        audit("parked_replayed", caller_of(app.current_event), parked_id=item.id, outcomes=outcomes)
        messages = [row.message_id for row in recorded if row.message_id]
        return answer(200, views.Replayed(item.id, done, outcomes, messages))


def _found(services: Services, parked_id: UUID) -> ParkedItem:
    item = find_parked(services.database, str(parked_id))
    if item is None:
        raise NotFound("there is no parked item with this id")
    return item


def _replay(services: Services, item: ParkedItem) -> list[Recorded]:
    """A refused item is already in our words; everything else is a webhook body to be parsed again."""
    if item.item is not None:
        return record_json(services.database, [item.item], item.received_at)
    if item.provider not in PROVIDERS:
        raise BadRequest("no provider's parser reads this item: it came out of the spill queue, and was none of ours")
    headers = {"content-type": item.content_type or "application/json"}
    request = RawRequest("POST", "", headers, item.body or b"")
    items = with_preferences(parser_named(item.provider)(request))
    return record_inbound(services.database, items, item.received_at)
