"""Connecting Kommo: one webhook of the account, at an address with our secret token in it, and its settings.

Kommo signs nothing, so the token in the address is all that proves a hook: it is shown only in `settings`, for whoever
has to enter it. Addresses with former tokens, and others below our origin, are removed only when we are told to.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from ventana.http import Transport
from ventana.providers.connecting import SET_IT, Finding, Setting, collected, is_ours, lacks, live_values, points_to
from ventana.providers.kommo.console import Console
from ventana.providers.reading import Object, objects, text
from ventana.secrets import ProviderSecrets

NEEDED = ("webhook_tokens", "access_tokens", "account_id", "subdomain")
EVENTS = {
    "add_message": "Incoming message received",
    "add_outgoing_message": "Outgoing message sent",
    "add_talk": "Conversation added",
    "update_talk": "Conversation edited",
    "add_contact": "Contact added",
    "update_contact": "Contact edited",
}
"""What our parser reads, and about how the console calls it."""
ESSENTIAL = "add_message"
WHERE = "https://{}.kommo.com → Settings → Integrations → … (top right) → Web hooks → + Add webhook"
CLOSED = (402, 403)
"""What is answered where the account is not paid for, or has been called too often."""
ADMIN = "use the token of an integration that an administrator of the account has installed"
REMOVE = "once the current one works: make connect APPLY=1 REPLACE=1 removes it"


def settings(origin: str, secrets: ProviderSecrets) -> list[Setting]:
    """The form of a webhook and, for an account with a chat channel of its own, what Kommo's support is to be told."""
    where = WHERE.format(secrets.get("subdomain") or "<account>")
    tokens = secrets.optional("webhook_tokens")
    address = _destination(origin, tokens[0]) if tokens else "(make up a long random token for webhook_tokens first)"
    found = [
        Setting(where, "Webhook URL", address),
        Setting(where, "Events", ", ".join(f"{said} ({name})" for name, said in EVENTS.items())),
    ]
    if secrets.optional("channel_secrets"):
        chats = f"{origin}/webhooks/kommo/chats/:scope_id"
        found.append(Setting("Kommo's support, who registers chat channels", "Webhook URL of the channel", chats))
    return found


def connect(origin: str, secrets: ProviderSecrets, http: Transport, replace: bool = False) -> list[Finding]:
    """Set the webhook with the newest token; what is as it should be already is not touched."""
    return collected(_connected(origin, secrets, http, replace))


def check(origin: str, secrets: ProviderSecrets, http: Transport) -> list[Finding]:
    """Look at the tokens, the account, what we may read there, and its webhooks."""
    return collected(_checked(origin, secrets, http))


def _connected(origin: str, secrets: ProviderSecrets, http: Transport, replace: bool) -> Iterator[Finding]:
    if lack := lacks(secrets, NEEDED):
        yield lack
        return
    console, wanted = Console(secrets, secrets.first("access_tokens"), http), _newest(origin, secrets)
    told, hooks = console.hooks()
    if not told.fine:
        yield Finding("problem", f"the webhooks cannot be listed ({told.why})", ADMIN, "credentials")
        return
    current = next((hook for hook in hooks if points_to(_of(hook), wanted)), None)
    if current and not _missing(current) and not current.get("disabled"):
        yield Finding("ok", "the webhook is set already")
    else:
        if current and current.get("disabled"):
            console.remove(_of(current))
        told = console.add(wanted, list(EVENTS))
        if told.fine:
            yield Finding("ok", "the webhook was set")
        else:
            advice = "enter it in the console; make connect without APPLY shows what and where"
            yield Finding("problem", f"the webhook could not be set ({told.why})", advice)
            return
    for hook in _others(hooks, origin, wanted):
        if not replace:
            yield Finding("warning", "another webhook of ours was left alone, with a former token", REMOVE)
        elif (told := console.remove(_of(hook))).fine:
            yield Finding("ok", "a webhook with a former token was removed")
        else:
            what = f"a webhook with a former token could not be removed ({told.why})"
            yield Finding("warning", what, "remove it in the console")


