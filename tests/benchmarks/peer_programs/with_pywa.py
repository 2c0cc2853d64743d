"""pywa 4.5 on FastAPI as its documentation shows it: an async client, signatures validated, handlers by decorator.

Does: the handshake, the signature, the types of every update, and by default drops what it has seen since it started
and what is for another phone number. Our handlers commit with asyncpg, one statement each.
Does not: read more than the first message of the first change of the first entry; let a handler's failure be seen by
who called: it is logged and answered 200, so an application that wants Meta to try again has to carry the failure past
pywa by itself.

Twice. `answers_first` has pywa put its routes into the application, which is what the documentation shows first; these
answer before the handlers run. `commits_first` has a route of its own that calls pywa's `webhook_update_validator` and
awaits its `webhook_update_handler`, both public for servers of one's own, so that the 200 comes after the commit.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request, Response
from pywa_async import WhatsApp, types

from tests.benchmarks.peer_programs.tables import APP_SECRET, DSN, PATH, SCHEMA, STATUS, UPSERT, VERIFY_TOKEN

PHONE_ID = "1065550001110000"


def answers_first() -> FastAPI:
    """With pywa's own routes."""
    app = _application()
    _handled(app, WhatsApp(server=app, webhook_endpoint=PATH, verify_token=VERIFY_TOKEN, **_credentials()))
    return app


def commits_first() -> FastAPI:
    """With a route that waits for the handlers."""
    app = _application()
    wa = WhatsApp(server=None, verify_token=VERIFY_TOKEN, **_credentials())
    _handled(app, wa)

    @app.post(PATH)  # type: ignore[untyped-decorator]  # of a package that is not in .venv; so below
    async def receive(request: Request) -> Response:
        body = await request.body()
        refused = await wa.webhook_update_validator(body, request.headers.get("x-hub-signature-256"))
        content, status = refused or await wa.webhook_update_handler(body)
        return Response(content, status)

    return app


def _credentials() -> dict[str, str]:
    return {"phone_id": PHONE_ID, "token": "EAAG-token", "app_secret": APP_SECRET}


def _handled(app: FastAPI, wa: WhatsApp) -> None:
    @wa.on_message  # type: ignore[untyped-decorator]
    async def store(_: WhatsApp, message: types.Message) -> None:
        await app.state.pool.execute(
            UPSERT,
            message.id,
            message.metadata.phone_number_id,
            message.from_user.wa_id,
            message.type.value,
            message.text,
            message.timestamp,
            json.dumps(message.raw),
            message.from_user.name,
        )

    @wa.on_message_status  # type: ignore[untyped-decorator]
    async def update(_: WhatsApp, status: types.MessageStatus) -> None:
        await app.state.pool.execute(STATUS, status.id, status.status.value)


def _application() -> FastAPI:
    return FastAPI(lifespan=_lifespan)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(DSN, min_size=1, server_settings={"search_path": SCHEMA}) as pool:
        app.state.pool = pool
        yield
