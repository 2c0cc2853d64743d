"""The HTTP API of template.yaml on loopback: route, authorize, invoke, answer, with the limits that AWS has."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from infra.local.functions import Function
from infra.local.http_event import build_event, read_answer
from infra.local.http_server import HttpServer, Request, Response, json_response, problem
from infra.local.routes import Routes
from infra.local.template import Route

LARGEST_EVENT = 6 * 1024 * 1024
TOO_LARGE = json_response(413, {"message": "Request Entity Too Large"})
WRITE = "write"
"""The scope that the local system asks for before anything is changed."""
Authorizer: TypeAlias = Callable[[str], dict[str, Any] | None]
"""The claims of a token, or None when it is none of ours."""
LATE = frozenset({"Sandbox.Timedout", "Runtime.InitError", "TooManyRequestsException"})


class Gateway:
    """Listens at once, so that a port that is taken is known before anything else starts; serves from `open` on."""

    def __init__(self, port: int = 0) -> None:
        self._server = HttpServer(self._answer, port, TOO_LARGE)
        self._routes = Routes([])
        self._functions: Mapping[str, Function] = {}
        self._authorize: Authorizer = lambda token: None
        self._variables: Mapping[str, str] = {}
        self._playground: Callable[[Request], Response] | None = None
        self._seen: Callable[[Request], None] = lambda request: None
        self.url = self._server.url

    def open(
        self,
        routes: list[Route],
        functions: Mapping[str, Function],
        authorize: Authorizer,
        seen: Callable[[Request], None] | None = None,
        variables: Mapping[str, str] | None = None,
        playground: Callable[[Request], Response] | None = None,
    ) -> None:
        """Begin to serve. `seen` is told of each request that a function takes, after it was answered with 2xx.

        `variables` are those of the API's stage; `playground` answers what is below /playground, for who may write.
        """
        self._routes, self._functions, self._authorize = Routes(routes), functions, authorize
        self._seen, self._variables, self._playground = seen or self._seen, variables or {}, playground
        self._server.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.stop()

    def _answer(self, request: Request) -> Response:
        if self._playground is not None and request.path.split("/")[1:2] == ["playground"]:
            return self._play(request, self._playground)
        found = self._routes.find(request.method, request.path)
        if found is None:
            return json_response(404, {"message": "Not Found"})
        route, parameters = found
        claims = None
        if route.guarded:
            claims = self._authorize(bearer(request))
            if claims is None:
                return UNAUTHORIZED
        event = build_event(request, route, parameters, claims, self._variables)
        # Form bodies grow by a third on their way into the event, and the event is what Lambda limits.
        if len(request.body) > LARGEST_EVENT // 2 and len(json.dumps(event)) > LARGEST_EVENT:
            return TOO_LARGE
        response = self._invoke(route.function, event)
        if 200 <= response.status < 300:
            self._seen(request)
        return response

    def _play(self, request: Request, playground: Callable[[Request], Response]) -> Response:
        claims = self._authorize(bearer(request))
        if claims is None:
            return UNAUTHORIZED
        return playground(request) if WRITE in str(claims.get("scope")).split() else READ_ONLY

    def _invoke(self, name: str, event: Mapping[str, Any]) -> Response:
        invocation = self._functions[name].invoke(event)
        if invocation.error is not None:
            status = 503 if invocation.error.get("errorType") in LATE else 500
            return json_response(status, {"message": "Internal Server Error" if status == 500 else UNAVAILABLE})
        too_long = len(invocation.answer) > LARGEST_EVENT
        response = None if too_long else read_answer(invocation.answer)
        return response or json_response(500, {"message": "Internal Server Error"})


UNAVAILABLE = "Service Unavailable"
UNAUTHORIZED = problem(401, "unauthorized", "Send the header `Authorization: Bearer <token>` with a valid token")
READ_ONLY = problem(403, "read_only", "This token may read, and change nothing")


def bearer(request: Request) -> str:
    """The token that a request brings; empty where it brings none."""
    scheme, _, token = request.header("authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def known_tokens(claims: Mapping[str, Mapping[str, Any]]) -> Authorizer:
    """Knows these tokens and what each says of its owner. Stands where AWS checks a JWT."""

    def authorize(token: str) -> dict[str, Any] | None:
        held = [dict(of) for known, of in claims.items() if hmac.compare_digest(token.encode(), known.encode())]
        return held[0] if held else None

    return authorize