def _checked(origin: str, secrets: ProviderSecrets, http: Transport) -> Iterator[Finding]:
    if lack := lacks(secrets, NEEDED):
        yield lack
        return
    consoles = [Console(secrets, token, http) for token in secrets.every("access_tokens")]
    accounts = [console.account() for console in consoles]
    usable = next((place for place, told in enumerate(accounts) if told.fine), None)
    if usable is None and all(told.status in CLOSED for told in accounts):
        advice = "see the account's plan and payments, and wait an hour where it was called too often"
        yield Finding("problem", f"the account may not be read ({accounts[0].why})", advice, "account")
        return
    yield from live_values("access_tokens", [told.fine for told in accounts], ", and see that subdomain is right")
    if usable is None:
        return
    if text(accounts[usable].content.get("id")) != secrets.first("account_id"):
        what = "the access token belongs to another account than account_id says: its webhooks would be refused"
        yield Finding("problem", what, "correct account_id and subdomain in the secret, or the token", "credentials")
    console = consoles[usable]
    if console.contacts().status in (402, 403):
        what = "the access token may not read contacts: customers' phones stay unknown"
        yield Finding("warning", what, ADMIN, "credentials")
    told, hooks = console.hooks()
    if told.fine:
        yield from _hooks(hooks, origin, secrets)
    else:
        yield Finding("warning", f"the webhooks cannot be looked at ({told.why})", ADMIN, "webhook")


def _hooks(hooks: list[Object], origin: str, secrets: ProviderSecrets) -> Iterator[Finding]:
    live = [_destination(origin, token) for token in secrets.every("webhook_tokens")]
    ours = [(hook, place) for hook in hooks for place, url in enumerate(live, 1) if points_to(_of(hook), url)]
    if not ours:
        yield Finding("problem", "no webhook of the account comes here: customers' messages do not arrive", SET_IT)
    for hook, place in ours:
        said = f"the webhook with value {place} of webhook_tokens" if len(live) > 1 else "the webhook"
        missing = _missing(hook)
        if hook.get("disabled"):
            advice = f"Kommo does that after 100 failures in two hours: see the function's log, then {SET_IT}"
            yield Finding("problem", f"{said} is switched off", advice)
        elif ESSENTIAL in missing:
            yield Finding("problem", f"{said} is not called for customers' messages", SET_IT)
        elif missing:
            yield Finding("warning", f"{said} is not called for {', '.join(missing)}", SET_IT)
        else:
            yield Finding("ok", f"{said} comes here")
    if ours and all(place > 1 for _, place in ours):
        yield Finding("warning", "no webhook uses the newest of webhook_tokens", SET_IT)
    strangers = [hook for hook in _others(hooks, origin, *live) if not hook.get("disabled")]
    if strangers:
        what = f"{len(strangers)} webhook(s) of the account come here with a token that the secret does not hold"
        yield Finding("warning", what, f"each call is refused; {REMOVE}")


def _others(hooks: list[Object], origin: str, *wanted: str) -> list[Object]:
    """Webhooks that come to us as well, at other addresses than these."""
    ours = [hook for hook in hooks if is_ours(_of(hook), f"{origin}/webhooks/kommo")]
    return [hook for hook in ours if not any(points_to(_of(hook), url) for url in wanted)]


def _missing(hook: Object) -> list[str]:
    given = {text(setting) for setting in objects(hook.get("settings"))}
    return [name for name in EVENTS if name not in given]


def _of(hook: Object) -> str:
    return text(hook.get("destination"))


def _newest(origin: str, secrets: ProviderSecrets) -> str:
    return _destination(origin, secrets.first("webhook_tokens"))


def _destination(origin: str, token: str) -> str:
    return f"{origin}/webhooks/kommo/{quote(token, safe='')}"
