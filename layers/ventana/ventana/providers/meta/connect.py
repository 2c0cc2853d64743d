"""Connecting Meta: the app's subscription, the override of each WhatsApp Business Account, the state of its numbers.

Two addresses decide where a WABA's webhooks go: that of the app, and an override for the WABA, which wins. Both are
set; the app's own is left alone where it leads to another system, because the override is enough for us. The fields
that are subscribed are the app's in any case.
"""

from __future__ import annotations

from collections.abc import Iterator

from ventana.http import Transport
from ventana.providers.connecting import (
    SET_IT,
    TAKE_OVER,
    Finding,
    Setting,
    collected,
    host_of,
    is_ours,
    lacks,
    points_to,
)
from ventana.providers.meta.access import NEEDED, Access, access
from ventana.providers.meta.console import NOT_VERIFIED, WHATSAPP, Graph, Told
from ventana.providers.meta.parse import SECTIONS
from ventana.providers.reading import Object, an_object, objects, text
from ventana.secrets import ProviderSecrets

FIELDS = list(SECTIONS)
"""The webhook fields that our parser reads."""
ESSENTIAL = ["messages", "user_id_update", "user_preferences"]
"""Those of them that every app may subscribe; the others need permissions that not every app has."""
WHERE = "developers.facebook.com → My Apps → the app → WhatsApp → Configuration → Webhook"
NAME_WABAS = "add their ids to the secret as waba_ids (WhatsApp Manager → Account tools → Phone numbers shows them)"
CONNECTED = ("CONNECTED", "")
WRONG_PARAMETER = "100"


def settings(origin: str, secrets: ProviderSecrets) -> list[Setting]:
    """The fields of the app's page, and the permissions of the token."""
    tokens = secrets.optional("verify_tokens")
    return [
        Setting(WHERE, "Callback URL", _wanted(origin)),
        Setting(WHERE, "Verify token", tokens[0] if tokens else "(make one up, and add it to verify_tokens first)"),
        Setting(f"{WHERE} → Webhook fields", "Subscribe", ", ".join(FIELDS)),
        Setting(
            "business.facebook.com → Settings → System users → the user → Assign assets, and Generate token",
            "Assets and permissions",
            "the app and the WhatsApp account; whatsapp_business_messaging, whatsapp_business_management",
        ),
    ]


def connect(origin: str, secrets: ProviderSecrets, http: Transport, replace: bool = False) -> list[Finding]:
    """Subscribe the app, and override the callback of each WABA. Meta makes its handshake with us each time."""
    return collected(_connected(origin, secrets, Graph(secrets, http), replace))


def check(origin: str, secrets: ProviderSecrets, http: Transport) -> list[Finding]:
    """Look at the tokens, the app's secrets, where the webhooks go and how the numbers are."""
    return collected(_checked(origin, secrets, Graph(secrets, http)))


def _connected(origin: str, secrets: ProviderSecrets, graph: Graph, replace: bool) -> Iterator[Finding]:
    if lack := lacks(secrets, NEEDED):
        yield lack
        return
    us, verify_token = access(graph, secrets), secrets.first("verify_tokens")
    yield from (finding for finding in us.findings if finding.level == "problem")
    if us.secret:
        current = text(_subscription(us).get("callback_url"))
        if current and not is_ours(current, origin) and not replace:
            what = f"the app's own webhook was left alone: it goes to {host_of(current)}"
            yield Finding("warning", what, f"only its WhatsApp accounts come here now; {TAKE_OVER}")
        else:
            yield _said("the app's webhook", _subscribed(graph, us, _wanted(origin), verify_token))
    if us.token and not us.wabas:
        yield Finding("problem", "it is not known which WhatsApp accounts are ours", NAME_WABAS, "account")
    for waba in us.wabas if us.token else ():
        current = _override(_ours(us, graph.subscribed_apps(waba, us.token)))
        if current and not is_ours(current, origin) and not replace:
            what = f"account {waba} was left alone: its webhook goes to {host_of(current)}"
            yield Finding("warning", what, TAKE_OVER)
        else:
            told = graph.override(waba, us.token, _wanted(origin), verify_token)
            yield _said(f"the webhook of account {waba}", told)


def _subscribed(graph: Graph, us: Access, url: str, verify_token: str) -> Told:
    told = graph.subscribe(us.app, us.secret, url, verify_token, FIELDS)
    if told.code == WRONG_PARAMETER:  # a field that is not for this app
        told = graph.subscribe(us.app, us.secret, url, verify_token, ESSENTIAL)
    return told


def _said(what: str, told: Told) -> Finding:
    if told.fine:
        return Finding("ok", f"{what} was set")
    if told.code == NOT_VERIFIED:
        advice = "deploy first; where verify_tokens has just been changed, wait five minutes, then try again"
        return Finding("problem", f"{what} could not be set: Meta called it, and was not answered as it wants", advice)
    advice = "enter it in the console; make connect without APPLY shows what and where"
    return Finding("problem", f"{what} could not be set ({told.why})", advice)


