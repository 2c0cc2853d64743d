"""Every kind of event that infra/events.json tells of really comes over the bus, and is as it says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from infra.events import EVENTS
from tests.functions.lambda_context import Context
from tests.functions.published import check
from tests.functions.sending import Desk, Peer
from tests.functions.test_webhooks import meta, text
from ventana.errors import Unacceptable
from ventana.schema.lifecycle import change_conversation
from ventana.schema.media import FileKey, Stored, claim_media, finish_failed, finish_stored

Rows = Callable[..., list[tuple[Any, ...]]]
Load = Callable[[str], Any]
Events = dict[str, Callable[..., dict[str, Any]]]
Bus = Callable[[], list[dict[str, Any]]]


def test_every_kind_of_event_is_published_as_its_schema_says(
    desk: Desk, peer: Peer, load: Load, events: Events, rows: Rows, bus: Bus
) -> None:
    image = {**text(1), "type": "image", "image": {"id": "1", "mime_type": "image/jpeg", "caption": "así"}}
    load("meta_webhook").handler(events["meta"](meta(text(2), image)), None)

    stopped = desk.accept(desk.customer("meta", wrote="23 hours 30 minutes"))
    peer.answer = (400, {"error": {"code": 190, "message": "expired"}})
    desk.deliver(stopped)
    peer.answer = None
    desk.time_passes()
    desk.turn()

    desk.customer("meta", wrote="25 hours")
    conversation, other = desk.customer("meta"), desk.customer("meta")
    database = desk.app.database
    for change, detail in (
        ("escalate", {"reason": "angry", "assignee": "ana"}),
        ("assign", {"assignee": None}),
        ("tag", {"add": ["vip"]}),
        ("note", {"body": "called back"}),
        ("resolve", {}),
        ("reopen", {}),
        ("close", {}),
        ("opt_out", {}),
        ("opt_in", {}),
    ):
        assert change_conversation(database, conversation, change, "operator", detail)  # type: ignore[arg-type]
    rows("select merge_conversations_v1(%s, %s, now())", conversation, other)

    ((message_id,),) = rows("select message_id::text from message_media")
    rows("insert into message_media (message_id, place, source, created_at) values (%s, 1, '{}', now())", message_id)
    for place in (0, 1):
        claim_media(database, FileKey(message_id, place), timedelta(minutes=1))
    finish_stored(database, FileKey(message_id, 0), 1, Stored("s3://files/1", "image/jpeg", 10))
    finish_failed(database, FileKey(message_id, 1), 1, Unacceptable("it is gone"), timedelta(0))

    load("window_sweep").handler({}, Context())
    heard = bus()
    for event in heard:
        check(event["detail-type"], event["detail"])
    assert {event["detail-type"] for event in heard} == {event.__name__ for event in EVENTS}
    assert {event["detail"]["change"] for event in heard if event["detail-type"] == "ConversationChanged"} == {
        "escalated",
        "assigned",
        "tagged",
        "noted",
        "resolved",
        "reopened",
        "closed",
        "opted_out",
        "opted_in",
    }
    assert rows("select count(*) from events where published_at is null") == [(0,)]
