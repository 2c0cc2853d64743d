"""Simulated providers take every kind of message that the real ones take, and check it as they do."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.local.world import CUSTOMER, World, form

FILE = {"link": "https://example.org/a"}
BUTTON = {"type": "reply", "reply": {"id": "yes", "title": "Sí"}}
ROW = {"id": "m", "title": "M", "description": "en stock"}
CONTENT_SID = f"HX{7:032x}"


def interactive(kind: str, action: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": "¿Cuál?"}, "action": action, **more}}


def buttons(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    return interactive("button", {"buttons": list(given)}, **more)


def menu(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return interactive("list", {"button": "Tallas", "sections": [{"title": "Tallas", "rows": list(rows)}], **more})


def link(url: str = "https://example.org") -> dict[str, Any]:
    return interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": "Ver", "url": url}})


def template(*parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    components = [{"type": "body", "parameters": list(parameters)}]
    return {
        "type": "template",
        "template": {"name": "hi", "language": {"code": "es"}, "components": components, **more},
    }


def reply(**more: Any) -> dict[str, Any]:
    return {"type": "reply", "reply": {"id": "yes", "title": "Sí", **more}}


def value(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"text": {"body": "hola", "preview_url": True}, "context": {"message_id": "wamid.1"}}, "text", "hola"),
        ({"type": "image", "image": {**FILE, "caption": "así"}}, "image", "así"),
        ({"type": "video", "video": {"id": "1"}}, "video", ""),
        ({"type": "audio", "audio": FILE}, "audio", ""),
        ({"type": "document", "document": {**FILE, "filename": "a.pdf"}}, "document", "a.pdf"),
        ({"type": "sticker", "sticker": {"id": "1"}}, "sticker", ""),
        (
            {"type": "location", "location": {"latitude": 19.4, "longitude": "-99.1", "name": "Centro"}},
            "location",
            "Centro",
        ),
        (
            {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ana", "first_name": "Ana"}}]},
            "contacts",
            "Ana",
        ),
        ({"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": ""}}, "reaction", ""),
        (buttons(BUTTON, header={"type": "text", "text": "!"}, footer={"text": "?"}), "buttons", "¿Cuál?"),
        (buttons(BUTTON, header={"type": "image", "image": FILE}), "buttons", "¿Cuál?"),
        (menu(*({**ROW, "id": str(n)} for n in range(10))), "list", "¿Cuál?"),
        (link(), "cta_url", "¿Cuál?"),
        (interactive("location_request_message", {"name": "send_location"}), "location_request_message", "¿Cuál?"),
        (template(value("Ana"), {"type": "image", "image": FILE}), "template", "hi"),
        ({"type": "template", "template": {"name": "hi", "language": {"code": "es"}}}, "template", "hi"),
    ],
)
def test_meta_takes_every_kind(world: World, change: dict[str, Any], kind: str, text: str) -> None:
    status, answer = world.send("meta", **change)
    assert status == 200, answer
    (entry,) = world.sent()
    assert (entry["kind"], entry["text"], entry["customer"], entry["message_id"]) == (kind, text, CUSTOMER, "7")
    assert entry["address"] == entry["from"] == world.identity.meta_phone_number_id


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "poll"}, 100),
        ({"to": "someone"}, 100),
        ({"to": None, "recipient": "1349"}, 100),
        ({"context": {}}, 100),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
        ({"text": {"body": "x" * 4097}}, 100),
        ({"text": {"body": "x", "preview_url": "yes"}}, 100),
        ({"type": "image", "image": {}}, 100),
        ({"type": "image", "image": {**FILE, "id": "1"}}, 100),
        ({"type": "image", "image": {"link": "a.png"}}, 100),
        ({"type": "image", "image": {**FILE, "caption": "x" * 1025}}, 100),
        ({"type": "image", "image": {**FILE, "filename": "a"}}, 100),
        ({"type": "audio", "audio": {**FILE, "caption": "x"}}, 100),
        ({"type": "location", "location": {"latitude": 19.4}}, 100),
        ({"type": "location", "location": {"latitude": 91, "longitude": 0}}, 131009),
        ({"type": "contacts", "contacts": []}, 100),
        ({"type": "contacts", "contacts": [{"name": {"formatted_name": "Ana"}}]}, 131009),
        ({"type": "reaction", "reaction": {"emoji": "👍"}}, 100),
        ({"type": "interactive", "interactive": {"type": "button", "body": {"text": "x"}}}, 100),
        (interactive("poll", {}), 100),
        (buttons(), 131009),
        (buttons(*(reply(id=f"{n}", title=f"{n}") for n in range(4))), 131009),
        (buttons(BUTTON, reply(title="No")), 131009),
        (buttons(BUTTON, reply(id="no")), 131009),
        (buttons(reply(title="x" * 21)), 131009),
        (buttons(reply(id="x" * 257)), 131009),
        (buttons(BUTTON, body={"text": "x" * 1025}), 131009),
        (buttons(BUTTON, footer={"text": "x" * 61}), 131009),
        (buttons(BUTTON, header={"type": "text", "text": "x" * 61}), 131009),
        (menu(ROW, ROW), 131009),
        (menu(*({**ROW, "id": str(n)} for n in range(11))), 131009),
        (menu(ROW, sections=[{"rows": [ROW]}, {"rows": [{**ROW, "id": "n"}]}]), 131009),
        (menu({**ROW, "title": "x" * 25}), 131009),
        (menu({**ROW, "description": "x" * 73}), 131009),
        (menu(ROW, button="x" * 21), 131009),
        (link("ftp://example.org"), 100),
        (template(value("two\nlines")), 132012),
        (template(language={}), 100),
    ],
)
def test_meta_refuses_what_breaks_its_limits(world: World, change: dict[str, Any], code: int) -> None:
    status, answer = world.send("meta", **change)
    assert (status, answer["error"]["code"]) == (400, code), answer
    assert world.sent() == []


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"Body": "x" * 1600}, "text", "x" * 1600),
        ({"Body": "", "MediaUrl": "https://example.org/a.png"}, "media", ""),
        ({"Body": "", "ContentSid": CONTENT_SID, "ContentVariables": '{"1": "Ana"}'}, "template", CONTENT_SID),
        ({"Body": "aquí", "PersistentAction": "geo:19.4,-99.1|Centro"}, "location", "aquí"),
        ({"To": "whatsapp:US.13491208655302741918"}, "text", "¡Hola! 👋"),
    ],
)
def test_twilio_takes_every_kind(world: World, change: dict[str, Any], kind: str, text: str) -> None:
    status, answer = world.send("twilio", **change)
    assert status == 201, answer
    (entry,) = world.sent()
    assert (entry["kind"], entry["text"], entry["message_id"]) == (kind, text, "7")
    assert entry["address"] == world.identity.twilio_address
    assert entry["customer"] == change.get("To", entry["to"]).removeprefix("whatsapp:")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"To": "whatsapp:someone"}, 21211),
        ({"MediaUrl": "a.png"}, 21620),
        ({"ContentSid": "welcome"}, 21655),
        ({"ContentVariables": "{}"}, 21654),
        ({"ContentSid": CONTENT_SID, "ContentVariables": "Ana"}, 21656),
        ({"ContentSid": CONTENT_SID, "ContentVariables": '{"1": ""}'}, 21656),
        ({"ContentSid": CONTENT_SID, "ContentVariables": '{"1": 2}'}, 21656),
        ({"PersistentAction": "geo:here"}, 63005),
        ({"StatusCallback": "https://a_b.example.org/x"}, 21609),
        ({"StatusCallback": "/webhooks/twilio/status"}, 21609),
    ],
)
def test_twilio_refuses_by_its_codes(world: World, change: dict[str, Any], code: int) -> None:
    status, answer = world.send("twilio", **change)
    assert (status, answer["code"]) == (400, code), answer
    assert world.sent() == []


def test_twilio_takes_one_file_a_message(world: World) -> None:
    path, body, headers = world._twilio("x")
    for url in ("https://example.org/1", "https://example.org/2"):
        body += f"&MediaUrl={url}".encode()
    assert world.call("POST", path, body, headers)[1]["code"] == 21623


def test_kommo_takes_text_and_nothing_else(world: World) -> None:
    assert world.send("kommo", drive_uuid="1")[0] == 400
    assert world.send("kommo", text={"body": "x"})[0] == 400
    assert world.send("kommo")[0] == 202


def test_meta_is_shown_that_we_read_and_write_which_is_no_message(world: World) -> None:
    path, _, headers = world._meta("")
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"}
    for body in (mark, {**mark, "typing_indicator": {"type": "text"}}):
        assert world.call("POST", path, json.dumps(body).encode(), headers) == (200, {"success": True})
    for wrong in ({"status": "seen"}, {"message_id": ""}, {"typing_indicator": {"type": "audio"}}):
        status, answer = world.call("POST", path, json.dumps({**mark, **wrong}).encode(), headers)
        assert (status, answer["error"]["code"]) == (400, 100)
    shown = [(entry["kind"], entry["about"], entry["address"]) for entry in world.record("indications")]
    assert shown == [(kind, "wamid.1", world.identity.meta_phone_number_id) for kind in ("read", "typing")]
    assert (world.sent(), world.violations(), world.gateway.seen) == ([], [], [])


def test_twilio_is_shown_that_we_write(world: World) -> None:
    headers = {**world._twilio("")[2], "content-type": "application/json"}
    order = {"channel": "WHATSAPP", "messageId": f"SM{uuid4().hex}"}
    path = "/v3/Indicators/Typing.json"
    assert world.call("POST", path, json.dumps(order).encode(), headers) == (200, {"success": True})
    assert world.call("POST", path, json.dumps(order).encode())[0] == 401
    for wrong in ({"channel": "SMS"}, {"messageId": "x"}):
        assert world.call("POST", path, json.dumps({**order, **wrong}).encode(), headers)[0] == 400
    (entry,) = world.record("indications", provider="twilio", kind="typing")
    assert entry["about"] == order["messageId"]
    assert world.sent() == []


def test_what_was_taken_can_be_selected(world: World) -> None:
    world.send("meta", "uno")
    world.send("meta", "dos", **template())
    world.send("twilio", "tres")
    assert [entry["text"] for entry in world.record("sent", provider="meta", kind="text")] == ["uno"]
    assert [entry["text"] for entry in world.record("sent", customer=CUSTOMER)] == ["uno", "hi", "tres"]
    assert [entry["at"] for entry in world.sent()] == sorted(entry["at"] for entry in world.sent())


def test_a_customer_may_write_to_another_number_and_some_time_ago(world: World) -> None:
    for provider, address in (("meta", "999"), ("twilio", "+14155550100")):
        refused = {"number": address} if provider == "meta" else {"From": f"whatsapp:{address}"}
        assert world.send(provider, **refused)[0] == 400
        world.order("/customer", provider=provider, address=address, age_seconds=60, text="x", **{"from": CUSTOMER})
        assert world.send(provider, **refused)[0] < 300
        assert world.sent()[-1]["address"] == address
    told = world.gateway.wait_for(2)
    assert b'"phone_number_id": "999"' in told[0].body
    assert [form(each)["To"] for each in told if each.path == "/webhooks/twilio"] == ["whatsapp:+14155550100"]
