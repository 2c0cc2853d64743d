"""What is Kommo's alone: the secret in the path, the account in the form, and keys that could grow without end."""

from __future__ import annotations

import pytest

from tests.providers.case_table import secrets_of
from ventana.errors import BadSignature, NotConfigured
from ventana.messages import InboundMessage, Parked
from ventana.providers.base import RawRequest
from ventana.providers.kommo import PROVIDER
from ventana.providers.kommo.form import flat, tree
from ventana.providers.kommo.identity import typed_phone

GOOD = "https://ventana.example/webhooks/kommo/webhook-token-new"


def post(body: str, url: str = GOOD) -> RawRequest:
    return RawRequest("POST", url, {"content-type": "application/x-www-form-urlencoded"}, body.encode())


@pytest.mark.parametrize(
    "url",
    [
        GOOD,
        GOOD + "/",
        GOOD + "?attempt=2",
        "https://ventana.example/prod/webhooks/kommo/webhook-token-old",
        "https://ventana.example/webhooks/kommo/webhook%2Dtoken%2Dnew",
    ],
)
def test_token_is_the_end_of_the_path(url: str) -> None:
    PROVIDER.verify(post("", url), secrets_of("kommo"))


@pytest.mark.parametrize(
    "url",
    [
        "https://ventana.example/webhooks/kommo",
        "https://ventana.example/webhooks/kommo/",
        "https://ventana.example/webhooks/kommo/webhook-token-ne",
        "https://ventana.example/webhooks/kommo/WEBHOOK-TOKEN-NEW",
        "https://ventana.example/webhooks/kommo/webhook-token-new/more",
        "https://ventana.example/webhooks/kommo/?token=webhook-token-new",
        "https://ventana.example/webhooks/kommo/#webhook-token-new",
        "https://ventana.example/webhooks/kommo/webhook-token-new%00",
        "https://ventana.example/webhooks/kommo/%ff%fe",
    ],
)
def test_any_other_path_is_refused(url: str) -> None:
    with pytest.raises(BadSignature) as caught:
        PROVIDER.verify(post("account[id]=31234567", url), secrets_of("kommo"))
    assert "webhook-token" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "account[id]=31234567",
        "account[id]=31234567&account[subdomain]=renamed",
        "account[subdomain]=muebles",
        "account=x",
    ],
)
def test_hook_of_our_account_is_accepted(body: str) -> None:
    """The id decides; a subdomain can be renamed, and counts only where there is no id."""
    PROVIDER.verify(post(body), secrets_of("kommo"))


@pytest.mark.parametrize(
    "body",
    [
        "account[id]=666",
        "account[id]=666&account[subdomain]=muebles",
        "account[subdomain]=others",
        "account[id][x]=31234567",
    ],
)
def test_hook_of_another_account_is_refused(body: str) -> None:
    with pytest.raises(BadSignature):
        PROVIDER.verify(post(body), secrets_of("kommo"))


def test_account_is_checked_only_where_we_know_ours() -> None:
    PROVIDER.verify(post("account[id]=666"), secrets_of("kommo", account_id=None, subdomain=None))
    with pytest.raises(BadSignature):
        PROVIDER.verify(post("account[id]=1&account[subdomain]=others"), secrets_of("kommo", account_id=None))


def test_keys_cannot_grow_without_end() -> None:
    """An index of a billion, a path of a thousand steps, fields by the thousand: none costs memory or a crash."""
    assert tree(post("a[999999999]=1")) == {"a": {"999999999": "1"}}
    assert tree(post("a" + "[x]" * 1000 + "=1")) == {"a" + "[x]" * 1000: "1"}
    endless = post("&".join(f"a{number}=1" for number in range(20_001)))
    PROVIDER.verify(endless, secrets_of("kommo"))
    assert PROVIDER.parse(endless) == [
        Parked("kommo", "body has too many fields", endless.body, "application/x-www-form-urlencoded")
    ]


def test_largest_hook_is_read() -> None:
    """250 items with all their fields fit."""
    fields = "".join(f"&message[add][{{0}}][field{number}]=x" for number in range(60))
    body = "".join(f"&message[add][{n}][id]=m{n}&message[add][{n}][chat_id]=c" + fields.format(n) for n in range(250))
    items = PROVIDER.parse(post(body[1:]))
    assert [item.provider_message_id for item in items if isinstance(item, InboundMessage)] == [
        f"m{number}" for number in range(250)
    ]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("a[b]=1&a[b]=2", {"a": {"b": "2"}}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
        ("a[b]=2&a=1", {"a": "1"}),
        ("a[]=1&a[]=2", {"a": {"0": "1", "1": "2"}}),
        ("a[b=1&]a[=2&a[b]c=3", {"a[b": "1", "]a[": "2", "a[b]c": "3"}),
        ("a%5Bb%5D=%C3%A1+%2B", {"a": {"b": "á +"}}),
        ("=1", {"": "1"}),
    ],
)
def test_keys_of_every_form(keys: str, wanted: dict[str, object]) -> None:
    assert tree(post(keys)) == wanted


