"""What Twilio's API tells of an account, its WhatsApp senders and templates, and how a sender's webhooks are set.

https://www.twilio.com/docs/whatsapp/api/senders (v2): senders are listed by channel, and changed with JSON; a change is
answered with 202 and takes a moment, in which the sender is `ONLINE:UPDATING`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from ventana.http import HttpRequest, Transport
from ventana.providers.answer import Answer
from ventana.providers.reading import Object, an_object, objects, text
from ventana.providers.twilio.credentials import basic_of

ACCOUNTS = "https://api.twilio.com/2010-04-01/Accounts"
SENDERS = "https://messaging.twilio.com/v2/Channels/Senders"
CONTENTS = "https://content.twilio.com/v1/ContentAndApprovals"
MOST_PAGES = 20
MOST_CONTENT_PAGES = 200


class Told(Answer):
    """An answer, and what a refusal means."""

    __slots__ = ()

    @property
    def why(self) -> str:
        """Twilio's own code of a refusal, or its status; never Twilio's text, which may quote what was sent."""
        return f"error {text(self.content.get('code')) or self.status}"


class Console:
    """One account, seen with one of its auth tokens. Every call raises Unavailable where nobody answers."""

    def __init__(self, account_sid: str, auth_token: str, http: Transport) -> None:
        self._sid, self._http = account_sid, http
        self._headers = basic_of(account_sid, auth_token)

    def account(self) -> Told:
        """The account; 401 where the token is not its own."""
        return self._told("GET", f"{ACCOUNTS}/{quote(self._sid, safe='')}.json")

    def senders(self) -> tuple[Told, list[Object]]:
        """The last answer, and the WhatsApp senders; all of them where that answer is fine."""
        found: list[Object] = []
        for told in self._pages(SENDERS, "Channel=whatsapp&PageSize=50"):
            found += [sender for sender in map(an_object, objects(told.content.get("senders"))) if sid_of(sender)]
        return told, found

    def sender(self, sid: str) -> Told:
        """One sender, with more than the list tells."""
        return self._told("GET", f"{SENDERS}/{quote(sid, safe='')}")

    def set_webhook(self, sid: str, webhook: Object) -> Told:
        """Change where the sender's webhooks go."""
        return self._told("POST", f"{SENDERS}/{quote(sid, safe='')}", {"webhook": webhook})

    def contents(self) -> Iterator[Told]:
        """Pages of the account's Content templates, each with WhatsApp's decision about it."""
        return self._pages(CONTENTS, "PageSize=50", MOST_CONTENT_PAGES)

    def _pages(self, path: str, query: str, most: int = MOST_PAGES) -> Iterator[Told]:
        url = f"{path}?{query}"
        for _ in range(most):
            told = self._told("GET", url)
            yield told
            paging = [part for part in map(an_object, told.content.values()) if "next_page_url" in part]
            url = text(paging[0]["next_page_url"]) if paging else ""
            if not url.startswith(f"{path}?"):  # the last page, or one to which our credentials must not go
                return

    def _told(self, method: str, url: str, content: Object | None = None) -> Told:
        headers = dict(self._headers)
        if content is not None:
            headers["content-type"] = "application/json"
        body = b"" if content is None else json.dumps(content).encode()
        return Told.to(HttpRequest(method, url, headers, body), self._http)


def sid_of(sender: Object) -> str:
    """The sender's own id, which is no phone number."""
    return text(sender.get("sid"))
