"""What the values of our secret are worth at Meta: which are valid, which app they belong to, what they may do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ventana.providers.connecting import Finding, live_values
from ventana.providers.meta.console import Graph, Told
from ventana.providers.reading import Object, an_object, number, objects, text
from ventana.secrets import ProviderSecrets

NEEDED = ("app_secrets", "verify_tokens", "access_tokens")
SEND, MANAGE = "whatsapp_business_messaging", "whatsapp_business_management"
NEW_TOKEN = "make one for a system user of the business, with both WhatsApp permissions and without an end"  # noqa: S105


@dataclass(slots=True)
class Access:
    """Who we are: an app with a secret that is its own, a token that is valid, and the WABAs that it is for."""

    app: str = ""
    secret: str = ""
    token: str = ""
    wabas: tuple[str, ...] = ()
    subscriptions: list[Object] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def access(graph: Graph, secrets: ProviderSecrets) -> Access:
    """Find it all out, the app and the WABAs from the tokens where the secret does not name them."""
    found = Access(app=secrets.get("app_id") or "")
    tokens, app_secrets = secrets.every("access_tokens"), secrets.every("app_secrets")
    inspectors = [f"{found.app}|{secret}" for secret in app_secrets] if found.app else []
    inspected = [_inspected(graph, token, inspectors) for token in tokens]
    found.findings += live_values("access_tokens", [each is not None for each in inspected])
    valid = next((place for place, each in enumerate(inspected) if each is not None), None)
    if valid is not None:
        told = inspected[valid] or {}
        found.token, found.app = tokens[valid], found.app or text(told.get("app_id"))
        found.wabas = secrets.optional("waba_ids") or wabas_of(told)
        found.findings += _rights(told)
    if found.app:
        found.findings += _secrets(graph, found, app_secrets)
    return found


def _inspected(graph: Graph, token: str, inspectors: list[str]) -> Object | None:
    """Ask with each token of the app, because one of its secrets may not be valid, and with the token itself.

    None where it is not valid; empty where it is, and nobody may say more.
    """
    for inspector in (*inspectors, token):
        told = graph.token(token, inspector)
        if told.fine and (found := an_object(told.content.get("data"))):
            return found if found.get("is_valid") is True else None
    return None if graph.whose(token).refused else {}


def _rights(told: Object) -> Iterator[Finding]:
    if not told:
        what = "what the access token may do cannot be seen"
        yield Finding("warning", what, "add app_id to the secret: then the app itself can look", "credentials")
        return
    scopes = {text(scope) for scope in objects(told.get("scopes"))}
    if SEND not in scopes:
        yield Finding("problem", f"the access token lacks the permission {SEND}", NEW_TOKEN, "credentials")
    if MANAGE not in scopes:
        what = f"the access token lacks the permission {MANAGE}: the webhook cannot be set or looked at with it"
        yield Finding("warning", what, NEW_TOKEN, "credentials")
    if number(told.get("expires_at")):
        yield Finding("warning", "the access token has an end: from then on nothing is sent", NEW_TOKEN, "credentials")


def wabas_of(told: Object) -> tuple[str, ...]:
    """Those that the token was given for; a token for all of a business names none."""
    scopes = [an_object(scope) for scope in objects(told.get("granular_scopes"))]
    named = [
        text(waba) for scope in scopes if scope.get("scope") == MANAGE for waba in objects(scope.get("target_ids"))
    ]
    return tuple(dict.fromkeys(filter(None, named)))


def _secrets(graph: Graph, found: Access, app_secrets: tuple[str, ...]) -> Iterator[Finding]:
    """Every app secret verifies webhooks, so one that is not the app's may belong to another app of ours."""
    answers: list[Told] = [graph.subscriptions(found.app, secret) for secret in app_secrets]
    for place, (told, secret) in enumerate(zip(answers, app_secrets, strict=True), 1):
        if told.fine and not found.secret:
            found.secret, found.subscriptions = secret, told.data
        if not told.fine and any(each.fine for each in answers):
            what = f"value {place} of app_secrets is not one of this app"
            advice = "take it out of the secret, unless it is another app's that sends webhooks here as well"
            yield Finding("warning", what, advice, "credentials")
    if not any(told.fine or told.refused for told in answers):
        what = f"the app secret could not be tried ({answers[0].why})"
        yield Finding("warning", what, "see that app_id in the secret is the app's", "reach")
    elif found.secret:
        yield Finding("ok", "the app secret is the app's", about="credentials")
    else:
        what = f"no value of app_secrets is accepted for the app ({answers[0].why}): all its webhooks would be refused"
        advice = "copy the secret from App settings → Basic of the app that the access token belongs to"
        yield Finding("problem", what, advice, "credentials")
