"""The inbound paragraph that every webhook function shares: verify → parse → take in → acknowledge.

    from ventana.webhook import webhook
    handler = webhook("meta")

Answers: the provider's own 2xx once everything is committed, or waits in the spill queue; 403 where nobody we know
signed it (nothing was parsed or stored); 503 where it could not be stored, so that providers that retry do.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ventana.breaker import Breaker
from ventana.errors import BadSignature, NotConfigured, StorageUnavailable, VentanaError
from ventana.intake import EVENTS_SECONDS, TURNS_SECONDS, Intake
from ventana.messages import Item, Parked
from ventana.outbox import Outbox
from ventana.providers import provider_named
from ventana.providers.base import Acknowledgement, Provider, RawRequest
from ventana.schema.connection import STATEMENT_SPARE_SECONDS, Database
from ventana.schema.deadline import LOOK_SECONDS
from ventana.secrets import ProviderSecrets, SecretStore
from ventana.send_queue import SendQueue
from ventana.settings import Settings
from ventana.spill_queue import spill_queue
from ventana.telemetry import beside_metrics, count, counted, log_bug, logger, measured, of_provider

SPARE_SECONDS = STATEMENT_SPARE_SECONDS + LOOK_SECONDS
"""How much longer than its time-out a statement may take that only the watchdog ends."""

Event: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Event, object], dict[str, Any]]


def webhook(
    provider_name: str,
    settings: Settings | None = None,
    secrets: SecretStore | None = None,
    database: Database | None = None,
) -> Handler:
    """Make the Lambda handler of a provider's webhook, fed with API Gateway HTTP API v2 events."""
    provider = provider_named(provider_name)
    settings = settings or Settings.from_environment()
    secrets = secrets or SecretStore()
    database = database or Database(settings, secrets)
    intake = _intake(settings, database)

    @measured
    def handler(event: Event, context: object) -> dict[str, Any]:
        started = time.perf_counter()
        of_provider(provider.name)
        try:
            request = raw_request(event, settings.public_base_url)
            answer = _receive(provider, request, secrets, settings, intake)
        except VentanaError as error:
            answer = _refuse(provider, error)
        told = {"status": answer.status, "duration_ms": round((time.perf_counter() - started) * 1000, 1)}
        if counted():
            beside_metrics(told)  # one line for each webhook: a second would cost as much again
        else:
            logger.info("webhook", extra={"provider": provider.name, **told})
        return _response(answer)

    return handler


def _intake(settings: Settings, database: Database) -> Intake:
    database_seconds = settings.database_timeout_ms / 1000
    patience_seconds = database_seconds + SPARE_SECONDS + 2 * settings.spill_timeout_ms / 1000
    # A call that took half of what it may take was not refused: it was waited for in vain.
    breaker = Breaker(database_seconds / 2)
    return Intake(
        database,
        spill_queue(settings),
        breaker,
        patience_seconds,
        media_queue_url=settings.media_queue_url,
        send_queue=SendQueue(settings.send_queue_urls(), TURNS_SECONDS) if settings.send_queue_url else None,
        outbox=Outbox(database, settings.event_bus_name, call_seconds=EVENTS_SECONDS),
    )


def raw_request(event: Event, public_base_url: str = "") -> RawRequest:
    """The request inside an HTTP API v2 event, its body decoded once.

    Without `public_base_url` the URL is built from the API's id, which AWS sets, never from the Host header.
    """
    context: Mapping[str, Any] = event.get("requestContext") or {}
    http: Mapping[str, Any] = context.get("http") or {}
    base = public_base_url or f"https://{context.get('domainName', 'localhost')}"
    query = event.get("rawQueryString") or ""
    body = event.get("body") or ""
    return RawRequest(
        method=str(http.get("method", "POST")).upper(),
        url=base + str(event.get("rawPath") or "/") + (f"?{query}" if query else ""),
        headers={str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()},
        body=_decoded(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass"),
    )


def _decoded(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("the body is not what API Gateway sends") from None


def _receive(
    provider: Provider, request: RawRequest, secrets: SecretStore, settings: Settings, intake: Intake
) -> Acknowledgement:
    secret_id = settings.secret_id(provider.name)
    try:
        challenged = _known(provider, request, secrets.of(provider.name, secret_id))
    except BadSignature:
        # Perhaps the provider has a value that this container has not read yet.
        newer = secrets.newer(provider.name, secret_id)
        if newer is None:
            raise
        challenged = _known(provider, request, newer)
    if challenged is not None:
        return challenged
    _count(provider, intake.take(_parsed(provider, request)))
    return provider.acknowledgement


def _known(provider: Provider, request: RawRequest, credentials: ProviderSecrets) -> Acknowledgement | None:
    """Let pass what the provider signed; its handshake, which asks for an answer, gets it."""
    challenged = provider.challenge(request, credentials)
    if challenged is None:
        provider.verify(request, credentials)
    return challenged


def _parsed(provider: Provider, request: RawRequest) -> list[Item]:
    """Parse, and park the whole body if the adapter fails on it: a bug of ours must not lose a customer's message."""
    try:
        return provider.parse(request)
    except Exception as error:
        log_bug("parse_failed", error, provider=provider.name)
        content_type = request.headers.get("content-type", "application/json")
        return [Parked(provider.name, f"parse failed: {type(error).__name__}", request.body, content_type)]


def _count(provider: Provider, outcomes: Mapping[str, int]) -> None:
    for outcome, number in outcomes.items():
        count(f"Inbound{outcome.title()}", number)
    if "parked" in outcomes:
        logger.warning("items_parked", extra={"provider": provider.name, "parked": outcomes["parked"]})


def _refuse(provider: Provider, error: VentanaError) -> Acknowledgement:
    count(type(error).__name__)
    level = logger.error if isinstance(error, StorageUnavailable | NotConfigured) else logger.warning
    level("webhook_refused", extra={"provider": provider.name, "code": error.code, "reason": str(error)})
    problem = {"type": "about:blank", "title": error.title, "status": error.http_status, "code": error.code}
    return Acknowledgement(error.http_status, "application/problem+json", json.dumps(problem))


def _response(answer: Acknowledgement) -> dict[str, Any]:
    return {
        "statusCode": answer.status,
        "headers": {"content-type": answer.content_type},
        "body": answer.body,
        "isBase64Encoded": False,
    }
