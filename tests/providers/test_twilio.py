"""What is Twilio's alone: which URL was signed, vectors that were computed elsewhere, and what the SDK costs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.providers.case_table import secrets_of
from tests.providers.cases.twilio.signing import sign
from ventana.errors import BadSignature, Misconfigured, Rejected, SendError, Throttled, Uncertain
from ventana.http import HttpReply, HttpRequest
from ventana.providers.base import Acknowledgement, RawRequest
from ventana.providers.twilio import PROVIDER
from ventana.providers.twilio.indicate import KINDS, indicate
from ventana.secrets import ProviderSecrets

FORM = "application/x-www-form-urlencoded"
BODY = b"MessageSid=SM1&From=whatsapp%3A%2B5511987650001&To=whatsapp%3A%2B14155238886&Body="


def post(url: str, body: bytes = BODY, content_type: str = FORM, signature: str = "") -> RawRequest:
    return RawRequest("POST", url, {"content-type": content_type, "x-twilio-signature": signature}, body)


VECTORS = [
    pytest.param(
        "12345",
        post(
            "https://mycompany.com/myapp.php?foo=1&bar=2",
            b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309",
            signature="RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        id="documentation",
    ),
    pytest.param(
        "tok",
        post(
            "https://gw.example.com/wh/twilio?acc=1",
            "From=whatsapp%3A%2B5215512345678&To=whatsapp%3A%2B14155238886&Body=Ol%C3%A1+%F0%9F%91%8B+a%2Bb+%26+c"
            f"&NumMedia=0&MessageSid=SM{0:032}&ButtonText=".encode(),
            signature="zH/raDR3dIxW08E9RKBVSOeKOMo=",
        ),
        id="blank parameter and emoji",
    ),
    pytest.param(
        "tok",
        post("https://h/p", b"Sid=b&Sid=a&Sid=a&X=1", signature="9x5EWbA/4rRMzhvY9ILKFSblJ1A="),
        id="repeated parameter",
    ),
    pytest.param(
        "12345",
        post(
            "https://mycompany.com/myapp.php?foo=1&bar=2"
            "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            b'{"property": "value", "boolean": true}',
            "application/json",
            signature="a9nBmqA0ju/hNViExpshrM61xv4=",
        ),
        id="JSON body",
    ),
]


@pytest.mark.parametrize(("token", "request_"), VECTORS)
def test_signature_that_was_computed_elsewhere(token: str, request_: RawRequest) -> None:
    PROVIDER.verify(request_, secrets_of("twilio", auth_tokens=["newer", token]))
    with pytest.raises(BadSignature):
        PROVIDER.verify(replace(request_, body=request_.body + b" "), secrets_of("twilio", auth_tokens=[token]))


@pytest.mark.parametrize(
    ("called", "signed"),
    [
        ("https://h.example/p", "https://h.example:443/p"),
        ("https://h.example:443/p?a=1", "https://h.example/p?a=1"),
        ("https://h.example:8443/p", "https://h.example/p"),
        ("http://h.example/p", "http://h.example:80/p"),
        ("https://h.example/prod/p?a=it%27s%20b+c&empty=", "https://h.example:443/prod/p?a=it%27s%20b+c&empty="),
    ],
)
def test_url_is_signed_with_or_without_its_port(called: str, signed: str) -> None:
    """Twilio does either; what stands in the query is never decoded on the way."""
    request = replace(sign(post(signed), "auth-token-new"), url=called)
    PROVIDER.verify(request, secrets_of("twilio"))


@pytest.mark.parametrize(
    ("called", "signed"),
    [
        ("https://h.example/p", "http://h.example/p"),
        ("https://h.example/p", "https://h.example/prod/p"),
        ("https://h.example/p?a=b%20c", "https://h.example/p?a=b+c"),
        ("https://h.example/p", "https://h.example/p/"),
        ("https://h.example:none/p", "https://h.example:none/p"),
    ],
)
def test_url_that_differs_in_more_is_refused(called: str, signed: str) -> None:
    request = replace(sign(post(signed), "auth-token-new"), url=called)
    with pytest.raises(BadSignature):
        PROVIDER.verify(request, secrets_of("twilio"))


@pytest.mark.parametrize(
    ("fragment", "more", "known"),
    [
        ("#rc=3&rp=5xx,ct,rt&rt=4000", {}, True),
        ("#rc=2", {}, False),
        ("#rc=2", {"url_fragments": ["#rc=2"]}, True),
    ],
)
def test_url_may_be_signed_with_the_options_behind_it(fragment: str, more: dict[str, list[str]], known: bool) -> None:
    """The fragment never reaches us, and whether it is signed is not known for sure."""
    url = "https://gw.example.com/webhooks/twilio"
    request = replace(sign(post(url + fragment), "new"), url=url)
    secrets = ProviderSecrets("twilio", {"auth_tokens": ["new"], **more})
    if known:
        PROVIDER.verify(request, secrets)
    else:
        with pytest.raises(BadSignature):
            PROVIDER.verify(request, secrets)


def test_account_sid_proves_nothing() -> None:
    """A sub-account signs with its own token and names itself; knowing our AccountSid is no signature."""
    body = BODY + b"&AccountSid=AC00000000000000000000000000000099"
    PROVIDER.verify(sign(post("https://h.example/p", body), "auth-token-old"), secrets_of("twilio"))
    ours = BODY + b"&AccountSid=AC00000000000000000000000000000001"
    with pytest.raises(BadSignature):
        PROVIDER.verify(post("https://h.example/p", ours), secrets_of("twilio"))


def test_newer_signature_with_sha256() -> None:
    settings = {"x-twilio-webhooks-signature-settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
    signed = sign(post("https://h.example/p"), "auth-token-new")
    request = replace(signed, headers={**signed.headers, **settings})
    with pytest.raises(BadSignature):
        PROVIDER.verify(request, secrets_of("twilio"))  # signed with SHA-1, said to be SHA-256
    signature = {"x-twilio-signature": "7MUPJnyKf4Fe41APdynYoR4QkYxdGfsw0RRSdl1OJDg="}
    PROVIDER.verify(replace(request, headers={**request.headers, **signature}), secrets_of("twilio"))


def test_json_whose_hash_the_url_does_not_carry_is_refused() -> None:
    """The signature of a bare URL would otherwise let any JSON body through."""
    signed = sign(post("https://h.example/p", b"", FORM), "auth-token-new")
    body = b'{"MessageSid": "SM1", "From": "whatsapp:+5511987650001"}'
    forged = replace(signed, body=body, headers={**signed.headers, "content-type": "application/json"})
    with pytest.raises(BadSignature):
        PROVIDER.verify(forged, secrets_of("twilio"))


def test_signed_get_does_not_vouch_for_a_body() -> None:
    """A GET's signature covers its URL alone, so nothing of a body may be believed with it."""
    get = sign(RawRequest("GET", "https://h.example/p?MessageSid=SM1", {"content-type": FORM}, b""), "auth-token-new")
    with pytest.raises(BadSignature):
        PROVIDER.verify(replace(get, method="POST", body=BODY), secrets_of("twilio"))
    PROVIDER.verify(replace(get, body=BODY), secrets_of("twilio"))
    assert PROVIDER.parse(replace(get, body=BODY)) == PROVIDER.parse(get)


