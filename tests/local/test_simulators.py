"""Simulated providers take and refuse what the real ones do, report it, and sign what they post."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from infra.local.http_server import Request
from tests.local.world import CUSTOMER, PROVIDERS, World, assert_signed, form, value


def test_twilio_takes_a_message_and_reports_it(world: World) -> None:
    status, answer = world.send("twilio")
    assert (status, answer["status"], answer["error_code"]) == (201, "queued", None)
    assert answer["sid"].startswith("SM")
    assert len(answer["sid"]) == 34
    reports = world.gateway.wait_for(3)
    assert [form(report)["MessageStatus"] for report in reports] == ["sent", "delivered", "read"]
    for report in reports:
        assert form(report)["MessageSid"] == answer["sid"]
        assert_signed(report, world.identity, f"{world.gateway.url}/webhooks/twilio/status?message_id=7")


def test_meta_takes_a_message_and_reports_it(world: World) -> None:
    status, answer = world.send("meta")
    (message,) = answer["messages"]
    assert status == 200
    assert message["id"].startswith("wamid.")
    reports = world.gateway.wait_for(3)
    assert [value(report)["statuses"][0]["status"] for report in reports] == ["sent", "delivered", "read"]
    for report in reports:
        (told,) = value(report)["statuses"]
        assert (told["id"], told["biz_opaque_callback_data"]) == (message["id"], "7")
        assert_signed(report, world.identity, "")


def test_kommo_takes_a_message_and_echoes_it_where_it_knows_the_talk(world: World) -> None:
    world.order("/customer", provider="kommo", **{"from": CUSTOMER, "text": "hola"})
    wrote = form(world.gateway.wait_for(1)[0])
    status, answer = world.send("kommo", talk=wrote["message[add][0][talk_id]"])
    assert status == 202
    echo = world.gateway.wait_for(2)[1]
    told = form(echo)
    assert told["outgoing_message[add][0][id]"] == answer["id"]
    assert told["outgoing_message[add][0][chat_id]"] == wrote["message[add][0][chat_id]"]
    assert told["outgoing_message[add][0][type]"] == "outgoing"
    assert_signed(echo, world.identity, "")


def test_kommo_knows_the_talks_of_hooks_that_others_sent(world: World) -> None:
    fields = {"message[add][0][talk_id]": "99", "message[add][0][chat_id]": "chat-99"}
    world.simulators.saw(Request("POST", "/webhooks/kommo/x", "", (), urlencode(fields).encode()))
    world.send("kommo", talk="99")
    assert form(world.gateway.wait_for(1)[0])["outgoing_message[add][0][chat_id]"] == "chat-99"


def test_kommo_closes_a_talk_when_the_customer_writes_in_a_new_one(world: World) -> None:
    for talk in ("1", "2"):
        world.wrote("kommo", payload={"talk_id": talk, "contact_id": "77"})
    world.wrote("kommo", payload={"talk_id": "3", "contact_id": "78"}, **{"from": "+34612000103"})
    assert [world.send("kommo", talk=talk)[0] for talk in ("1", "2", "3")] == [422, 202, 202]
    status, answer = world.ask("kommo", "/api/v4/talks?filter%5Bcontact_id%5D%5B%5D=77&limit=250")
    talks = answer["_embedded"]["talks"]
    assert (status, sorted((talk["talk_id"], talk["is_in_work"]) for talk in talks)) == (
        200,
        [("1", False), ("2", True)],
    )
    assert len({talk["chat_id"] for talk in talks}) == 1
    assert world.ask("kommo", "/api/v4/talks?filter%5Bcontact_id%5D%5B%5D=1") == (204, None)
    pages = [world.ask("kommo", f"/api/v4/talks?limit=2&page={number}")[1] for number in (1, 2)]
    assert [len(each["_embedded"]["talks"]) for each in pages] == [2, 1]
    assert [bool(each["_links"]) for each in pages] == [True, False]


def test_meta_reaches_a_customer_without_a_phone(world: World) -> None:
    path, body, headers = world._meta("hola")
    message = json.loads(body)
    del message["to"]
    message["recipient"] = "US.13491208655302741918"
    status, answer = world.call("POST", path, json.dumps(message).encode(), headers)
    assert (status, answer["contacts"][0]["user_id"]) == (200, "US.13491208655302741918")
    (told,) = value(world.gateway.wait_for(1)[0])["statuses"]
    assert (told["recipient_user_id"], told.get("recipient_id")) == ("US.13491208655302741918", None)


FIELDS = {"provider", "kind", "to", "from", "customer", "address", "text", "message_id"}
FIELDS |= {"id", "at", "dropped", "fault", "error_code", "raw"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_was_taken_is_listed(world: World, provider: str) -> None:
    _, answer = world.send(provider, "¿Sigue en pie?")
    (entry,) = world.sent()
    assert entry["provider"] == provider
    assert entry["text"] == "¿Sigue en pie?"
    assert entry["id"] in json.dumps(answer)
    assert (entry["kind"], entry["dropped"], entry["fault"], entry["error_code"]) == ("text", False, None, None)
    assert entry["message_id"] == (None if provider == "kommo" else "7")
    assert entry["customer"] == ("4711" if provider == "kommo" else CUSTOMER)
    assert abs(entry["at"] - time.time()) < 5
    assert set(entry) == FIELDS


@pytest.mark.parametrize(
    ("provider", "change", "status", "code"),
    [
        ("twilio", {"token": "wrong"}, 401, 20003),
        ("twilio", {"To": ""}, 400, 21604),
        ("twilio", {"To": CUSTOMER}, 400, 21910),
        ("twilio", {"From": "whatsapp:+1"}, 400, 63007),
        ("twilio", {"Body": ""}, 400, 21602),
        ("twilio", {"Body": "x" * 1601}, 400, 21617),
        ("meta", {"token": "wrong"}, 401, 190),
        ("meta", {"to": ""}, 400, 100),
        ("meta", {"messaging_product": "sms"}, 400, 100),
        ("meta", {"text": {"body": ""}}, 400, 100),
        ("meta", {"text": {"body": "x" * 4097}}, 400, 100),
        ("meta", {"text": None}, 400, 100),
        ("kommo", {"token": "wrong"}, 401, 401),
        ("kommo", {"text": ""}, 400, 400),
        ("kommo", {"talk": "none"}, 404, 404),
    ],
)
def test_what_the_provider_refuses_is_refused(
    world: World, provider: str, change: dict[str, Any], status: int, code: int
) -> None:
    found, answer = world.send(provider, **change)
    assert found == status
    assert answer.get("error", answer).get("code", answer.get("status")) == code
    assert world.sent() == []


def test_broken_json_is_refused(world: World) -> None:
    for provider in ("meta", "kommo"):
        path, _, headers = getattr(world, f"_{provider}")("x")
        assert world.call("POST", path, b"{", headers)[0] == 400


def test_twilio_lists_messages_for_who_lost_an_answer(world: World) -> None:
    _, sent = world.send("twilio")
    path, _, headers = world._twilio("")
    query = urlencode({"To": f"whatsapp:{CUSTOMER}"})
    assert [each["sid"] for each in world.call("GET", f"{path}?{query}", b"", headers)[1]["messages"]] == [sent["sid"]]
    assert world.call("GET", f"{path}?To=nobody", b"", headers)[1]["messages"] == []
    one = path.replace("Messages.json", f"Messages/{sent['sid']}.json")
    assert world.call("GET", one, b"", headers)[1]["sid"] == sent["sid"]


def test_twilio_lists_what_customers_wrote_newest_first_and_page_by_page(world: World) -> None:
    media = {"NumMedia": 1, "MediaUrl0": "https://api.twilio.com/m/ME1", "MediaContentType0": "image/jpeg"}
    for number in range(5):
        world.order("/customer", provider="twilio", text=f"{number}", payload=media, **{"from": CUSTOMER})
    path, _, headers = world._twilio("")
    found, following = [], f"{path}?{urlencode({'DateSent>': '2020-01-01', 'PageSize': 2})}"
    while following:
        page = world.call("GET", following, b"", headers)[1]
        found += page["messages"]
        assert len(page["messages"]) <= 2
        following = page["next_page_uri"]
    assert [message["body"] for message in found] == ["4", "3", "2", "1", "0"]
    assert {(message["direction"], message["status"], message["from"]) for message in found} == {
        ("inbound", "received", f"whatsapp:{CUSTOMER}")
    }
    listed = world.call("GET", found[0]["subresource_uris"]["media"], b"", headers)[1]["media_list"]
    assert [(file["sid"], file["content_type"]) for file in listed] == [("ME1", "image/jpeg")]
    assert world.call("GET", f"{path}?DateSent%3E=2099-01-01", b"", headers)[1]["messages"] == []


def test_a_message_that_is_lost_is_known_to_twilio_and_to_nobody_else(world: World) -> None:
    _, answer = world.order("/customer", provider="twilio", text="¿Hola?", lose=True, **{"from": CUSTOMER})
    path, _, headers = world._twilio("")
    listed = world.call("GET", path, b"", headers)[1]["messages"]
    assert [message["sid"] for message in listed] == [answer["message_id"]]
    assert answer["status"] == 0
    assert world.gateway.seen == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_customer_writes_through_a_signed_webhook(world: World, provider: str) -> None:
    status, answer = world.order("/customer", provider=provider, text="¿Hola? 👀", **{"from": CUSTOMER})
    assert (status, answer["status"]) == (200, 200)
    (request,) = world.gateway.wait_for(1)
    assert_signed(request, world.identity, f"{world.gateway.url}/webhooks/twilio")
    told = json.dumps(value(request) if provider == "meta" else form(request), ensure_ascii=False)
    assert "¿Hola? 👀" in told
    assert answer["message_id"] in told


@pytest.mark.parametrize("provider", ["meta", "twilio"])
def test_a_customer_may_have_no_phone(world: World, provider: str) -> None:
    world.order("/customer", provider=provider, text="hi", **{"from": "US.1349"})
    (request,) = world.gateway.wait_for(1)
    if provider == "twilio":
        assert form(request)["From"] == form(request)["ExternalUserId"] == "whatsapp:US.1349"
    else:
        (message,) = value(request)["messages"]
        assert (message["from_user_id"], message.get("from")) == ("US.1349", None)


def test_a_payload_adds_to_the_providers_message_or_replaces_it(world: World) -> None:
    location = {"type": "location", "location": {"latitude": 19.4, "longitude": -99.1}}
    world.order("/customer", provider="meta", payload=location, **{"from": CUSTOMER})
    world.order("/customer", provider="twilio", payload={"MessageSid": "SM1", "Latitude": 19.4}, **{"from": CUSTOMER})
    picture = {"attachment": {"type": "picture", "link": "https://example.org/a.png"}}
    _, answer = world.order("/customer", provider="kommo", payload={**picture, "id": "own"}, **{"from": CUSTOMER})
    meta, twilio, kommo = world.gateway.wait_for(3)
    assert value(meta)["messages"][0]["location"] == location["location"]
    assert (form(twilio)["MessageSid"], form(twilio)["Latitude"]) == ("SM1", "19.4")
    assert form(kommo)["message[add][0][attachment][link]"] == "https://example.org/a.png"
    assert answer["message_id"] == form(kommo)["message[add][0][id]"] == "own"


def test_the_answer_of_the_gateway_is_told(world: World) -> None:
    world.gateway.answers = [403]
    assert world.order("/customer", provider="twilio", text="x", **{"from": CUSTOMER})[1]["status"] == 403


def test_meta_repeats_what_was_not_taken_and_twilio_does_not(world: World) -> None:
    world.gateway.answers = [503]
    world.send("twilio")
    assert len(world.gateway.wait_for(3)) == 3
    world.gateway.answers = [503]
    world.send("meta")
    reported = [value(each)["statuses"][0]["status"] for each in world.gateway.wait_for(7)[3:]]
    assert reported == ["sent", "sent", "delivered", "read"]
