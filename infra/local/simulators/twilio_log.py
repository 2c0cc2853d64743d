"""The message log of a simulated Twilio account: every message in and out, listed newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from infra.local.simulators.contract import Sent

VERSION = "2010-04-01"
PAGE_SIZE, LARGEST_PAGE = 50, 1000


class MessageLog:
    """What Twilio keeps of each message, whether or not its webhook reached anybody."""

    def __init__(self, account_sid: str) -> None:
        self._account = account_sid
        self._messages: list[dict[str, Any]] = []
        self._media: dict[str, list[dict[str, Any]]] = {}

    def sent(self, sent: Sent) -> dict[str, Any]:
        """Keep a message of ours; the resource that answers the send."""
        form, at = sent.attempt.raw, datetime.fromtimestamp(sent.at, UTC)
        message = self._resource(sent.id, form["From"], form["To"], form.get("Body", ""), at, "outbound-api")
        count = "1" if form.get("MediaUrl") else "0"
        self._messages.append({**message, "status": "queued", "date_sent": None, "num_media": count})
        return dict(self._messages[-1])

    def settled(self, sid: str, error_code: str | None) -> None:
        """Know what became of a message of ours."""
        message = next(message for message in reversed(self._messages) if message["sid"] == sid)
        outcome = {"status": "failed", "error_code": int(error_code)} if error_code else {"status": "read"}
        message.update(outcome, date_sent=message["date_created"])

    def received(self, form: Mapping[str, str], at: float) -> None:
        """Keep a customer's message, by the parameters of its webhook."""
        sid, count = form["MessageSid"], form.get("NumMedia", "0")
        moment = datetime.fromtimestamp(at, UTC)
        message = self._resource(sid, form["From"], form["To"], form.get("Body", ""), moment, "inbound")
        self._messages.append({**message, "status": "received", "num_media": count})
        self._media[sid] = [
            {
                "sid": form[f"MediaUrl{index}"].rpartition("/")[2],
                "parent_sid": sid,
                "account_sid": self._account,
                "content_type": form.get(f"MediaContentType{index}", "application/octet-stream"),
                "uri": f"{self._uri(sid)}/Media/{form[f'MediaUrl{index}'].rpartition('/')[2]}.json",
            }
            for index in range(int(count) if count.isdigit() else 0)
            if f"MediaUrl{index}" in form
        ]

    def one(self, sid: str) -> dict[str, Any] | None:
        """A message by its sid."""
        return next((message for message in reversed(self._messages) if message["sid"] == sid), None)

    def media(self, sid: str) -> dict[str, Any]:
        """The files of a message."""
        return {"media_list": self._media.get(sid, []), "page": 0, "next_page_uri": None}

    def page(self, query: str) -> dict[str, Any]:
        """A page of the list; `DateSent`, with < or > before the sign of equality, compares days."""
        asked = dict(parse_qsl(query))
        size = min(int(asked.get("PageSize", PAGE_SIZE)), LARGEST_PAGE)
        found = [message for message in reversed(self._messages) if _fits(message, asked)]
        sids = [message["sid"] for message in found]
        start = sids.index(asked["PageToken"][2:]) + 1 if asked.get("PageToken", "")[2:] in sids else 0
        shown = found[start : start + size]
        following = None
        if start + size < len(found):
            token = {"Page": start // size + 1, "PageToken": f"PA{shown[-1]['sid']}"}
            following = f"/{VERSION}/Accounts/{self._account}/Messages.json?{urlencode({**asked, **token})}"
        return {
            "messages": shown,
            "page": int(asked.get("Page", 0)),
            "page_size": size,
            "start": start,
            "end": start + len(shown) - 1,
            "next_page_uri": following,
        }

    def _uri(self, sid: str) -> str:
        return f"/{VERSION}/Accounts/{self._account}/Messages/{sid}"

    def _resource(self, sid: str, sender: str, to: str, text: str, at: datetime, direction: str) -> dict[str, Any]:
        uri, moment = self._uri(sid), format_datetime(at)
        return {
            "account_sid": self._account,
            "api_version": VERSION,
            "body": text,
            "date_created": moment,
            "date_sent": moment,
            "date_updated": moment,
            "direction": direction,
            "error_code": None,
            "error_message": None,
            "from": sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": sid,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": to,
            "uri": f"{uri}.json",
        }


def _fits(message: dict[str, Any], asked: Mapping[str, str]) -> bool:
    day = parsedate_to_datetime(message["date_sent"] or message["date_created"]).date().isoformat()
    return (
        all(message[name.lower()] == asked[name] for name in ("To", "From") if name in asked)
        and day == asked.get("DateSent", day)[:10]
        and day >= asked.get("DateSent>", day)[:10]
        and day <= asked.get("DateSent<", day)[:10]
    )