def test_body_with_endless_parameters_is_refused_in_time() -> None:
    endless = b"&".join(b"p%d=1" % number for number in range(10_001))
    with pytest.raises(BadSignature):
        PROVIDER.verify(sign(post("https://h.example/p", endless), "auth-token-new"), secrets_of("twilio"))


def test_there_is_no_handshake() -> None:
    get = RawRequest("GET", "https://h.example/p?hub.mode=subscribe&hub.challenge=1", {}, b"")
    assert PROVIDER.challenge(get, secrets_of("twilio")) is None
    with pytest.raises(BadSignature):
        PROVIDER.verify(get, secrets_of("twilio"))


def test_acknowledgement_is_no_reply_to_the_customer() -> None:
    assert PROVIDER.acknowledgement == Acknowledgement(200, "text/xml", "<Response/>")


def test_webhook_does_not_load_the_client() -> None:
    """The SDK's REST client takes longer to import than a webhook takes to answer."""
    slow = "twilio.rest", "requests"
    code = f"import sys, ventana.providers.twilio; sys.exit(any(name in sys.modules for name in {slow}))"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "layers/ventana"})


@pytest.mark.parametrize("part", ["parse", "limits", "indicate"])
def test_what_serves_all_functions_needs_no_sdk(part: str) -> None:
    """Parked items are parsed again, and contents checked, by functions that do without the SDK's layer."""
    code = f"import sys; sys.modules['twilio'] = None; import ventana.providers.twilio.{part}"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "layers/ventana"})


def test_writing_is_shown_at_the_customers_message() -> None:
    asked: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(request)
        return HttpReply(200, b'{"success": true}')

    sid = "SM00000000000000000000000000000001"
    assert {"typing"} == KINDS
    indicate("typing", sid, "+14155238886", secrets_of("twilio"), answer)
    (request,) = asked
    assert (request.method, request.url) == ("POST", "https://messaging.twilio.com/v3/Indicators/Typing.json")
    assert request.headers == {
        "authorization": "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTphdXRoLXRva2VuLW5ldw==",
        "content-type": "application/json",
    }
    assert json.loads(request.body) == {"channel": "WHATSAPP", "messageId": sid}


@pytest.mark.parametrize(
    ("reply", "error", "code"),
    [
        (HttpReply(401, b'{"code": 20003, "message": "+5511987650001"}'), Misconfigured, "20003"),
        (HttpReply(404, b'{"code": 20404}'), Rejected, "20404"),
        (HttpReply(429, b""), Throttled, "429"),
        (HttpReply(500, b"oops"), Uncertain, "500"),
    ],
)
def test_writing_that_is_not_shown_is_an_error(reply: HttpReply, error: type[SendError], code: str) -> None:
    with pytest.raises(error) as caught:
        indicate("typing", "SM1", "+14155238886", secrets_of("twilio"), lambda request: reply)
    assert caught.value.provider_code == code
    assert "+55" not in str(caught.value)
