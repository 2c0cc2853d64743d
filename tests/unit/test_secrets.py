"""Credentials: several live values, hidden from view, kept for five minutes, missing ones refused."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ventana.errors import NotConfigured
from ventana.secrets import CACHE_SECONDS, LOOK_AGAIN_SECONDS, ProviderSecrets, SecretStore


@pytest.mark.parametrize(
    ("stored", "every"),
    [
        ("only", ("only",)),
        (["new", "old"], ("new", "old")),
        (("new", "old"), ("new", "old")),
        (["new", ""], ("new",)),
        (42, ("42",)),
    ],
)
def test_a_value_may_be_one_or_several_and_the_first_is_used_for_sending(stored: Any, every: tuple[str, ...]) -> None:
    secrets = ProviderSecrets("acme", {"tokens": stored})
    assert secrets.every("tokens") == every
    assert secrets.first("tokens") == secrets.get("tokens") == every[0]


@pytest.mark.parametrize("values", [{}, {"tokens": None}, {"tokens": ""}, {"tokens": []}, {"tokens": [""]}])
def test_without_a_value_nothing_verifies(values: dict[str, Any]) -> None:
    secrets = ProviderSecrets("acme", values)
    assert secrets.get("tokens") is None
    with pytest.raises(NotConfigured, match=r"^the acme secret has no value for 'tokens'$"):
        secrets.every("tokens")
    with pytest.raises(NotConfigured):
        secrets.first("tokens")


def test_repr_shows_names_and_no_values() -> None:
    assert repr(ProviderSecrets("acme", {"tokens": ["hush"], "id": "hush"})) == "ProviderSecrets(acme: id, tokens)"


class Vault:
    """Stands in for Secrets Manager: what it holds may change, reads are counted."""

    def __init__(self, text: str | None) -> None:
        self.text, self.reads = text, 0

    def __call__(self, secret_id: str) -> str:
        self.reads += 1
        if self.text is None:
            raise NotConfigured("away")
        return self.text


def test_a_secret_is_read_once_in_five_minutes_and_again_afterwards() -> None:
    vault, now = Vault('{"tokens": "old"}'), [1000.0]
    store = SecretStore(vault, clock=lambda: now[0])
    assert store.of("acme", "id").first("tokens") == "old"
    vault.text = '{"tokens": ["new", "old"]}'
    now[0] += CACHE_SECONDS
    assert (store.of("acme", "id").first("tokens"), vault.reads) == ("old", 1)
    now[0] += 1
    assert (store.of("acme", "id").every("tokens"), vault.reads) == (("new", "old"), 2)


def test_each_secret_is_kept_by_itself() -> None:
    store = SecretStore(lambda secret_id: json.dumps({"tokens": secret_id}))
    assert [store.of("acme", name).first("tokens") for name in ("one", "two", "one")] == ["one", "two", "one"]


@pytest.mark.parametrize("text", ["hush", "[]", '"hush"', "", "{"])
def test_what_is_no_json_object_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(NotConfigured) as caught:
        SecretStore(lambda _: text).values("ventana/acme")
    assert str(caught.value) == "the secret 'ventana/acme' is not a JSON object"


def test_an_unreadable_secret_is_asked_for_again_by_the_next_call() -> None:
    vault = Vault("not yet")
    store = SecretStore(vault)
    with pytest.raises(NotConfigured):
        store.values("id")
    vault.text = '{"tokens": "there"}'
    assert store.of("acme", "id").first("tokens") == "there"


@pytest.mark.parametrize("spoilt", ["", "[]", None], ids=["empty", "no object", "away"])
def test_what_cannot_be_read_again_is_used_as_it_was_until_it_can(spoilt: str | None) -> None:
    vault, now = Vault('{"tokens": "old"}'), [1000.0]
    store = SecretStore(vault, clock=lambda: now[0])
    store.values("id")
    vault.text = spoilt
    now[0] += CACHE_SECONDS + 1
    assert [store.of("acme", "id").first("tokens") for _ in range(3)] == ["old"] * 3
    assert vault.reads == 2, "who waits for an answer does not ask each time"
    vault.text = '{"tokens": "new"}'
    now[0] += LOOK_AGAIN_SECONDS + 1
    assert store.of("acme", "id").first("tokens") == "new"


def test_newer_values_are_looked_for_when_those_at_hand_do_not_fit_and_not_all_the_time() -> None:
    vault, now = Vault('{"tokens": "old"}'), [1000.0]
    store = SecretStore(vault, clock=lambda: now[0])
    assert store.newer("acme", "id") is None, "there are none at hand"
    store.values("id")
    vault.text = '{"tokens": ["new", "old"]}'
    assert store.newer("acme", "id") is None, "they were only just read"
    now[0] += LOOK_AGAIN_SECONDS
    newer = store.newer("acme", "id")
    assert newer is not None
    assert newer.every("tokens") == store.of("acme", "id").every("tokens") == ("new", "old")
    now[0] += LOOK_AGAIN_SECONDS
    assert store.newer("acme", "id") is None, "nothing has changed"
    assert [store.newer("acme", "id") for _ in range(5)] == [None] * 5
    assert vault.reads == 3


@pytest.fixture
def secrets_manager(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


def test_secrets_are_read_from_secrets_manager(secrets_manager: Any) -> None:
    secrets_manager.create_secret(Name="ventana/acme", SecretString='{"tokens": ["a", "b"]}')
    assert SecretStore().of("acme", "ventana/acme").every("tokens") == ("a", "b")


def test_a_secret_that_is_not_there_is_named_and_nothing_of_aws_is(secrets_manager: Any) -> None:
    with pytest.raises(NotConfigured) as caught:
        SecretStore().values("ventana/nobody")
    assert str(caught.value).startswith("the secret 'ventana/nobody' cannot be read: ")


def test_a_binary_secret_is_refused(secrets_manager: Any) -> None:
    secrets_manager.create_secret(Name="ventana/binary", SecretBinary=b"{}")
    with pytest.raises(NotConfigured, match="cannot be read: KeyError"):
        SecretStore().values("ventana/binary")
