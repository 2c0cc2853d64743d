"""Each provider's connect.py against the simulated providers: what it sets, and what it finds when something is off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from infra.local.client import Client
from infra.local.http_server import HttpServer, Request, Response
from infra.local.identity import Identity
from infra.local.simulators.server import Simulators
from ventana.errors import BadSignature
from ventana.http import HttpReply, HttpRequest, Transport, transport
from ventana.providers import PROVIDERS, connecting_named, probing_named, provider_named
from ventana.providers.base import Connecting, RawRequest
from ventana.providers.connecting import Finding
from ventana.providers.kommo.parse import READ, READERS
from ventana.providers.twilio.connect import RETRIES
from ventana.providers.twilio.signature import FRAGMENTS
from ventana.secrets import ProviderSecrets


@dataclass
class Accounts:
    """The simulated providers with a gateway that makes the handshake, and what our secrets hold."""

    identity: Identity
    origin: str
    simulators: Client
    http: Transport
    asked: list[HttpRequest]

    def secrets(self, provider: str, **more: Any) -> ProviderSecrets:
        stored = self.identity.stored_secrets()[f"{provider.title()}Secret"]
        return ProviderSecrets(provider, {**stored, **more})

    def change(self, provider: str, **order: Any) -> dict[str, Any]:
        status, answer = self.simulators.call("POST", "/account", {"provider": provider, **order})
        assert status == 200, answer
        return dict(answer["accounts"][provider])

    def state(self, provider: str) -> dict[str, Any]:
        return dict(self.simulators.call("GET", "/accounts")[1]["accounts"][provider])

    def check(self, provider: str, **more: Any) -> list[Finding]:
        return module(provider).check(self.origin, self.secrets(provider, **more), self.http)

    def connect(self, provider: str, replace: bool = False, **more: Any) -> list[Finding]:
        return module(provider).connect(self.origin, self.secrets(provider, **more), self.http, replace)


def module(provider: str) -> Connecting:
    found = connecting_named(provider)
    assert found is not None
    return found


@pytest.fixture
def accounts(identity: Identity) -> Iterator[Accounts]:
    def answer(request: Request) -> Response:
        raw = RawRequest(request.method, f"{request.path}?{request.query}", dict(request.headers), request.body)
        try:
            known = provider_named("meta").challenge(
                raw, ProviderSecrets("meta", identity.stored_secrets()["MetaSecret"])
            )
        except BadSignature:
            return Response(403)
        return Response(200, known.body.encode() if known else b"")

    gateway = HttpServer(answer)
    gateway.start()
    simulators = Simulators(identity, gateway.url)
    simulators.open()
    plain, asked = transport(simulators.url), list[HttpRequest]()

    def http(request: HttpRequest) -> HttpReply:
        asked.append(request)
        return plain(request)

    client = Client(simulators.url)
    client.call("POST", "/rules", {"provider": "kommo", "address_rate": "off"})
    yield Accounts(identity, gateway.url, client, http, asked)
    simulators.close()
    gateway.stop()


def told(findings: list[Finding], *levels: str) -> list[str]:
    return [finding.what for finding in findings if finding.level in (levels or ("warning", "problem"))]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_account_in_good_order_has_no_findings_but_good_ones(accounts: Accounts, provider: str) -> None:
    findings = accounts.check(provider)
    assert told(findings) == []
    assert {finding.about for finding in findings} >= {"credentials", "webhook"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_connecting_an_account_that_nobody_has_connected_leaves_nothing_to_find(
    accounts: Accounts, provider: str
) -> None:
    before = accounts.state(provider)
    accounts.change(provider, disconnect=True)
    assert any("arrive" in what for what in told(accounts.check(provider), "problem"))
    assert told(accounts.connect(provider)) == []
    assert told(accounts.check(provider)) == []
    after = accounts.state(provider)
    for state in (before, after):  # ids and times of a hook that was made anew
        state["hooks"] = {
            url: {**hook, "id": 0, "created_at": 0, "updated_at": 0} for url, hook in state.get("hooks", {}).items()
        }
    assert after == before


@pytest.mark.parametrize("provider", ["kommo", "twilio"])
def test_what_is_set_already_is_not_set_again(accounts: Accounts, provider: str) -> None:
    findings = accounts.connect(provider)
    assert (told(findings), "already" in findings[0].what) == ([], True)
    assert {request.method for request in accounts.asked} == {"GET"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_check_changes_nothing(accounts: Accounts, provider: str) -> None:
    accounts.check(provider)
    assert {request.method for request in accounts.asked} == {"GET"}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("what", ["check", "connect"])
def test_an_empty_secret_is_one_warning(accounts: Accounts, provider: str, what: str) -> None:
    findings = getattr(module(provider), what)(accounts.origin, ProviderSecrets(provider, {}), accounts.http)
    assert [(each.level, each.about) for each in findings] == [("warning", "secret")]
    assert "not configured" in findings[0].what
    assert accounts.asked == []


@pytest.mark.parametrize(
    ("provider", "name"), [("kommo", "subdomain"), ("meta", "verify_tokens"), ("twilio", "auth_tokens")]
)
def test_a_secret_that_is_half_filled_is_a_problem(accounts: Accounts, provider: str, name: str) -> None:
    (finding,) = accounts.check(provider, **{name: []})
    assert (finding.level, finding.about) == ("problem", "credentials")
    assert finding.what == f"the secret has no value for {name}"


TOKENS = {"kommo": "access_tokens", "meta": "access_tokens", "twilio": "auth_tokens"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_wrong_token_is_found_and_which_of_several_it_is(accounts: Accounts, provider: str) -> None:
    name = TOKENS[provider]
    (good,) = accounts.secrets(provider).every(name)
    findings = accounts.check(provider, **{name: ["wrong"]})
    assert f"the value of {name} is not accepted" in told(findings, "problem")
    assert next(each.about for each in findings if each.level == "problem") == "credentials"
    findings = accounts.check(provider, **{name: ["wrong", good]})
    (finding,) = [each for each in findings if each.level == "problem"]
    assert (finding.what, finding.advice) == (
        f"value 1 of {name} is not accepted",
        "put value 2, which is, first",
    )
    findings = accounts.check(provider, **{name: [good, "wrong"]})
    assert told(findings) == [f"value 2 of {name} is not accepted"]
    assert told(findings, "problem") == []


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("what", ["check", "connect"])
def test_nobody_there_is_a_warning_and_no_problem(accounts: Accounts, provider: str, what: str) -> None:
    def broken(request: HttpRequest) -> HttpReply:
        return HttpReply(503, b"<html>")

    nowhere = transport("http://127.0.0.1:1")
    for http in (broken, nowhere):
        findings = getattr(module(provider), what)(accounts.origin, accounts.secrets(provider), http)
        assert [(each.level, each.about) for each in findings] == [("warning", "reach")]
        assert "could not be asked just now" in findings[0].what


@pytest.mark.parametrize("provider", PROVIDERS)
def test_too_few_rights_are_told(accounts: Accounts, provider: str) -> None:
    accounts.change(provider, refuse="rights")
    assert told(accounts.check(provider)) != []
    connected = accounts.connect(provider)
    assert told(connected, "problem") != []
    accounts.change(provider, refuse="credentials")
    assert any("not accepted" in what for what in told(accounts.check(provider), "problem"))


ELSEWHERE: Mapping[str, dict[str, Any]] = {
    "meta": {"waba": {"override": "https://other.example.com/secret-path/hook"}},
    "twilio": {
        "senders": {Identity.twilio_sender_sid: {"webhook": {"callback_url": "https://other.example.com/secret-path"}}}
    },
}


@pytest.mark.parametrize("provider", ELSEWHERE)
def test_a_webhook_that_goes_to_somebody_else_is_left_alone_unless_told(accounts: Accounts, provider: str) -> None:
    accounts.change(provider, change=ELSEWHERE[provider])
    before = accounts.state(provider)
    (problem,) = told(accounts.check(provider), "problem")
    assert "points elsewhere, to other.example.com" in problem
    (warning,) = told(accounts.connect(provider))
    assert "left alone" in warning
    assert accounts.state(provider) == before
    assert told(accounts.connect(provider, replace=True)) == []
    assert told(accounts.check(provider)) == []


def test_an_app_that_serves_another_system_keeps_its_own_address(accounts: Accounts) -> None:
    other = "https://other.example.com/hook"
    accounts.change("meta", change={"subscription": {"callback_url": other}, "waba": {"override": None}})
    assert any("points elsewhere" in what for what in told(accounts.check("meta"), "problem"))
    accounts.connect("meta")
    assert accounts.state("meta")["subscription"]["callback_url"] == other
    assert told(accounts.check("meta")) == []


def test_a_handshake_that_fails_is_told(accounts: Accounts) -> None:
    findings = accounts.connect("meta", verify_tokens=["not what the function has"])
    assert len(told(findings, "problem")) == 2
    assert all("was not answered as it wants" in what for what in told(findings, "problem"))


@pytest.mark.parametrize(
    ("change", "sentence", "level"),
    [
        (
            {"token": {"scopes": ["whatsapp_business_management"]}},
            "lacks the permission whatsapp_business_messaging",
            "problem",
        ),
        (
            {"token": {"scopes": ["whatsapp_business_messaging"]}},
            "lacks the permission whatsapp_business_management",
            "warning",
        ),
        ({"token": {"expires_at": 1893456000}}, "the access token has an end", "warning"),
        ({"token": {"granular_scopes": []}}, "not known which WhatsApp accounts are ours", "warning"),
        ({"subscription": {"fields": [{"name": "calls"}]}}, "not subscribed to messages: nothing arrives", "problem"),
        ({"subscription": {"fields": ["messages", "user_preferences"]}}, "not subscribed to user_id_update", "warning"),
        (
            {"subscription": {"fields": ["messages", "user_preferences", "user_id_update"]}},
            "smb_message_echoes, calls",
            "warning",
        ),
        ({"waba": {"subscribed": False}}, "the app is not subscribed to account", "problem"),
        ({"number": {"status": "DISCONNECTED"}}, "is not registered", "problem"),
        ({"number": {"platform_type": "NOT_APPLICABLE"}}, "is not registered", "problem"),
        ({"number": {"status": "RATE_LIMITED"}}, "is rate limited", "problem"),
        ({"number": {"quality_rating": "RED"}}, "has a low quality rating", "warning"),
        (
            {"number": {"webhook_configuration": {"phone_number": "https://x.example.com"}}},
            "an override that points",
            "problem",
        ),
    ],
)
def test_what_is_off_at_meta_is_found(accounts: Accounts, change: dict[str, Any], sentence: str, level: str) -> None:
    accounts.change("meta", change=change)
    findings = accounts.check("meta")
    assert [each.level for each in findings if sentence in each.what] == [level], findings
    assert all(each.advice for each in findings if each.level != "ok")


def test_an_app_secret_that_is_another_apps_is_found(accounts: Accounts) -> None:
    (good,) = accounts.secrets("meta").every("app_secrets")
    assert told(accounts.check("meta", app_secrets=["wrong", good])) == [
        "value 1 of app_secrets is not one of this app"
    ]
    assert "no value of app_secrets is accepted" in told(accounts.check("meta", app_secrets=["wrong"]), "problem")[0]
    assert told(accounts.check("meta", app_id=accounts.identity.meta_app_id, app_secrets=["wrong", good])) == [
        "value 1 of app_secrets is not one of this app"
    ]


def test_an_app_that_may_not_have_all_fields_gets_the_essential_ones(accounts: Accounts) -> None:
    accounts.change("meta", disconnect=True)
    accounts.change("meta", change={"fields": ["messages", "user_id_update", "user_preferences"]})
    assert told(accounts.connect("meta")) == []
    (warning,) = told(accounts.check("meta"))
    assert "smb_message_echoes, calls" in warning


SENDER = Identity.twilio_sender_sid


@pytest.mark.parametrize(
    ("change", "sentence", "level"),
    [
        ({"status": "suspended"}, "the account is suspended", "problem"),
        ({"senders": {SENDER: None}}, "the account has no WhatsApp sender", "problem"),
        (
            {"senders": {SENDER: {"status": "OFFLINE", "offline_reasons": [{"code": "63020"}]}}},
            "OFFLINE (codes 63020)",
            "problem",
        ),
        ({"senders": {SENDER: {"properties": {"quality_rating": "LOW"}}}}, "has a low quality rating", "warning"),
        ({"senders": {SENDER: {"webhook": {"callback_method": "GET"}}}}, "is not sent as POST", "warning"),
        ({"senders": {SENDER: {"webhook": {"fallback_url": None}}}}, "the fallback of sender", "warning"),
        (
            {"senders": {SENDER: {"webhook": {"status_callback_url": "https://x.example.com"}}}},
            "the status callback of",
            "warning",
        ),
    ],
)
def test_what_is_off_at_twilio_is_found(accounts: Accounts, change: dict[str, Any], sentence: str, level: str) -> None:
    accounts.change("twilio", change=change)
    findings = accounts.check("twilio")
    assert [each.level for each in findings if sentence in each.what] == [level], findings
    assert all(each.advice for each in findings if each.level != "ok")


@pytest.mark.parametrize(("options", "sentence"), [("", "without retry options"), ("#rc=1", "other options behind it")])
def test_the_options_behind_a_webhook_are_looked_at(accounts: Accounts, options: str, sentence: str) -> None:
    url = f"{accounts.origin}/webhooks/twilio{options}"
    accounts.change("twilio", change={"senders": {SENDER: {"webhook": {"callback_url": url}}}})
    (found,) = told(accounts.check("twilio"))
    assert sentence in found
    assert told(accounts.check("twilio", url_fragments=["#rc=1"])) == ([found] if not options else [])
    assert told(accounts.connect("twilio")) == []
    assert told(accounts.check("twilio")) == []


def test_a_sender_that_is_being_changed_is_looked_at_again(accounts: Accounts) -> None:
    accounts.change("twilio", change={"senders": {SENDER: {"status": "ONLINE:UPDATING"}}})
    assert told(accounts.check("twilio")) == []
    accounts.change("twilio", disconnect=True)
    (finding,) = [each for each in accounts.check("twilio") if each.level != "ok"]
    assert (finding.level, finding.advice) == ("warning", "look again in a minute")


def test_senders_that_the_secret_does_not_name_are_left_alone(accounts: Accounts) -> None:
    other = {"sid": "XE2", "status": "OFFLINE", "webhook": {"callback_url": "https://x.example.com"}}
    accounts.change("twilio", change={"senders": {"XE2": other}})
    assert len(told(accounts.check("twilio"))) == 2
    assert told(accounts.check("twilio", sender_sids=[SENDER])) == []
    assert told(accounts.check("twilio", sender_sids=["XE9"]), "problem") == ["the account has no sender XE9"]


def test_the_retry_options_are_those_that_signatures_are_tried_with() -> None:
    assert RETRIES in FRAGMENTS


def hook(accounts: Accounts, token: str = "") -> str:
    return f"{accounts.origin}/webhooks/kommo/{token or accounts.identity.kommo_webhook_token}"


def test_a_hook_that_was_switched_off_is_found_and_set_anew(accounts: Accounts) -> None:
    accounts.change("kommo", change={"hooks": {hook(accounts): {"disabled": True}}})
    (problem,) = told(accounts.check("kommo"), "problem")
    assert problem == "the webhook is switched off"
    assert told(accounts.connect("kommo")) == []
    assert told(accounts.check("kommo")) == []


def test_a_hook_with_too_few_events_is_found_and_changed(accounts: Accounts) -> None:
    accounts.change("kommo", change={"hooks": {hook(accounts): {"settings": ["add_lead"]}}})
    assert told(accounts.check("kommo"), "problem") == ["the webhook is not called for customers' messages"]
    accounts.change("kommo", change={"hooks": {hook(accounts): {"settings": ["add_message"]}}})
    assert "add_outgoing_message" in told(accounts.check("kommo"), "warning")[0]
    assert told(accounts.connect("kommo")) == []
    assert told(accounts.check("kommo")) == []


def test_hooks_with_former_tokens_are_removed_only_when_told(accounts: Accounts) -> None:
    strange = "https://crm.example.com/hook"
    for url in (hook(accounts, "former"), strange):
        accounts.change("kommo", change={"hooks": {url: {"destination": url, "settings": ["add_message"]}}})
    assert "1 webhook(s) of the account come here with a token" in told(accounts.check("kommo"))[0]
    assert "left alone" in told(accounts.connect("kommo"))[0]
    assert told(accounts.connect("kommo", replace=True)) == []
    assert set(accounts.state("kommo")["hooks"]) == {hook(accounts), strange}
    assert told(accounts.check("kommo")) == []


def test_a_token_in_rotation_is_told_apart(accounts: Accounts) -> None:
    rotating: dict[str, Any] = {"webhook_tokens": ["newest", accounts.identity.kommo_webhook_token]}
    assert told(accounts.check("kommo", **rotating)) == ["no webhook uses the newest of webhook_tokens"]
    accounts.connect("kommo", **rotating)
    assert told(accounts.check("kommo", **rotating)) == []
    accounts.connect("kommo", True, **rotating)
    assert set(accounts.state("kommo")["hooks"]) == {hook(accounts, "newest")}


def test_a_token_of_another_account_is_a_problem(accounts: Accounts) -> None:
    (problem,) = told(accounts.check("kommo", account_id="1"), "problem")
    assert "belongs to another account" in problem


def test_every_event_that_is_asked_for_is_read() -> None:
    entities = {"message": "message", "outgoing_message": "outgoing_message", "talk": "talk", "contact": "contacts"}
    for setting in module("kommo").EVENTS:  # type: ignore[attr-defined]
        action, _, entity = setting.partition("_")
        assert entities[entity] in READERS
        assert action in READ


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_finding_holds_a_secret_or_a_number(accounts: Accounts, provider: str) -> None:
    hidden = [value for name, value in vars(accounts.identity).items() if "token" in name or "secret" in name]
    hidden += [accounts.identity.twilio_address, accounts.identity.meta_display_phone_number, "secret-path"]
    findings = accounts.check(provider) + accounts.connect(provider)
    accounts.change(provider, disconnect=True)
    findings += accounts.check(provider) + accounts.connect(provider)
    if provider in ELSEWHERE:
        accounts.change(provider, change=ELSEWHERE[provider])
        findings += accounts.check(provider) + accounts.connect(provider)
    assert not [each for each in findings for value in hidden if value in f"{each}"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_settings_are_told_without_asking_anybody(accounts: Accounts, provider: str) -> None:
    shown = module(provider).settings(accounts.origin, accounts.secrets(provider))
    assert any(setting.value.startswith(f"{accounts.origin}/webhooks/{provider}") for setting in shown)
    assert all(setting.where and setting.name and setting.value for setting in shown)
    assert module(provider).settings(accounts.origin, ProviderSecrets(provider, {}))
    assert accounts.identity.kommo_webhook_token not in repr(shown)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_probes_are_verified_and_store_nothing(accounts: Accounts, provider: str) -> None:
    """By the provider's own verify and parse; the forged ones are refused by verify."""
    more = {"channel_secrets": ["c"]} if provider == "kommo" else {}
    secrets, whole = accounts.secrets(provider, **more), provider_named(provider)
    probing = probing_named(provider)
    assert probing is not None
    probes = probing.probes(accounts.origin, secrets)
    assert {probe.status for probe in probes} == {200, 403}
    for probe in probes:
        request = probe.request
        raw = RawRequest(request.method, request.url, {**request.headers}, request.body)
        try:
            answer = whole.challenge(raw, secrets)
            if answer is None:
                whole.verify(raw, secrets)
                assert whole.parse(raw) == []
            elif probe.body is not None:
                assert answer.body.encode() == probe.body
            assert probe.status == 200
        except BadSignature:
            assert probe.status == 403


