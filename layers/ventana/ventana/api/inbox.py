"""What a console shows beside lists: a conversation's bubbles, what has changed, files, and what somebody has seen."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from ventana.api import inbox_views, views
from ventana.api.answers import answer
from ventana.api.bodies import Api
from ventana.api.conversations import found_conversation, shown
from ventana.api.cursor import Cursor, Moment, cursor_to, cursor_to_moment, moment_of, place_of
from ventana.api.operations import Operations
from ventana.api.services import Services
from ventana.errors import Conflict, NotFound
from ventana.media_links import MediaLinks
from ventana.schema.bubbles import bubbles_of, bubbles_with
from ventana.schema.changes import changes_since, moment
from ventana.schema.conversation_lists import conversations_of
from ventana.schema.media import FileKey, find_copy
from ventana.schema.message_pages import NEWEST
from ventana.schema.reads import see_conversation


def register(app: Api, services: Services) -> None:
    """Add these operations."""
    operations = Operations(app, "conversations")
    links = MediaLinks(services.settings.media_bucket)

    @operations.get("/v1/conversations/<conversation_id>/messages", inbox_views.BubblePage, 404)
    def list_bubbles(
        conversation_id: UUID,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[Cursor | None, Query(description="`next_cursor` of the page before.")] = None,
    ) -> Response[Any]:
        """List a conversation's messages as people know them, the newest first.

        Reactions, edits and deletions show on the message that they mean, and are messages of their own only where
        that is not known.
        """
        found = found_conversation(services, conversation_id)
        place = place_of(cursor) if cursor else NEWEST
        bubbles, follows = bubbles_of(services.database, found.id, limit, place)
        return answer(200, inbox_views.BubblePage(bubbles, cursor_to(follows) if follows else None))

    @operations.put("/v1/conversations/<conversation_id>/seen", views.Changed, 404)
    def see(conversation_id: UUID) -> Response[Any]:
        """Note that somebody has seen all that the customer wrote; nobody else is told, and no history keeps it."""
        return answer(
            200, views.Changed(str(conversation_id), see_conversation(services.database, str(conversation_id)))
        )

    @operations.get("/v1/messages/<message_id>/media/<place>", inbox_views.MediaLink, 404, 409)
    def link_media(message_id: UUID, place: Annotated[int, Path(ge=0, le=10_000)]) -> Response[Any]:
        """Give a link to our copy of a file of a message: good for five minutes, and for whoever has it.

        Pictures, sound and films may be shown from it, everything else is saved. `409 not_stored` while there is no
        copy: `media` of the message says why.
        """
        found = find_copy(services.database, FileKey(str(message_id), place))
        if found is None:
            raise NotFound("the message has no file in this place")
        if found.state != "stored" or not found.reference or not links.holds(found.reference):
            raise Conflict("not_stored", "there is no copy of this file that could be shown")
        link = links.link(found.reference, found.content_type, found.filename)
        return answer(200, inbox_views.MediaLink(*link))

    @operations.get("/v1/changes", inbox_views.Changes)
    def list_changes(
        since: Annotated[
            Moment | None, Query(description="`cursor` of the answer before; without it: where to begin.")
        ] = None,
        conversation_id: Annotated[UUID | None, Query(description="Whose messages and history are wanted.")] = None,
    ) -> Response[Any]:
        """Say what has changed since a cursor: made to be asked every second.

        What is told may be told again for a few seconds: go by the ids. With `reload` (more than 200 conversations
        changed, or the cursor is older than an hour) read the lists anew and go on with `cursor`.
        """
        if since is None:
            cursor = cursor_to_moment(moment(services.database))
            return answer(200, inbox_views.Changes(cursor, [], [], [], [], reload=False))
        asked = str(conversation_id) if conversation_id else None
        found = changes_since(services.database, moment_of(since), asked)
        conversations = conversations_of(services.database, found.conversations)
        bubbles = bubbles_with(services.database, asked, found.messages) if asked else []
        return answer(
            200,
            inbox_views.Changes(
                cursor_to_moment(found.at),
                [shown(services, each) for each in conversations],
                bubbles,
                found.history,
                found.gone,
                found.reload,
            ),
        )
