"""What Meta says became of a message that we sent."""

from __future__ import annotations

from collections.abc import Iterator

from ventana.messages import ReportedStatus, StatusUpdate
from ventana.providers.meta.codes import CODES
from ventana.providers.meta.envelope import META, Change
from ventana.providers.parking import Poison
from ventana.providers.reading import Object, an_object, moment, objects, text, uuid
from ventana.providers.refusal import may_go_again, meaning, opts_out, shuts_window

STATUS: dict[str, ReportedStatus] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "played": "read",  # a voice note was listened to
    "failed": "failed",
}
IGNORED = {"deleted", "warning"}  # of the first years of the API, without a meaning for delivery


def status_of(change: Change, raw: Object) -> Iterator[StatusUpdate]:
    """Read one status. It names the message by Meta's id, and by ours where we gave it with the message."""
    status = text(raw.get("status"))
    if status in IGNORED:
        return
    if status not in STATUS or not text(raw.get("id")):
        raise Poison("status not known")
    error = an_object(next(iter(objects(raw.get("errors"))), None))
    code = text(error.get("code")) or None
    why_failed = code if STATUS[status] == "failed" else None
    yield StatusUpdate(
        provider=META,
        business_address=change.business_address,
        provider_message_id=text(raw["id"]),
        status=STATUS[status],
        at=moment(raw.get("timestamp")),
        message_id=uuid(raw.get("biz_opaque_callback_data")),
        error_code=code,
        error_text=_error_text(error) or meaning(code, CODES),
        window_shut=shuts_window(why_failed, CODES),
        opted_out=opts_out(why_failed, CODES),
        retryable=may_go_again(why_failed, CODES),
        raw=raw,
    )


def _error_text(error: Object) -> str | None:
    details = an_object(error.get("error_data")).get("details")
    parts = [text(error.get("title")) or text(error.get("message")), text(details)]
    return ": ".join(dict.fromkeys(part for part in parts if part))[:500] or None
