"""Twilio's SDK over our transport; imported by senders only, because the SDK is slow to load."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from twilio.http import HttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from ventana.http import HttpRequest, Transport


def twilio_client(account_sid: str, auth_token: str, http: Transport) -> Any:
    """Make a client whose every request goes through `http`."""
    return Client(account_sid, auth_token, http_client=TransportClient(http))


class TransportClient(HttpClient):  # type: ignore[misc]
    """The SDK's HTTP client without a session, retries or logs of its own: those logs hold texts and numbers."""

    def __init__(self, http: Transport) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False)
        self._http = http

    def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Carry one request of the SDK; time limits are the transport's."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if auth:
            sent["authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
        url = f"{uri}?{urlencode(params, doseq=True)}" if params else uri
        body = urlencode(data or {}, doseq=True, errors="replace").encode()
        reply = self._http(HttpRequest(method, url, sent, body))
        return Response(reply.status, reply.body.decode("utf-8", "replace"))
