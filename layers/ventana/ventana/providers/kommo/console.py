"""What Kommo's API tells of our account and its webhooks, and how one is set.

`/api/v4/webhooks` wants an administrator of the account. Unsure, not tried on a live account: that a POST for a
destination that is there already changes its settings, and that it does not switch on one that Kommo has switched off;
so such a one is removed first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ventana.http import HttpRequest, Transport
from ventana.providers.answer import Answer
from ventana.providers.reading import Object, an_object, objects, text
from ventana.secrets import ProviderSecrets

WORDS = {
    401: "the access token was not accepted",
    402: "the account's plan does not include it",
    403: "the access token may not do that, or the account is blocked for too many calls",
}


class Told(Answer):
    """An answer, and what a refusal means."""

    __slots__ = ()

    @property
    def why(self) -> str:
        """A refusal in our words."""
        said = WORDS.get(self.status)
        return f"status {self.status}: {said}" if said else f"status {self.status}"


class Console:
    """One account, seen with one of its access tokens. Every call raises Unavailable where nobody answers."""

    def __init__(self, secrets: ProviderSecrets, token: str, http: Transport) -> None:
        self._origin, self._http = f"https://{secrets.first('subdomain')}.kommo.com/api/v4", http
        self._headers = {"authorization": f"Bearer {token}", "accept": "application/json"}

    def account(self) -> Told:
        """The account that the token belongs to."""
        return self._told("GET", "account")

    def contacts(self) -> Told:
        """One contact, to see whether contacts may be read."""
        return self._told("GET", "contacts?limit=1")

    def hooks(self) -> tuple[Told, list[Object]]:
        """The answer, and every webhook of the account, whosever it is."""
        told = self._told("GET", "webhooks")
        listed = objects(an_object(told.content.get("_embedded")).get("webhooks"))
        return told, [an_object(hook) for hook in listed if text(an_object(hook).get("destination"))]

    def add(self, destination: str, settings: Sequence[str]) -> Told:
        """Set a webhook, or change what it is called for."""
        return self._told("POST", "webhooks", {"destination": destination, "settings": list(settings), "sort": 10})

    def remove(self, destination: str) -> Told:
        """Take a webhook away."""
        return self._told("DELETE", "webhooks", {"destination": destination})

    def _told(self, method: str, path: str, content: Object | None = None) -> Told:
        headers = dict(self._headers)
        if content is not None:
            headers["content-type"] = "application/json"
        body = b"" if content is None else json.dumps(content).encode()
        return Told.to(HttpRequest(method, f"{self._origin}/{path}", headers, body), self._http)
