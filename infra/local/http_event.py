"""Between HTTP and Lambda: the events and answers of an API Gateway HTTP API, payload format 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from infra.local.http_server import Request, Response, json_response
from infra.local.template import Route

TEXT = re.compile(r"text/.*|application/(json|javascript|xml|.+\+json|.+\+xml)")
API_ID = "local"


def build_event(
    request: Request,
    route: Route,
    parameters: dict[str, str],
    claims: dict[str, Any] | None = None,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The event that AWS would send for this request.

    `claims` are those of a token that was accepted, `variables` those of the API's stage.
    """
    headers, cookies = _headers(request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": _context(request, route, headers),
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        event["queryStringParameters"] = _joined(parse_qsl(request.query, keep_blank_values=True))
    if variables:
        event["stageVariables"] = dict(variables)
    if parameters:
        event["pathParameters"] = parameters
    if claims is not None:
        event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request.body, headers)
    return event


def read_answer(answer: bytes) -> Response | None:
    """The HTTP response that a function's answer means; None when API Gateway would not understand it."""
    content = json.loads(answer)
    if not isinstance(content, dict) or "statusCode" not in content:
        # Format 2.0 takes anything else for the body of a 200.
        return json_response(200, content)
    status, body = content["statusCode"], content.get("body") or ""
    if not isinstance(body, str) or not str(status).isdigit():
        return None
    try:
        raw = base64.b64decode(body, validate=True) if content.get("isBase64Encoded") else body.encode()
    except binascii.Error:
        return None
    given = {str(name).lower(): str(value) for name, value in (content.get("headers") or {}).items()}
    headers = {name: value for name, value in given.items() if name not in ("content-length", "connection")}
    return Response(int(status), raw, {"content-type": "text/plain;charset=UTF-8", **headers}, _cookies(content))


def _cookies(content: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(cookie) for cookie in content.get("cookies") or [])


def _headers(request: Request) -> tuple[dict[str, str], list[str]]:
    cookies = [part.strip() for name, value in request.headers if name == "cookie" for part in value.split(";")]
    return _joined([(name, value) for name, value in request.headers if name != "cookie"]), cookies


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    # Several of one name become one, separated by commas.
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _context(request: Request, route: Route, headers: dict[str, str]) -> dict[str, Any]:
    now = time.time()
    return {
        "accountId": "123456789012",
        "apiId": API_ID,
        "domainName": headers.get("host", "localhost"),
        "domainPrefix": API_ID,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.client,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": uuid4().hex[:15] + "=",
        "routeKey": route.key,
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }


def _body(body: bytes, headers: dict[str, str]) -> tuple[str, bool]:
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if TEXT.fullmatch(kind) and "content-encoding" not in headers:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # declared as text, and is none: its bytes must survive
    return base64.b64encode(body).decode(), True