@pytest.mark.parametrize(
    "form",
    ["a[b][c]=1&a[b][d]=2&a[]=3&a[]=4&x=%20y&=1&[z]=2&a[][q]=5&\u00e9[\u00e9]=\u00e9", "a" + "[x]" * 1000 + "=1", ""],
)
def test_tree_written_as_a_form_is_the_same_tree(form: str) -> None:
    once = tree(post(form))
    assert tree(post(flat(once).decode())) == once


CHATS = "https://ventana.example/webhooks/kommo/chats/channel_account"
SIGNED = "34770cf3bdc91de7c5afcc1b4943e5af8d8907fb"
"""Of the body below with the secret `channel-secret-test`; computed elsewhere."""


def chats(body: str = '{"account_id":"a"}', url: str = CHATS, signature: str = SIGNED) -> RawRequest:
    return RawRequest("POST", url, {"content-type": "application/json", "x-signature": signature}, body.encode())


@pytest.mark.parametrize(
    "request_",
    [
        chats(),
        chats(body='\r\n{"account_id":"a"}\n'),
        chats(url="https://ventana.example/prod/webhooks/kommo/chats/channel_account?attempt=1"),
    ],
)
def test_chats_hook_is_signed_with_any_of_the_channels_secrets(request_: RawRequest) -> None:
    """Newlines at the ends are not signed by some of Kommo's clients."""
    secrets = secrets_of("kommo", channel_secrets=["another", "channel-secret-test"], amojo_account_id="a")
    PROVIDER.verify(request_, secrets)


@pytest.mark.parametrize(
    "request_",
    [
        chats(body='{"account_id":"b"}'),
        chats(body='{"account_id":"a"} '),
        chats(body=' {"account_id":"a"}'),
        chats(signature=""),
        chats(signature=SIGNED.upper()),
        chats(url=CHATS.replace("channel_account", "webhook-token-new"), signature=""),
    ],
)
def test_chats_hook_that_is_not_signed_is_refused(request_: RawRequest) -> None:
    """A webhook token in the path is no signature."""
    with pytest.raises(BadSignature) as caught:
        PROVIDER.verify(request_, secrets_of("kommo", channel_secrets=["channel-secret-test"], amojo_account_id="a"))
    assert SIGNED not in str(caught.value)


def test_signature_opens_no_other_path() -> None:
    """The CRM's hooks want their token, whatever else is in the request."""
    with pytest.raises(BadSignature):
        PROVIDER.verify(
            chats(url="https://ventana.example/webhooks/kommo/chats"),
            secrets_of("kommo", channel_secrets=["channel-secret-test"]),
        )


def test_chats_hook_of_another_account_is_refused() -> None:
    secrets = {"channel_secrets": ["channel-secret-test"]}
    with pytest.raises(BadSignature):
        PROVIDER.verify(chats(), secrets_of("kommo", **secrets, amojo_account_id="b"))
    PROVIDER.verify(chats(), secrets_of("kommo", **secrets, amojo_account_id=None))


def test_chats_hook_without_a_configured_secret_is_no_open_door() -> None:
    with pytest.raises(NotConfigured):
        PROVIDER.verify(chats(), secrets_of("kommo", channel_secrets=[]))


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("+5511987650001", "+5511987650001"),
        ("+55 (11) 98765-0001", "+5511987650001"),
        ("0055.11.98765.0001", "+5511987650001"),
        (" +55\u00a011\u200298765\u20110001 ", "+5511987650001"),
        ("(+55) [11] 98765 0001", "+5511987650001"),
        ("+12345678", "+12345678"),
        ("+1234567", None),
        ("+123456789012345", "+123456789012345"),
        ("+1234567890123456", None),
        ("11 98765-0001", None),
        ("5511987650001", None),
        ("+0 11 98765 0001", None),
        ("++5511987650001", None),
        ("+55 11 98765-0001 (Ana)", None),
        ("+55 11 98765-0001 / +55 11 98765-0002", None),
        ("+٥٥١١٩٨٧٦٥٠٠٠١", None),
        ("llamar por la tarde", None),
        ("", None),
    ],
)
def test_typed_phone_is_taken_only_where_it_names_its_country(typed: str, wanted: str | None) -> None:
    assert typed_phone(typed) == wanted
