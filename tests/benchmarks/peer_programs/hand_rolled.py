"""Starlette and asyncpg, as an engineer who knows both would write it in an afternoon.

Does: the handshake; the signature over the raw body, in constant time; every entry, change, message and status; an item
that cannot be read is logged and skipped, so that its neighbours are stored; one transaction, committed before the 200;
anything else is a 500, and Meta sends it again. asyncpg's pool as it comes (it resets a connection that is given back).
Does not: keep what it skipped, rotate secrets, store anything of a message but its text, wait for a status whose
message is not known yet.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.benchmarks.peer_programs.tables import APP_SECRET, DSN, PATH, SCHEMA, STATUS, UPSERT, VERIFY_TOKEN

log = logging.getLogger(__name__)
Statement = tuple[str, tuple[Any, ...]]


async def challenge(request: Request) -> Response:
    """Meta's handshake."""
    if hmac.compare_digest(request.query_params.get("hub.verify_token", "").encode(), VERIFY_TOKEN.encode()):
        return PlainTextResponse(request.query_params.get("hub.challenge", ""))
    return Response(status_code=403)


async def receive(request: Request) -> Response:
    """Verify, parse, store, answer."""
    body = await request.body()
    signature = "sha256=" + hmac.digest(APP_SECRET.encode(), body, "sha256").hex()
    if not hmac.compare_digest(signature.encode(), request.headers.get("x-hub-signature-256", "").encode()):
        return Response(status_code=403)
    statements = list(_statements(json.loads(body)))
    async with request.app.state.pool.acquire() as connection:
        if len(statements) == 1:  # a transaction by itself, in one round trip
            await connection.execute(statements[0][0], *statements[0][1])
        elif statements:
            async with connection.transaction():
                for statement, values in statements:
                    await connection.execute(statement, *values)
    return Response(status_code=200)


def _statements(payload: dict[str, Any]) -> Iterator[Statement]:
    for entry in payload.get("entry", []):
        for change in entry.get("changes", []):
            value = change.get("value", {})
            names = {c.get("wa_id"): c.get("profile", {}).get("name") for c in value.get("contacts", [])}
            for read, items in ((_message, value.get("messages", [])), (_status, value.get("statuses", []))):
                for item in items:
                    try:
                        yield read(value, item, names)
                    except (KeyError, TypeError, ValueError, AttributeError) as error:
                        log.warning("item skipped: %s", type(error).__name__)


def _message(value: dict[str, Any], item: dict[str, Any], names: dict[str, str]) -> Statement:
    return UPSERT, (
        item["id"],
        value["metadata"]["phone_number_id"],
        item["from"],
        item["type"],
        item["text"]["body"] if item["type"] == "text" else None,
        datetime.fromtimestamp(int(item["timestamp"]), UTC),
        json.dumps(item),
        names.get(item["from"]),
    )


def _status(value: dict[str, Any], item: dict[str, Any], names: dict[str, str]) -> Statement:
    return STATUS, (item["id"], item["status"])


@asynccontextmanager
async def _lifespan(application: Starlette) -> AsyncIterator[None]:
    async with asyncpg.create_pool(DSN, min_size=1, server_settings={"search_path": SCHEMA}) as pool:
        application.state.pool = pool
        yield


app = Starlette(
    routes=[Route(PATH, challenge, methods=["GET"]), Route(PATH, receive, methods=["POST"])], lifespan=_lifespan
)
