"""What people do with a message: cancel it, try it again, say what became of it, show the customer that it was read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, cast
from uuid import UUID, uuid4

from aws_lambda_powertools.event_handler import Response

from ventana.api import views
from ventana.api.answers import answer, problem
from ventana.api.bodies import Api
from ventana.api.callers import audit, caller_of
from ventana.api.operations import Operations
from ventana.api.requests import ReadRequest, RetryRequest, SettleRequest
from ventana.api.services import Services
from ventana.api.windows import closed_at
from ventana.errors import Conflict, NotFound, UnsupportedByProvider, WindowClosed
from ventana.messages import DeliveryStatus
from ventana.providers import indications_named
from ventana.schema.messages import find_message
from ventana.schema.settle import cancel_message, retry_message, settle_message
from ventana.send_queue import Turn


def register(app: Api, services: Services) -> None:
    """Add the operations of deliveries."""
    operations = Operations(app, "messages")

    @operations.post("/v1/messages/<message_id>/cancel", views.Delivery, 404, 409)
    def cancel(message_id: UUID) -> Response[Any]:
        """Cancel a message that no provider has.

        `409 in_flight` where a provider has it or may have it, `409 too_late` where its delivery has ended.
        """
        caller = caller_of(app.current_event)
        cancel_message(services.database, str(message_id), caller)
        audit("message_cancelled", caller, message_id=str(message_id))
        return answer(200, views.Delivery(str(message_id), "cancelled"))

    @operations.post("/v1/messages/<message_id>/retry", views.Delivery, 404, 409, status=202)
    def retry(message_id: UUID, request: RetryRequest | None = None) -> Response[Any]:
        """Try a message again that failed or expired.

        Where a provider had it once, another message goes in its place: the answer has the id of the one that goes.
        """
        caller, wanted = caller_of(app.current_event), request or RetryRequest()
        expires_in = timedelta(seconds=wanted.expires_in)
        try:
            retried = retry_message(services.database, str(message_id), caller, expires_in, services.margin)
        except WindowClosed as error:
            raise WindowClosed(closed_at(services, str(message_id)), error.conversation_id) from error
        services.queue_turns(retried.turns(), _ticket())
        audit("message_retried", caller, message_id=str(message_id), sent_as=retried.message_id)
        return answer(202, views.Delivery(retried.message_id, _status(retried.outcome)))

    @operations.post("/v1/messages/<message_id>/settle", views.Delivery, 404, 409)
    def settle(message_id: UUID, request: SettleRequest) -> Response[Any]:
        """Say what became of a message whose delivery is uncertain.

        "untaken" sends it again, so be sure: the customer may get it twice. Not before its status had time to come:
        until then `409 too_early` says when (`settle_after`). `409 not_uncertain` where it is known already.
        """
        caller = caller_of(app.current_event)
        found = settle_message(services.database, str(message_id), request.outcome, caller, services.settle_after)
        if found.outcome == "too_early":
            text = "its status may still come by itself"
            return problem(409, "too_early", Conflict.title, detail=text, settle_after=found.settle_after)
        if found.outcome == "not_uncertain" or found.status is None:
            raise Conflict("not_uncertain", "it is known what became of it: look at its status")
        if found.status == "queued" and found.conversation_id:
            services.queue_turns([Turn(str(message_id), found.conversation_id, found.lane or "reply")], _ticket())
        audit("message_settled", caller, message_id=str(message_id), outcome=request.outcome, status=found.status)
        return answer(200, views.Delivery(str(message_id), _status(found.status)))

    @operations.post("/v1/messages/<message_id>/read", views.Indicated, 404, 409, status=202)
    def mark_read(message_id: UUID, request: ReadRequest | None = None) -> Response[Any]:
        """Show the customer that their message was read, or that an answer is being written.

        Nothing depends on it: it is shown soon, or never.
        """
        caller = caller_of(app.current_event)
        kind: Literal["read", "typing"] = "typing" if request and request.typing else "read"
        message = find_message(services.database, str(message_id))
        if message is None:
            raise NotFound("there is no message with this id")
        if message.role != "user" or message.provider_message_id is None:
            raise Conflict("not_received", "only what a customer wrote can be shown as read")
        indications = indications_named(message.provider)
        if indications is None or kind not in indications.KINDS:
            instead = "; it can show that an answer is being written" if indications and kind == "read" else ""
            raise UnsupportedByProvider("typing", f"this provider cannot show that{instead}")
        if not services.queue.indicate(kind, message.id, message.conversation_id):
            return problem(503, "queue_unavailable", "The queue did not answer")
        audit("message_indicated", caller, message_id=message.id, shown=kind)
        return answer(202, views.Indicated(message.id, kind))


def _status(found: str) -> DeliveryStatus:
    return cast("DeliveryStatus", found)


def _ticket() -> str:
    """A turn of its own: the queue drops what it was given under the same ticket within five minutes."""
    return f"again:{uuid4()}"
