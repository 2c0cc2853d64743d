"""Connecting Twilio: the webhooks of our WhatsApp senders, and whether account and senders are in order.

A sender has three addresses: for customers' messages, one to fall back on, and for statuses. Messages sent by us bring
a status address of their own, so the third one only matters for what somebody else sends.

Unsure, not tried on a live account: that the Senders API keeps the options behind the URL (`#rc=…`) as they are given.
Where it does not, `check` says so, and they have to be entered in the console. Not looked at: a Messaging Service that
the sender is in, which may have a webhook of its own instead.
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
    live_values,
    points_to,
)
from ventana.providers.reading import Object, an_object, objects, text
from ventana.providers.twilio.console import Console, sid_of
from ventana.secrets import ProviderSecrets

NEEDED = ("account_sid", "auth_tokens")
RETRIES = "#rc=3&rp=5xx,ct,rt&rt=4000"
"""Three more tries after a 5xx, a failed connection or a slow answer: without it Twilio does not repeat a webhook."""
WHERE = "console.twilio.com → Messaging → Senders → WhatsApp senders → the sender → Messaging endpoint configuration"
UPDATING = "ONLINE:UPDATING"
ONLINE = ("ONLINE", UPDATING)
UNKNOWN = (401, 404)
"""What is answered to a token or an account that are none."""
POST = "POST"
UNUSED = ("demo.twilio.com",)
"""Hosts of Twilio's own samples, which may be replaced without asking."""


def settings(origin: str, secrets: ProviderSecrets) -> list[Setting]:
    """The fields of a sender's page."""
    wanted = _wanted(origin, secrets)
    return [
        Setting(WHERE, "Webhook URL for incoming messages (HTTP Post)", wanted["callback_url"]),
        Setting(WHERE, "Fallback URL for incoming messages (HTTP Post)", wanted["fallback_url"]),
        Setting(WHERE, "Status callback URL (HTTP Post)", wanted["status_callback_url"]),
    ]


def connect(origin: str, secrets: ProviderSecrets, http: Transport, replace: bool = False) -> list[Finding]:
    """Set the webhooks of the account's WhatsApp senders, or of those that the secret names as sender_sids."""
    return collected(_connected(origin, secrets, http, replace))


def check(origin: str, secrets: ProviderSecrets, http: Transport) -> list[Finding]:
    """Look at the tokens, the account, its senders and their webhooks."""
    return collected(_checked(origin, secrets, http))


def _connected(origin: str, secrets: ProviderSecrets, http: Transport, replace: bool) -> Iterator[Finding]:
    if lack := lacks(secrets, NEEDED):
        yield lack
        return
    console = Console(secrets.first("account_sid"), secrets.first("auth_tokens"), http)
    wanted = _wanted(origin, secrets)
    senders, findings = _senders(console, secrets)
    yield from findings
    for sender in senders:
        sid, webhook = sid_of(sender), an_object(sender.get("webhook"))
        if all(webhook.get(name) == value for name, value in wanted.items()):
            yield Finding("ok", f"sender {sid}: its webhooks are set already")
            continue
        current = text(webhook.get("callback_url"))
        if not (replace or _may_be_changed(current, origin)):
            what = f"sender {sid}: left alone, its webhook goes to {host_of(current)}"
            yield Finding("warning", what, TAKE_OVER)
            continue
        told = console.set_webhook(sid, wanted)
        if told.fine:
            yield Finding("ok", f"sender {sid}: its webhooks were set")
        else:
            what = f"sender {sid}: its webhooks could not be set ({told.why})"
            yield Finding("problem", what, "enter them in the console; make connect without APPLY shows what and where")


def _checked(origin: str, secrets: ProviderSecrets, http: Transport) -> Iterator[Finding]:
    if lack := lacks(secrets, NEEDED):
        yield lack
        return
    sid, tokens = secrets.first("account_sid"), secrets.every("auth_tokens")
    consoles = [Console(sid, token, http) for token in tokens]
    accounts = [console.account() for console in consoles]
    usable = next((place for place, told in enumerate(accounts) if told.fine), None)
    if usable is None and not any(told.status in UNKNOWN for told in accounts):
        advice = "see its state in the console; it may be suspended, or closed to this address"
        yield Finding("problem", f"the account may not be read ({accounts[0].why})", advice, "account")
        return
    yield from live_values("auth_tokens", [told.fine for told in accounts], ", and see that account_sid is right")
    if usable is None:
        return
    status = text(accounts[usable].content.get("status"))
    if status not in ("active", ""):
        advice = "the account's owner has to settle it with Twilio; nothing is sent until then"
        yield Finding("problem", f"the account is {status}", advice, "account")
    senders, findings = _senders(consoles[usable], secrets)
    yield from findings
    for sender in senders:
        yield from _sender(sender, origin, secrets)


