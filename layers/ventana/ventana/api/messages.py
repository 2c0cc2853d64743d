"""Sending messages and seeing what became of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query

from ventana.api import views
from ventana.api.acceptance import content_of, outbound_request
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.callers import audit, caller_of
from ventana.api.contents import as_request
from ventana.api.cursor import Cursor, cursor_to, place_of
from ventana.api.examples import MESSAGES
from ventana.api.operations import Operations
from ventana.api.requests import ProviderName, SendRequest
from ventana.api.services import Services
from ventana.errors import NotFound
from ventana.messages import DeliveryStatus
from ventana.schema.message_pages import NEWEST, list_messages
from ventana.schema.messages import StatusChange, WholeMessage, find_message, history_of
from ventana.schema.outbound import accept_outbound, find_target
from ventana.telemetry import count


def register(app: Api, services: Services) -> None:
    """Add the operations of messages."""
    operations = Operations(app, "messages")

    @operations.post("/v1/messages", views.Accepted, 404, 409, status=202)
    def send_message(
        request: Annotated[SendRequest, Body(openapi_examples=MESSAGES)],
        key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                min_length=1,
                max_length=255,
                pattern=r"^[!-~]+$",
                description="The same key and request are accepted once, for eight days, and answered the same.",
            ),
        ] = None,
    ) -> Response[Any]:
        """Take a message in, to be sent as soon as it may be.

        The window decides at once: without a template for this case, `409 window_closed` says when it closed. A long
        text may become several messages. What the provider cannot send is refused (422) before anything is accepted.
        """
        caller, content = caller_of(app.current_event), content_of(request)
        provider = request.provider or find_target(services.database, str(request.conversation_id)).provider
        wanted = outbound_request(request, content, provider, caller, key)
        accepted = accept_outbound(services.database, wanted, services.margin)
        count("OutboundAccepted")
        services.queue_turns(accepted.turns(wanted.lane))
        ids = list(accepted.message_ids)
        audit("message_accepted", caller, message_ids=ids, conversation_id=accepted.conversation_id)
        return answer(202, views.Accepted(ids[0], ids, accepted.status, accepted.conversation_id))

    @operations.get("/v1/messages", views.MessagePage)
    def list_all_messages(
        status: Annotated[DeliveryStatus | None, Query()] = None,
        provider: Annotated[ProviderName | None, Query()] = None,
        conversation_id: Annotated[UUID | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[Cursor | None, Query(description="`next_cursor` of the page before.")] = None,
    ) -> Response[Any]:
        """List messages, the newest first.

        Messages that failed, expired or were cancelled are found by that status for 30 days.
        """
        found, follows = list_messages(
            services.database,
            status,
            provider,
            str(conversation_id) if conversation_id else None,
            limit,
            place_of(cursor) if cursor else NEWEST,
        )
        return answer(200, views.MessagePage(found, cursor_to(follows) if follows else None))

    @operations.get("/v1/messages/<message_id>", views.WholeMessage, 404)
    def show_message(message_id: UUID) -> Response[Any]:
        """Show a message with its delivery status and how it came to it."""
        message = find_message(services.database, str(message_id))
        if message is None:
            raise NotFound("there is no message with this id")
        return answer(200, whole(message, history_of(services.database, message.id)))


def whole(message: WholeMessage, history: list[StatusChange]) -> views.WholeMessage:
    """The row in words of the API."""
    wishes, fallback = message.wishes or {}, as_request((message.wishes or {}).get("fallback"))
    fields = asdict(message)
    for name in ("asked_for", "wishes", "attempts", "sent_as"):
        del fields[name]
    given = sum(change.status == "sending" and change.cause == "sender" for change in history)
    return views.WholeMessage(
        **fields,
        status=fields["delivery_status"],
        history=history,
        message=as_request(message.asked_for),
        sent_as=as_request(message.sent_as),
        reply_to=wishes.get("reply_to"),
        if_window_closed=wishes.get("if_window_closed"),
        fallback_template=fallback["template"] if fallback else None,
        lane=wishes.get("lane"),
        attempts=given if message.attempts is None else message.attempts,
        accepted_by=wishes.get("accepted_by"),
    )
