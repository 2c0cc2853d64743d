"""What the Graph API tells of our app, its tokens, subscriptions, numbers and templates; how a subscription is set.

https://developers.facebook.com/docs/graph-api/reference/app/subscriptions and
https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/override. An app acts with a token of
its own, `{app id}|{app secret}`; a WhatsApp Business Account (WABA) is managed with the access token of a system user.

Unsure, not tried on a live account: that a token may inspect itself (debug_token), and that the list of subscribed apps
tells the override of each.
"""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

from ventana.errors import Rejected, Throttled, Unavailable, Uncertain, Unreachable
from ventana.http import HttpRequest, Transport
from ventana.providers.answer import Answer
from ventana.providers.meta.codes import CODES
from ventana.providers.meta.send import GRAPH_VERSION
from ventana.providers.reading import Object, an_object, objects, text
from ventana.secrets import ProviderSecrets

FORM = "application/x-www-form-urlencoded"
WHATSAPP = "whatsapp_business_account"
OF_NUMBERS = "id,status,quality_rating,platform_type,code_verification_status,webhook_configuration"
OF_TEMPLATES = "id,name,language,status,category,components,parameter_format"
PASSING = (Throttled, Unreachable, Uncertain)
NOT_ACCEPTED = frozenset({"101", "102", "104", "190"})
"""Codes for tokens, and so for app secrets, that are none."""
NOT_VERIFIED = "2200"
"""Meta called the address, and was not answered with its challenge."""


class Told(Answer):
    """An answer, and what a refusal means."""

    __slots__ = ()

    @property
    def refused(self) -> bool:
        """Whether it is the token that was not accepted."""
        return self.code in NOT_ACCEPTED

    @property
    def code(self) -> str:
        """Meta's code of a refusal."""
        return text(an_object(self.content.get("error")).get("code"))

    @property
    def why(self) -> str:
        """A refusal in our words; Meta's own may quote what was sent."""
        known = CODES.get(self.code)
        code = f"error {self.code}" if self.code else f"status {self.status}"
        return f"{code}: {known[1]}" if known else code

    @property
    def data(self) -> list[Object]:
        """The objects of a list."""
        return [an_object(entry) for entry in objects(self.content.get("data"))]


class Graph:
    """The Graph API in one version. Every call raises Unavailable where nobody answers."""

    def __init__(self, secrets: ProviderSecrets, http: Transport) -> None:
        self._origin = f"https://graph.facebook.com/{secrets.get('graph_version') or GRAPH_VERSION}"
        self._http = http

    def token(self, token: str, inspector: str) -> Told:
        """What a token is good for, as another may see it, or it itself."""
        return self._told("GET", f"debug_token?{urlencode({'input_token': token})}", inspector)

    def whose(self, token: str) -> Told:
        """Who a token belongs to: any that is valid may ask that."""
        return self._told("GET", "me?fields=id", token)

    def subscriptions(self, app: str, secret: str) -> Told:
        """Where the app's webhooks go; refused where this is not its secret."""
        return self._told("GET", f"{_part(app)}/subscriptions", f"{app}|{secret}")

    def subscribe(self, app: str, secret: str, callback_url: str, verify_token: str, fields: list[str]) -> Told:
        """Send the app's webhooks here. Meta makes its handshake before it answers."""
        content = {
            "object": WHATSAPP,
            "callback_url": callback_url,
            "verify_token": verify_token,
            "fields": ",".join(fields),
            "include_values": "true",
        }
        return self._told("POST", f"{_part(app)}/subscriptions", f"{app}|{secret}", FORM, urlencode(content))

    def subscribed_apps(self, waba: str, token: str) -> Told:
        """Which apps get a WABA's webhooks, and where each of them has them sent."""
        return self._told("GET", f"{_part(waba)}/subscribed_apps", token)

    def override(self, waba: str, token: str, callback_url: str, verify_token: str) -> Told:
        """Subscribe the app to a WABA, and send that one's webhooks here whatever the app's own address is."""
        content = json.dumps({"override_callback_uri": callback_url, "verify_token": verify_token})
        return self._told("POST", f"{_part(waba)}/subscribed_apps", token, "application/json", content)

    def numbers(self, waba: str, token: str) -> Told:
        """The WABA's numbers, without the digits."""
        return self._told(
            "GET", f"{_part(waba)}/phone_numbers?{urlencode({'fields': OF_NUMBERS, 'limit': 100})}", token
        )

    def templates(self, waba: str, token: str, after: str = "") -> Told:
        """A page of the WABA's approved templates, from the one behind `after` on."""
        asked = {"fields": OF_TEMPLATES, "status": "APPROVED", "limit": 100, **({"after": after} if after else {})}
        return self._told("GET", f"{_part(waba)}/message_templates?{urlencode(asked)}", token)

    def _told(self, method: str, path: str, token: str, content_type: str = "", body: str = "") -> Told:
        headers = {"authorization": f"Bearer {token}", **({"content-type": content_type} if content_type else {})}
        told = Told.to(HttpRequest(method, f"{self._origin}/{path}", headers, body.encode()), self._http)
        # Too many calls, and trouble at Meta, come as a 400 as well: they say nothing about who asks.
        if not told.fine and issubclass(CODES.get(told.code, (Rejected, ""))[0], PASSING):
            raise Unavailable(f"the provider answered {told.why}")
        return told


def _part(name: str) -> str:
    return quote(name, safe="")
