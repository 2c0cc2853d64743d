"""Simulated providers give their files and contacts to whom the real ones do, and to nobody else."""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from infra.local.simulators.files import sample
from tests.local.world import CUSTOMER, World, form, value


def fetched(world: World, url: str, authorization: str | None = None) -> tuple[int, str, bytes]:
    """Status, location or content type, and content at an address of the provider."""
    parts = urlsplit(url)
    connection = HTTPConnection("127.0.0.1", world.port, timeout=10)
    headers = {"authorization": authorization} if authorization else {}
    connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    return reply.status, reply.headers.get("location") or reply.headers.get("content-type") or "", content


def test_meta_gives_an_address_for_an_id_and_the_file_at_it(world: World) -> None:
    bearer = f"Bearer {world.identity.meta_access_token}"
    world.order("/customer", provider="meta", **{"from": CUSTOMER, "payload": {"type": "sticker", "sticker": {}}})
    (message,) = value(world.gateway.wait_for(1)[0])["messages"]
    path = f"/v25.0/{message['sticker']['id']}"
    assert fetched(world, path)[0] == 401
    status, answer = world.call("GET", path, headers={"authorization": bearer})
    assert (status, answer["mime_type"]) == (200, "image/webp")
    assert base64.b64decode(message["sticker"]["sha256"]).hex() == answer["sha256"]
    assert urlsplit(answer["url"]).hostname == "lookaside.fbsbx.com"
    assert fetched(world, answer["url"])[0] == 401
    assert fetched(world, answer["url"], bearer) == (200, "image/webp", sample("image/webp"))


def test_meta_has_files_of_webhooks_that_others_signed(world: World) -> None:
    bearer = f"Bearer {world.identity.meta_access_token}"
    status, answer = world.call("GET", "/v25.0/1234", headers={"authorization": bearer})
    assert (status, "sha256" in answer) == (200, False)
    assert fetched(world, answer["url"], bearer)[:2] == (200, "application/octet-stream")


def test_twilio_wants_credentials_for_an_address_and_its_store_wants_none(world: World) -> None:
    account = f"{world.identity.twilio_account_sid}:{world.identity.twilio_auth_token}".encode()
    basic = "Basic " + base64.b64encode(account).decode()
    world.order("/customer", provider="twilio", **{"from": CUSTOMER, "payload": {"NumMedia": 1}})
    told = form(world.gateway.wait_for(1)[0])
    assert told["MediaContentType0"] == "image/jpeg"
    assert fetched(world, told["MediaUrl0"])[0] == 401
    status, store, _ = fetched(world, told["MediaUrl0"], basic)
    assert (status, urlsplit(store).hostname) == (307, "media.twiliocdn.com")
    assert fetched(world, store) == (200, "image/jpeg", sample("image/jpeg"))
    assert fetched(world, store, basic)[0] == 400


def test_kommo_gives_a_file_to_whoever_has_the_link(world: World) -> None:
    payload = {"attachment": {"type": "file", "file_name": "a.pdf"}}
    world.order("/customer", provider="kommo", **{"from": CUSTOMER, "payload": payload})
    link = form(world.gateway.wait_for(1)[0])["message[add][0][attachment][link]"]
    assert fetched(world, link) == (200, "application/pdf", sample("application/pdf"))
    assert fetched(world, link, f"Bearer {world.identity.kommo_access_token}")[0] == 400


def test_kommo_knows_the_phone_of_a_contact(world: World) -> None:
    headers = {"authorization": f"Bearer {world.identity.kommo_access_token}"}
    world.order("/customer", provider="kommo", **{"from": "+34612000103", "text": "hola"})
    contact = form(world.gateway.wait_for(1)[0])["message[add][0][contact_id]"]
    status, answer = world.call("GET", f"/api/v4/contacts/{contact}", headers=headers)
    assert (status, answer["name"]) == (200, "Carla")
    assert "+34 612-000103" in json.dumps(answer)
    assert world.call("GET", f"/api/v4/contacts/{contact}")[0] == 401
    assert world.call("GET", "/api/v4/contacts/1", headers=headers)[0] == 404


@pytest.mark.parametrize("kind", ["image/jpeg", "Audio/OGG; codecs=opus", "x/unknown"])
def test_there_is_a_sample_of_every_kind(kind: str) -> None:
    assert sample(kind)