def _checked(origin: str, secrets: ProviderSecrets, graph: Graph) -> Iterator[Finding]:
    if lack := lacks(secrets, NEEDED):
        yield lack
        return
    us = access(graph, secrets)
    yield from us.findings
    if us.secret:
        yield from _fields(_subscription(us))
    if us.token and not us.wabas:
        yield Finding("warning", "it is not known which WhatsApp accounts are ours", NAME_WABAS, "account")
    for waba in us.wabas if us.token else ():
        yield from _waba(graph, us, waba, _wanted(origin), origin)


def _fields(subscription: Object) -> Iterator[Finding]:
    if not text(subscription.get("callback_url")):
        yield Finding("problem", "the app has no webhook: customers' messages do not arrive", SET_IT)
        return
    if subscription.get("active") is False:
        yield Finding("problem", "the app's webhook is switched off", SET_IT)
    # Names alone in older versions, objects with a version in newer ones.
    fields = [field if isinstance(field, dict) else {"name": field} for field in objects(subscription.get("fields"))]
    missing = [name for name in FIELDS if name not in {text(field.get("name")) for field in fields}]
    if "messages" in missing:
        yield Finding("problem", "the app is not subscribed to messages: nothing arrives", SET_IT)
    elif essential := [name for name in missing if name in ESSENTIAL]:
        what = f"the app is not subscribed to {', '.join(essential)}: new ids and wishes of customers are missed"
        yield Finding("warning", what, SET_IT)
    elif missing:
        advice = f"without them calls, or answers typed on a phone, are not seen; {SET_IT} if the app may have them"
        yield Finding("warning", f"the app is not subscribed to {', '.join(missing)}", advice)
    else:
        yield Finding("ok", "the app is subscribed to all fields that we read")


def _waba(graph: Graph, us: Access, waba: str, wanted: str, origin: str) -> Iterator[Finding]:
    apps = graph.subscribed_apps(waba, us.token)
    if not apps.fine:
        advice = "give the system user this WhatsApp account as an asset, or correct waba_ids in the secret"
        yield Finding("problem", f"account {waba} cannot be read ({apps.why})", advice, "account")
        return
    ours = _ours(us, apps)
    current = _override(ours) or text(_subscription(us).get("callback_url"))
    if ours is None:
        yield Finding("problem", f"the app is not subscribed to account {waba}: nothing arrives", SET_IT)
    elif not current:
        yield Finding("problem", f"account {waba} has no webhook", SET_IT)
    elif points_to(current, wanted):
        yield Finding("ok", f"the webhook of account {waba} comes here")
    else:
        advice = SET_IT if is_ours(current, origin) else TAKE_OVER
        yield Finding("problem", f"the webhook of account {waba} points elsewhere, to {host_of(current)}", advice)
    numbers = graph.numbers(waba, us.token)
    if numbers.fine and not numbers.data:
        advice = "add one in WhatsApp Manager → Account tools → Phone numbers"
        yield Finding("problem", f"account {waba} has no number", advice, "account")
    for number in numbers.data:
        yield from _number(number, wanted)


def _number(number: Object, wanted: str) -> Iterator[Finding]:
    """By its id, which is no phone number."""
    name, status = f"number {text(number.get('id'))}", text(number.get("status")).upper()
    if status in CONNECTED and text(number.get("platform_type")).upper() != "NOT_APPLICABLE":
        yield Finding("ok", f"{name} is registered", about="account")
    elif status in (*CONNECTED, "PENDING", "UNVERIFIED", "DISCONNECTED"):
        advice = "register it: POST /{number id}/register with its six-digit PIN, or in WhatsApp Manager"
        yield Finding("problem", f"{name} is not registered: it neither sends nor receives", advice, "account")
    else:
        advice = "see WhatsApp Manager → Account tools → Phone numbers"
        yield Finding("problem", f"{name} is {status.lower().replace('_', ' ')}", advice, "account")
    if text(number.get("quality_rating")).upper() in ("RED", "YELLOW"):
        quality = "low" if text(number.get("quality_rating")).upper() == "RED" else "medium"
        advice = "customers block or report its messages: send fewer that they have not asked for"
        yield Finding("warning", f"{name} has a {quality} quality rating", advice, "account")
    own = text(an_object(number.get("webhook_configuration")).get("phone_number"))
    if own and not points_to(own, wanted):
        advice = "take the override off the number: POST /{number id} with an empty webhook_configuration"
        yield Finding("problem", f"{name} has an override that points elsewhere, to {host_of(own)}", advice)


def _subscription(us: Access) -> Object:
    return next((each for each in us.subscriptions if each.get("object") == WHATSAPP), {})


def _ours(us: Access, apps: Told) -> Object | None:
    """What the WABA says of our app."""
    return next(
        (each for each in apps.data if text(an_object(each.get("whatsapp_business_api_data")).get("id")) == us.app),
        None,
    )


def _override(ours: Object | None) -> str:
    return text((ours or {}).get("override_callback_uri"))


def _wanted(origin: str) -> str:
    return f"{origin}/webhooks/meta"
