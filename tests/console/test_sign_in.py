"""Signing in at an OpenID provider, in a real browser: what is sent there, what is believed, and what is not."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.local.client import Client
from infra.local.state import State
from infra.local.system import System
from tests.console.issuer import CLIENT, Conduct, Issuer, said
from tests.console.watching import Opener, Watch, hook
from tests.local.running import remove

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@dataclass
class Realm:
    """A local system whose operators sign in elsewhere."""

    url: str
    simulator_url: str
    issuer: Issuer


@pytest.fixture(scope="module")
def realm() -> Iterator[Realm]:
    state = Path(tempfile.mkdtemp(prefix="ventana-issuer-")) / "state"
    issuer = Issuer()
    parameters = {"JwtIssuer": issuer.url, "ConsoleClientId": CLIENT, "ConsoleScope": "openid write"}
    try:
        with System(State(state), 0, None, _quiet, authorize=issuer.authorize, parameters=parameters) as system:
            yield Realm(system.base_url, system.simulator_url, issuer)
    finally:
        issuer.close()
        remove(state)


def _quiet(line: str) -> None:
    """Says nothing."""


@pytest.fixture
def issuer(realm: Realm) -> Issuer:
    realm.issuer.conduct = Conduct()
    realm.issuer.asked.clear()
    realm.issuer.given.clear()
    return realm.issuer


@pytest.fixture
def watch(realm: Realm, issuer: Issuer) -> Iterator[Watch]:
    watching = Watch(realm.url)
    watching.others.add(issuer.url)
    yield watching
    watching.judge()


@pytest.fixture
def opened(browser: Browser, watch: Watch) -> Iterator[Opener]:
    opener = Opener(browser, watch)
    yield opener
    opener.close()


def signed_in(page: Page) -> None:
    page.click(hook("sign-in-oidc"))
    page.locator(hook("nav-inbox")).wait_for()


def kept(page: Page) -> str:
    return str(page.evaluate("JSON.stringify([localStorage, document.cookie, location.href])"))


def test_the_code_flow_with_a_proof_key(issuer: Issuer, opened: Opener) -> None:
    page = opened("#/overview", token=None)
    signed_in(page)
    assert page.url.endswith("/console/#/overview"), "it comes back to where it left"
    asked, exchanged = issuer.asked
    assert asked["response_type"] == "code"
    assert asked["client_id"] == exchanged["client_id"] == CLIENT
    assert asked["scope"] == "openid write"
    assert asked["code_challenge_method"] == "S256"
    assert "client_secret" not in exchanged
    assert len(exchanged["code_verifier"]) >= 43
    assert len({asked["state"], asked["nonce"], exchanged["code_verifier"]}) == 3
    assert min(len(asked["state"]), len(asked["nonce"])) >= 22
    expect(page.locator("text=ana@example.com").first).to_be_visible()
    (token,) = issuer.given
    assert token not in kept(page), "a token outlives no tab, and is in no address"


def test_each_sign_in_has_secrets_of_its_own(issuer: Issuer, opened: Opener) -> None:
    for _ in range(2):
        signed_in(opened(token=None))
    first, _, second, _ = issuer.asked
    assert not {first[name] for name in ("state", "nonce", "code_challenge")} & set(second.values())


@pytest.mark.parametrize("begun", [False, True])
def test_a_forged_state_is_refused(begun: bool, realm: Realm, issuer: Issuer, opened: Opener) -> None:
    """Also in a tab that has begun to sign in: the code of somebody else is not exchanged."""
    page = opened(token=None)
    if begun:
        page.route(f"{issuer.url}/authorize?*", lambda route: route.fulfill(body="a page of the issuer"))
        page.click(hook("sign-in-oidc"))
        page.wait_for_url(f"{issuer.url}/**")
    page.goto(f"{realm.url}/console/?{urlencode({'code': 'stolen', 'state': 'forged'})}")
    page.locator(hook("sign-in")).wait_for()
    expect(page.get_by_role("alert")).to_be_visible()
    assert not [asked for asked in issuer.asked if "grant_type" in asked]
    assert "stolen" not in page.url


def test_another_nonce_is_refused(issuer: Issuer, opened: Opener) -> None:
    issuer.conduct.nonce = "of-another-sign-in"
    page = opened(token=None)
    page.click(hook("sign-in-oidc"))
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.evaluate("Object.values(sessionStorage).join()").count(".") == 0
    assert said(issuer.token())["iss"] == issuer.url


def test_who_is_turned_away_is_told(issuer: Issuer, opened: Opener) -> None:
    issuer.conduct.denies = True
    page = opened(token=None)
    page.click(hook("sign-in-oidc"))
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator(hook("sign-in-oidc"))).to_be_enabled()


def test_an_opaque_access_token_gives_way_to_the_id_token(issuer: Issuer, opened: Opener) -> None:
    issuer.conduct.opaque = True
    page = opened(token=None)
    signed_in(page)
    expect(page.locator("text=ana@example.com").first).to_be_visible()


def test_a_token_without_the_scope_only_looks(realm: Realm, issuer: Issuer, opened: Opener) -> None:
    order = {"provider": "meta", "from": "+5511970000001", "name": "Bia", "text": "Oi"}
    assert Client(realm.simulator_url).call("POST", "/customer", order)[0] == 200
    issuer.conduct.scope = "openid"
    page = opened(token=None)
    signed_in(page)
    page.locator(hook("inbox-row")).first.click()
    expect(page.locator(hook("read-only"))).to_be_visible()


def test_a_token_that_is_over_is_renewed_unnoticed(issuer: Issuer, opened: Opener) -> None:
    page = opened(token=None)
    signed_in(page)
    issuer.conduct.withdrawn.update(issuer.given)
    with page.expect_response(f"{issuer.url}/token"):
        pass
    page.reload()
    page.locator(hook("nav-inbox")).wait_for()
    assert issuer.asked[-1]["grant_type"] == "refresh_token"


@pytest.mark.parametrize("why", ["network", "500"])
def test_an_issuer_that_is_away_signs_nobody_out(issuer: Issuer, opened: Opener, watch: Watch, why: str) -> None:
    """Nor does a page that is left while its token is renewed: the browser ends that request in the same way."""
    watch.forgives += ["net::ERR_FAILED", "status of 500"]
    page = opened(token=None)
    signed_in(page)
    away = f"{issuer.url}/token"
    page.route(away, lambda route: route.abort() if why == "network" else route.fulfill(status=500, body="{}"))
    issuer.conduct.withdrawn.update(issuer.given)
    with page.expect_request(away):
        pass
    with page.expect_request(away):  # the page that begins finds its token refused before it knows how to renew it
        page.reload()
    page.locator(hook("nav-inbox")).wait_for()
    expect(page.locator(hook("sign-in"))).to_have_count(0)
    with page.expect_response(away):
        page.unroute(away)
    page.locator(hook("inbox-loading")).wait_for(state="detached")
    expect(page.locator(hook("sign-in"))).to_have_count(0)
    assert issuer.asked[-1]["grant_type"] == "refresh_token"


def test_without_renewal_one_signs_in_again_and_is_back(issuer: Issuer, opened: Opener) -> None:
    page = opened("#/overview", token=None)
    signed_in(page)
    issuer.conduct.withdrawn.update(issuer.given)
    issuer.conduct.refreshes = False
    page.locator(hook("sign-in")).wait_for()
    issuer.conduct.refreshes = True
    signed_in(page)
    assert page.url.endswith("#/overview")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-api"},
        {"iss": "https://id.example.com"},
        {"exp": int(time.time()) - 120},
        {"exp": None},
    ],
)
def test_the_gateway_takes_no_token_of_others(realm: Realm, issuer: Issuer, claims: dict[str, object]) -> None:
    whole = {"scope": "write", **claims}
    spoiled = issuer.token(**{name: value for name, value in whole.items() if value is not None})
    if claims.get("exp", 1) is None:
        head, _, sign = issuer.token().split(".")
        spoiled = f"{head}.{issuer.token(sub='somebody').split('.')[1]}.{sign}"
    assert Client(realm.url, spoiled).call("GET", "/v1/me")[0] == 401
    assert Client(realm.url, issuer.token(scope="write")).call("GET", "/v1/me")[0] == 200