def test_an_order_that_makes_no_sense_is_refused(accounts: Accounts) -> None:
    for order in ({"provider": "meta"}, {"provider": "meta", "refuse": "x"}, {"provider": "meta", "change": 1}):
        assert accounts.simulators.call("POST", "/account", order)[0] == 400


Rule = Callable[[HttpRequest], HttpReply | None]


def through(accounts: Accounts, rule: Rule) -> Transport:
    """The simulated providers, but for what the rule answers."""

    def http(request: HttpRequest) -> HttpReply:
        return rule(request) or accounts.http(request)

    return http


def graph_error(status: int, code: int) -> HttpReply:
    return HttpReply(status, json.dumps({"error": {"code": code, "message": "no"}}).encode())


@pytest.mark.parametrize("code", [1, 2, 4, 80007, 130429])
def test_trouble_at_meta_is_no_fault_of_the_token(accounts: Accounts, code: int) -> None:
    """It comes with 400 and 403 as well."""
    http = through(accounts, lambda request: graph_error(400, code))
    (finding,) = module("meta").check(accounts.origin, accounts.secrets("meta"), http)
    assert (finding.level, finding.about) == ("warning", "reach")
    assert f"error {code}" in finding.what


def test_a_token_that_nobody_may_inspect_is_not_taken_for_a_wrong_one(accounts: Accounts) -> None:
    def rule(request: HttpRequest) -> HttpReply | None:
        return graph_error(400, 100) if "/debug_token" in request.url else None

    http, more = (
        through(accounts, rule),
        {"app_id": accounts.identity.meta_app_id, "waba_ids": [accounts.identity.meta_waba_id]},
    )
    assert told(module("meta").check(accounts.origin, accounts.secrets("meta", **more), http)) == [
        "what the access token may do cannot be seen"
    ]
    wrong = module("meta").check(accounts.origin, accounts.secrets("meta", **more, access_tokens=["wrong"]), http)
    assert "the value of access_tokens is not accepted" in told(wrong, "problem")


