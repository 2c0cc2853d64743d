"""Every provider turns its own webhooks into our words, and takes them from nobody else."""

from __future__ import annotations

import json
from operator import attrgetter

import pytest

from tests.providers.case_table import Case, all_cases, as_json, live_secrets, parsed_again, secrets_of
from ventana.errors import BadSignature, NotConfigured
from ventana.messages import Parked
from ventana.providers import PROVIDERS

CASES = list(all_cases())
every_case = pytest.mark.parametrize("case", CASES, ids=[f"{case.provider_name}-{case.label}" for case in CASES])


def test_every_provider_has_cases() -> None:
    assert set(map(attrgetter("provider_name"), CASES)) == set(PROVIDERS)


@every_case
def test_webhook_becomes_our_words(case: Case) -> None:
    request = case.request()
    case.provider.verify(request, secrets_of(case.provider_name))
    items = case.provider.parse(request)
    found = [as_json(item) for item in items]
    for item, expected in zip(found, case.expected, strict=False):
        kept = "body" if item["kind"] == "Parked" else "raw"
        if kept not in expected:
            assert item.pop(kept), "the provider's own item is kept"
    assert found == case.expected
    assert case.provider.parse(request) == items, "parsing is pure"


@every_case
def test_items_can_be_stored(case: Case) -> None:
    """Nothing that JSON does not know, such as infinity, reaches the database."""
    for item in case.provider.parse(case.request()):
        json.dumps(as_json(item), allow_nan=False)


@every_case
def test_parked_item_is_alone_in_a_body_that_parses_again(case: Case) -> None:
    for item in case.provider.parse(case.request()):
        if isinstance(item, Parked):
            assert parsed_again(item, case.provider_name) == [item]


@every_case
def test_rotated_secret_is_accepted(case: Case) -> None:
    """A webhook that was signed with the second of the live secrets is still one of the provider's."""
    case.provider.verify(case.request(secret=live_secrets(case.provider_name)[1]), secrets_of(case.provider_name))


@every_case
def test_wrong_secret_is_refused(case: Case) -> None:
    with pytest.raises(BadSignature) as caught:
        case.provider.verify(case.request(secret="somebody-else"), secrets_of(case.provider_name))
    assert_says_nothing(caught.value, case)


@every_case
def test_unsigned_request_is_refused(case: Case) -> None:
    with pytest.raises(BadSignature) as caught:
        case.provider.verify(case.signing.unsigned(case.request()), secrets_of(case.provider_name))
    assert_says_nothing(caught.value, case)


@every_case
def test_tampered_request_is_refused(case: Case) -> None:
    for request in case.signing.tampered(case.request()):
        with pytest.raises(BadSignature) as caught:
            case.provider.verify(request, secrets_of(case.provider_name))
        assert_says_nothing(caught.value, case)


@pytest.mark.parametrize("name", PROVIDERS)
def test_missing_secret_is_no_open_door(name: str) -> None:
    case = next(case for case in CASES if case.provider_name == name)
    with pytest.raises(NotConfigured):
        case.provider.verify(case.request(), secrets_of(name, **{case.signing.SIGNS: []}))


def assert_says_nothing(error: Exception, case: Case) -> None:
    """The text of a refusal ends in logs: it holds neither a secret nor the signature that was expected."""
    signed = case.request()
    telling = [*live_secrets(case.provider_name), "somebody-else", *signed.headers.values()]
    assert not [value for value in telling if value and value in str(error)]
