"""The checks, from the outside in: the API, each provider, what only the inside tells, what operators should see."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import urllib3

from infra.doctor.line import Line, lines_of
from infra.doctor.place import Place
from ventana.errors import SendError
from ventana.http import HttpRequest
from ventana.providers import PROVIDERS, connecting_named, probing_named
from ventana.providers.connecting import KEYS, Probe, host_of, lacks

CLOCK_SECONDS = 60.0
MANY = 200
Objects: TypeAlias = list[dict[str, Any]]
OTHERS = (
    "the function holds another secret than this (it keeps one for up to five minutes), or signatures are verified for "
    "another address: see PublicBaseUrl"
)
ADVICE = {
    403: OTHERS,
    404: "the address leads to no route: see the parameter PublicBaseUrl, and the domain's mapping",
    429: "too much comes in at once: see RequestsPerSecond and the account's Lambda concurrency",
    503: "the function cannot read its secret, or cannot be started: see its log",
}


def examine(place: Place) -> Iterator[Line]:
    """Everything, a line at a time."""
    health = list(_api(place))
    yield from health
    reachable = health[0].level == "ok" or len(health) > 1
    for provider in PROVIDERS:
        yield from _provider(place, provider, reachable)
    yield from place.inside.deployment()
    yield from place.inside.migrations()
    yield from place.inside.queues()
    yield from place.inside.sweep()
    if reachable:
        yield from _operators(place)


def _api(place: Place) -> Iterator[Line]:
    """How the API is, and what its clock says."""
    url = f"{place.api}/v1/health"
    try:
        reply = urllib3.request("GET", url, timeout=urllib3.Timeout(5.0, read=20.0), retries=False, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        advice = "start it with `make run`, or see that the stack is deployed and that its domain leads there"
        yield Line("problem", f"the API at {host_of(url)} does not answer ({type(error).__name__})", advice)
        return
    if reply.status == 200:
        yield Line("ok", "the API answers, and so does its database")
    elif reply.status == 503:
        advice = "see that Postgres runs and has connections left; meanwhile webhooks wait in the spill queue"
        yield Line("problem", "the API answers, but its database does not", advice)
    else:
        yield Line("problem", f"the API answers with {reply.status}", "see the log of the function Api")
    yield _clock(reply.headers.get("date", ""))


def _clock(date: str) -> Line:
    try:
        ahead = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Line("warning", "the server does not tell its time")
    if abs(ahead) <= CLOCK_SECONDS:
        return Line("ok", "this machine's clock agrees with the server's")
    what = f"this machine's clock is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} the server's"
    return Line("warning", what, "set the clock: signatures of AWS and tokens are refused when it is off by minutes")


def _provider(place: Place, provider: str, reachable: bool) -> Iterator[Line]:
    secrets, connecting, probing = place.secrets[provider], connecting_named(provider), probing_named(provider)
    if isinstance(secrets, str):
        yield Line("problem", f"{provider}: {secrets}", f"put a JSON object into it; {KEYS}")
        return
    if connecting:
        yield from lines_of(provider, connecting.check(place.origin, secrets, place.providers))
    if probing and reachable and not (connecting and lacks(secrets, connecting.NEEDED)):
        for probe in probing.probes(place.origin, secrets):
            yield _tried(place, provider, probe)


def _tried(place: Place, provider: str, probe: Probe) -> Line:
    what = f"{provider}: {probe.what}"
    try:
        reply = place.web(probe.request)
    except SendError as error:
        advice = "see that the domain leads to the API and its certificate is valid"
        return Line("problem", f"{provider}: nobody answers where webhooks go: {error}", advice)
    if reply.status == probe.status and probe.body in (None, reply.body):
        return Line("ok", what)
    if probe.status >= 400 and reply.status < 400:
        advice = "somebody else answers at this address, or a proxy before it does: nothing there can be trusted"
        return Line("problem", f"{what}: no, it was answered with {reply.status}", advice)
    if reply.status == probe.status:
        return Line("problem", f"{what}: no, something else came back", "see whether a proxy changes answers")
    return Line("problem", f"{what}: no, it was answered with {reply.status}", ADVICE.get(reply.status, ADVICE[503]))


def _operators(place: Place) -> Iterator[Line]:
    """What waits for a person, as the API tells it."""
    if not place.token:
        yield Line("warning", "what waits for operators was not looked at", "give a token for /v1: TOKEN=…")
        return
    for path, name, said in (
        (f"/v1/parked?limit={MANY}", "parked", _parked),
        ("/v1/addresses", "addresses", _stopped),
        ("/v1/messages?status=uncertain", "messages", _uncertain),
    ):
        listed = _listed(place, path, name)
        if isinstance(listed, Line):
            yield listed
            return
        yield said(listed)


def _parked(found: Objects) -> Line:
    if not found:
        return Line("ok", "nothing is parked")
    what = f"{_number(found, 'item')} parked: not understood, and kept"
    return Line("warning", what, "look at GET /v1/parked, and replay them after a fix")


def _stopped(addresses: Objects) -> Line:
    """Without the addresses themselves, which may be phone numbers."""
    found = [each for each in addresses if each.get("stopped_at")]
    if not found:
        return Line("ok", "no address is stopped")
    why = ", ".join(sorted({f"{each.get('provider')}: {each.get('stopped_text')}" for each in found}))
    advice = "they start again by themselves, or with POST /v1/addresses/{provider}/{address}/resume"
    return Line("problem", f"{_number(found, 'address')} stopped, because the provider refuses us ({why})", advice)


def _uncertain(found: Objects) -> Line:
    if not found:
        return Line("ok", "no send is uncertain")
    advice = "statuses or the provider's list settle most within minutes; the others: POST /v1/messages/{id}/settle"
    return Line("warning", f"{_number(found, 'send')} uncertain", advice)


def _number(found: Objects, one: str) -> str:
    more = " or more" if len(found) >= MANY else ""
    return f"1 {one} is" if len(found) == 1 else f"{len(found)}{more} {one}{'es' if one.endswith('s') else 's'} are"


def _listed(place: Place, path: str, name: str) -> Objects | Line:
    headers = {"authorization": f"Bearer {place.token}"}
    try:
        reply = place.web(HttpRequest("GET", f"{place.api}{path}", headers))
        if reply.status == 200:
            return list(json.loads(reply.body)[name])
    except (SendError, ValueError, KeyError, TypeError):
        return Line("warning", "what waits for operators cannot be seen: /v1 gives no answer that can be read")
    if reply.status in (401, 403):
        return Line(
            "warning", "what waits for operators cannot be seen: /v1 refuses the token", "give another: TOKEN=…"
        )
    return Line("warning", f"what waits for operators cannot be seen: /v1 answers with {reply.status}")