def test_an_app_that_cannot_be_asked_is_no_fault_of_its_secret(accounts: Accounts) -> None:
    def rule(request: HttpRequest) -> HttpReply | None:
        return graph_error(400, 100) if "/subscriptions" in request.url else None

    findings = module("meta").check(accounts.origin, accounts.secrets("meta"), through(accounts, rule))
    (finding,) = [each for each in findings if each.level != "ok"]
    assert (finding.level, finding.about) == ("warning", "reach")


@pytest.mark.parametrize(
    ("provider", "status", "about", "words"),
    [
        ("kommo", 402, "account", "the account may not be read (status 402: the account's plan"),
        ("kommo", 403, "account", "the account may not be read (status 403"),
        ("kommo", 404, "credentials", "the value of access_tokens is not accepted"),
        ("kommo", 301, "credentials", "the value of access_tokens is not accepted"),
        ("twilio", 403, "account", "the account may not be read (error 403)"),
        ("twilio", 404, "credentials", "the value of auth_tokens is not accepted"),
    ],
)
def test_an_account_that_is_closed_is_told_from_a_wrong_token(
    accounts: Accounts, provider: str, status: int, about: str, words: str
) -> None:
    http = through(accounts, lambda request: HttpReply(status, b"{}"))
    (finding,) = module(provider).check(accounts.origin, accounts.secrets(provider), http)
    assert (finding.level, finding.about) == ("problem", about)
    assert words in finding.what


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("what", ["check", "connect"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"<html>",
        b'{"data": 7}',
        b'{"data": [null, 7]}',
        b'{"_embedded": []}',
        b'{"senders": {"a": 1}}',
        b'{"senders": [{"sid": 1, "webhook": 2, "properties": []}]}',
        b'{"data": {"is_valid": true, "scopes": 1, "granular_scopes": [1, {"target_ids": 7}]}}',
        b'{"_embedded": {"webhooks": [1, {"destination": 7, "settings": 1}]}}',
    ],
)
def test_answers_of_any_shape_are_findings_and_no_errors(
    accounts: Accounts, provider: str, what: str, body: bytes
) -> None:
    for status in (200, 400):
        http = through(accounts, lambda request, status=status: HttpReply(status, body))  # type: ignore[misc]
        assert getattr(module(provider), what)(accounts.origin, accounts.secrets(provider), http)
