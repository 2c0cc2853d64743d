"""Each provider's templates.py: which templates it offers, what is sent for them, and that no half of a list is taken.

cases/<provider>/templates.json   rows: an entry of the provider's list, and the template that is offered; null: none
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.providers.case_table import secrets_of
from tests.providers.test_outgoing import outbound
from ventana.content import Content
from ventana.errors import ListingFailed, Rejected, SendError, Unavailable, Uncertain, Unreachable
from ventana.http import HttpReply, HttpRequest
from ventana.providers import PROVIDERS, limits_named, templating_named
from ventana.providers.meta.send import build as meta_request
from ventana.providers.templating import OfferedTemplate, in_order, keys_of
from ventana.providers.twilio.send import build as twilio_arguments

FILES = {name: Path(__file__).parent / "cases" / name / "templates.json" for name in PROVIDERS}
TABLES = {name: json.loads(path.read_text("utf-8"))["rows"] for name, path in FILES.items() if path.exists()}
WABA, NUMBERS = "102290129340398", ["1065", "1066"]
Answer = Callable[[HttpRequest], HttpReply]


def reply(content: Any, status: int = 200) -> HttpReply:
    return HttpReply(status, json.dumps(content).encode())


def graph(entries: list[Any], size: int = 100) -> Answer:
    """A Graph API with one WABA."""

    def answer(request: HttpRequest) -> HttpReply:
        parts = urlsplit(request.url)
        match parts.path.split("/")[2:]:
            case ["debug_token"]:
                scopes = [{"scope": "whatsapp_business_management", "target_ids": [WABA]}]
                return reply({"data": {"is_valid": True, "granular_scopes": scopes}})
            case [waba, "phone_numbers"] if waba == WABA:
                return reply({"data": [{"id": number} for number in NUMBERS]})
            case [waba, "message_templates"] if waba == WABA:
                first = int(dict(parse_qsl(parts.query)).get("after", 0))
                paging: dict[str, Any] = {"cursors": {"after": str(first + size)}}
                if first + size < len(entries):
                    paging["next"] = "https://graph.facebook.com/elsewhere"
                return reply({"data": entries[first : first + size], "paging": paging})
        return reply({"error": {"code": 100}}, 400)

    return answer


def content_api(entries: list[Any], size: int = 100) -> Answer:
    """A Content API of one account."""

    def answer(request: HttpRequest) -> HttpReply:
        parts = urlsplit(request.url)
        if (parts.netloc, parts.path) != ("content.twilio.com", "/v1/ContentAndApprovals"):
            return reply({"code": 20404}, 404)
        first = int(dict(parse_qsl(parts.query)).get("Page", 0)) * size
        following = f"https://content.twilio.com/v1/ContentAndApprovals?PageSize=50&Page={first // size + 1}"
        meta = {"next_page_url": following if first + size < len(entries) else None, "key": "contents"}
        return reply({"contents": entries[first : first + size], "meta": meta})

    return answer


ACCOUNTS: Mapping[str, Callable[..., Answer]] = {"meta": graph, "twilio": content_api}
ADDRESSES = {"meta": NUMBERS, "twilio": [""]}
EMPTY: dict[str, Any] = {"meta": {"data": []}, "twilio": {"contents": []}}


def offered(provider: str, answer: Answer, **secrets: Any) -> list[OfferedTemplate]:
    templating = templating_named(provider)
    assert templating
    return list(templating.offered(secrets_of(provider, **secrets), answer))


def rows() -> Iterator[Any]:
    for name, table in TABLES.items():
        for label, row in table.items():
            yield pytest.param(name, row, id=f"{name}-{label}")


def test_who_sends_templates_lists_them() -> None:
    assert TABLES.keys() == ACCOUNTS.keys() == {name for name in PROVIDERS if templating_named(name)}


@pytest.mark.parametrize(("provider", "row"), list(rows()))
def test_what_is_offered(provider: str, row: dict[str, Any]) -> None:
    found = [json.loads(json.dumps(asdict(each))) for each in offered(provider, ACCOUNTS[provider]([row["entry"]]))]
    assert [each.pop("address") for each in found] == (ADDRESSES[provider] if row["offered"] else [])
    assert all(each == row["offered"] for each in found)


@pytest.mark.parametrize(("provider", "row"), [each for each in rows() if each.values[1]["offered"]])
def test_filled_in_it_can_be_sent(provider: str, row: dict[str, Any]) -> None:
    """Every place is filled by one replacement, and what comes out is what the provider takes."""
    told = row["offered"]
    assert set(keys_of(json.dumps(told["send"]))) == {each["key"] for each in told["parameters"]}
    shown = {key for part in ("header", "body") for key in keys_of(told[part] or "")}
    assert shown <= {each["key"] for each in told["parameters"]}
    filled = json.dumps(told["send"])
    for each in told["parameters"]:
        filled = filled.replace("{{" + each["key"] + "}}", "https://shop.example/1")
    content = cast("Content", {"type": "template", **json.loads(filled)})
    limits_named(provider).check(content, False, {})
    message = outbound(
        provider, {"business_address": "1065", "customer": {"phone": "+5511987650001"}, "content": content}
    )
    if provider == "meta":
        body = json.loads(meta_request(message, secrets_of("meta")).body)
        assert body["template"]["name"] == told["send"]["name"]
    else:
        assert twilio_arguments(message)["content_sid"] == told["send"]["content_sid"]


@pytest.mark.parametrize("provider", TABLES)
def test_pages_are_followed_to_the_end(provider: str) -> None:
    entry = TABLES[provider]["nothing to fill in"]["entry"]
    id_of = "id" if provider == "meta" else "sid"
    entries = [{**entry, id_of: f"HX{number:032}"} for number in range(25)]
    found = offered(provider, ACCOUNTS[provider](entries, 10))
    assert {each.id for each in found} == {each[id_of] for each in entries}
    assert len(found) == 25 * len(ADDRESSES[provider])


@pytest.mark.parametrize("provider", TABLES)
@pytest.mark.parametrize("content", [{}, [], {"data": None}, {"contents": None}, {"contents": {}}, "none"])
def test_an_answer_without_a_list_is_no_empty_list(provider: str, content: Any) -> None:
    with pytest.raises(ListingFailed):
        offered(provider, lambda request: reply(content), waba_ids=[WABA])


@pytest.mark.parametrize("provider", TABLES)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404])
def test_a_refusal_tells_nothing(provider: str, status: int) -> None:
    with pytest.raises(ListingFailed) as caught:
        offered(provider, lambda request: reply({**EMPTY[provider], "message": "quoted"}, status))
    assert "quoted" not in str(caught.value)


@pytest.mark.parametrize("provider", TABLES)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_is_asked_about_again(provider: str, status: int) -> None:
    with pytest.raises(Unavailable):
        offered(provider, lambda request: reply(EMPTY[provider], status))


@pytest.mark.parametrize("provider", TABLES)
@pytest.mark.parametrize("failure", [Unreachable("not reached"), Uncertain("answer lost"), Rejected("no")])
def test_a_question_that_is_lost_is_asked_again(provider: str, failure: SendError) -> None:
    def fail(request: HttpRequest) -> HttpReply:
        raise failure

    with pytest.raises(Unavailable):
        offered(provider, fail)


@pytest.mark.parametrize("provider", TABLES)
def test_a_page_that_fails_leaves_nothing_half(provider: str) -> None:
    entry, asked = TABLES[provider]["nothing to fill in"]["entry"], list[str]()
    account = ACCOUNTS[provider]([entry] * 25, 10)

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(request.url)
        return reply({}, 403) if len(asked) == 4 or "Page=1" in request.url else account(request)

    with pytest.raises(ListingFailed):
        offered(provider, answer)


def test_metas_accounts_are_those_of_the_secret_or_of_the_token() -> None:
    entry = TABLES["meta"]["nothing to fill in"]["entry"]
    asked = list[str]()

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(urlsplit(request.url).path)
        return graph([entry])(request)

    assert offered("meta", answer, waba_ids=[WABA])
    assert not [path for path in asked if path.endswith("debug_token")]
    assert offered("meta", answer)
    assert [path for path in asked if path.endswith("debug_token")]
    with pytest.raises(ListingFailed, match="waba_ids"):
        offered("meta", lambda request: reply({"data": {"is_valid": True}}))


def test_twilios_credentials_go_to_twilio_alone() -> None:
    entry, asked = TABLES["twilio"]["nothing to fill in"]["entry"], list[str]()

    def answer(request: HttpRequest) -> HttpReply:
        asked.append(urlsplit(request.url).netloc)
        return reply({"contents": [entry], "meta": {"next_page_url": "https://elsewhere.example/?PageSize=50"}})

    assert len(offered("twilio", answer)) == 1
    assert asked == ["content.twilio.com"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["10", "2", "1"], ["1", "2", "10"]),
        (["name", "2", "age"], ["2", "age", "name"]),
        (["9" * 5000, "1"], ["1", "9" * 5000]),
    ],
)
def test_keys_stand_as_people_count(keys: list[str], expected: list[str]) -> None:
    assert in_order(keys) == expected