def _senders(console: Console, secrets: ProviderSecrets) -> tuple[list[Object], list[Finding]]:
    """Our senders, each with all that Twilio tells of it, and what is to say where there are none."""
    told, listed = console.senders()
    if told.status in (401, 403):
        what = f"the credentials may not read WhatsApp senders ({told.why})"
        advice = "use the account's own auth token, of the account or sub-account that owns the senders"
        return [], [Finding("problem", what, advice, "credentials")]
    if not told.fine:
        return [], [Finding("warning", f"the senders could not be listed ({told.why})", "try again later", "reach")]
    named, findings = secrets.optional("sender_sids"), []
    ours = [sender for sender in listed if not named or sid_of(sender) in named]
    if missing := [sid for sid in named if sid not in map(sid_of, ours)]:
        what = f"the account has no sender {', '.join(missing)}"
        findings.append(Finding("problem", what, "correct sender_sids in the secret", "account"))
    if not listed:
        advice = "register one at Messaging → Senders → WhatsApp senders"
        findings.append(Finding("problem", "the account has no WhatsApp sender", advice, "account"))
    whole = (console.sender(sid_of(sender)) for sender in ours)
    return [{**listed, **told.content} for listed, told in zip(ours, whole, strict=True)], findings


def _sender(sender: Object, origin: str, secrets: ProviderSecrets) -> Iterator[Finding]:
    sid, status = sid_of(sender), text(sender.get("status"))
    if status in ONLINE:
        yield Finding("ok", f"sender {sid} is online", about="account")
    else:
        codes = [text(an_object(reason).get("code")) for reason in objects(sender.get("offline_reasons"))]
        reasons = f" (codes {', '.join(filter(None, codes))})" if any(codes) else ""
        advice = "see its page in the console; it neither sends nor receives until it is online"
        yield Finding("problem", f"sender {sid} is {status or 'in an unknown state'}{reasons}", advice, "account")
    if text(an_object(sender.get("properties")).get("quality_rating")).upper() == "LOW":
        advice = "customers block or report its messages: send fewer that they have not asked for"
        yield Finding("warning", f"sender {sid} has a low quality rating", advice, "account")
    found = list(_webhook(sid, an_object(sender.get("webhook")), origin, secrets))
    if status == UPDATING and any(finding.level != "ok" for finding in found):
        # It was answered with 202, and shows what was there before for a moment.
        found = [Finding("warning", f"sender {sid} is being changed just now", "look again in a minute")]
    yield from found


def _webhook(sid: str, webhook: Object, origin: str, secrets: ProviderSecrets) -> Iterator[Finding]:
    wanted, current = _wanted(origin, secrets), text(webhook.get("callback_url"))
    if not current:
        yield Finding("problem", f"sender {sid} has no webhook: customers' messages do not arrive", SET_IT)
        return
    if not points_to(current, wanted["callback_url"]):
        advice = SET_IT if _may_be_changed(current, origin) else TAKE_OVER
        yield Finding("problem", f"the webhook of sender {sid} points elsewhere, to {host_of(current)}", advice)
        return
    before = len(wanted["callback_url"].partition("#")[0])
    options, known = current[before:].lstrip("/"), ("", RETRIES, *secrets.optional("url_fragments"))
    if not options:
        what = f"the webhook of sender {sid} is set without retry options: one that fails is not repeated"
        yield Finding("warning", what, SET_IT)
    elif options not in known:
        what = f"the webhook of sender {sid} has other options behind it than we know, so its signature may not verify"
        yield Finding("problem", what, f"add them to the secret as url_fragments, or {SET_IT}")
    else:
        yield Finding("ok", f"the webhook of sender {sid} comes here, with retries")
    if text(webhook.get("callback_method")).upper() not in (POST, ""):
        yield Finding("warning", f"the webhook of sender {sid} is not sent as POST", SET_IT)
    for name, said in (("fallback_url", "fallback"), ("status_callback_url", "status callback")):
        if not points_to(text(webhook.get(name)), wanted[name]):
            yield Finding("warning", f"the {said} of sender {sid} does not come here", SET_IT)


def _may_be_changed(current: str, origin: str) -> bool:
    return not current or is_ours(current, origin) or host_of(current) in UNUSED


def _wanted(origin: str, secrets: ProviderSecrets) -> dict[str, str]:
    """A sender's webhooks as the API has them. The fallback is called once, when all tries have failed."""
    return {
        "callback_url": f"{origin}/webhooks/twilio{secrets.get('url_fragments') or RETRIES}",
        "callback_method": POST,
        "fallback_url": f"{origin}/webhooks/twilio",
        "fallback_method": POST,
        "status_callback_url": f"{origin}/webhooks/twilio/status",
        "status_callback_method": POST,
    }
