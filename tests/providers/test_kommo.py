"""What is Kommo's alone: the secret in the path, the account in the form, and keys that could grow without end."""

from __future__ import annotations

import pytest

from tests.providers.case_table import secrets_of
from ventana.errors import BadSignature
from ventana.messages import InboundMessage, Parked
from ventana.providers.base import RawRequest
from ventana.providers.kommo import PROVIDER
from ventana.providers.kommo.form import tree

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
