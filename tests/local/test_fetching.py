"""What is fetched after a message was stored, in a whole system: files into the bucket, phones into conversations."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.local.simulators.files import sample
from tests.local.running import Running, remove, running, wait_until_none

pytestmark = pytest.mark.e2e

PATIENCE_SECONDS = 20.0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("fetching") / "state"
    with running(state) as up:
        yield up
        assert up.end() == 0
    assert wait_until_none(state) == set()
    remove(state)


def written(system: Running, provider: str, sender: str, payload: dict[str, Any]) -> str:
    """Let a customer write; the provider's id of the message."""
    order = {"provider": provider, "from": sender, "payload": payload}
    status, answer = system.simulators.call("POST", "/customer", order)
    assert (status, answer["status"]) == (200, 200)
    return str(answer["message_id"])


def conversation(system: Running, provider: str, message_id: str) -> dict[str, Any]:
    """The conversation that holds the message."""
    _, listed = system.api.call("GET", f"/v1/conversations?provider={provider}")
    for each in listed["conversations"]:
        _, found = system.api.call("GET", f"/v1/conversations/{each['id']}")
        if any(message["provider_message_id"] == message_id for message in found["messages"]):
            return dict(found)
    raise AssertionError("not stored")


def eventually(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.1)
    return found


def files_of(system: Running, provider: str, message_id: str) -> list[dict[str, Any]]:
    """The files of the message, once each is stored or failed."""

    def finished() -> list[dict[str, Any]]:
        messages = conversation(system, provider, message_id)["messages"]
        (message,) = (each for each in messages if each["provider_message_id"] == message_id)
        media: list[dict[str, Any]] = message["media"]
        return media if all(file["state"] != "pending" for file in media) else []

    found: list[dict[str, Any]] = eventually(finished)
    return found


@pytest.mark.parametrize(
    ("provider", "sender", "payload", "kinds"),
    [
        ("meta", "+5511912000201", {"type": "image", "image": {"caption": "mira"}}, ["image/jpeg"]),
        ("meta", "+5511912000202", {"type": "audio", "audio": {"voice": True}}, ["audio/ogg"]),
        (
            "meta",
            "+5511912000203",
            {"type": "document", "document": {"mime_type": "application/pdf", "filename": "a.pdf"}},
            ["application/pdf"],
        ),
        (
            "twilio",
            "+5215512000201",
            {"NumMedia": "2", "MessageType": "image", "MediaContentType1": "image/png"},
            ["image/jpeg", "image/png"],
        ),
        (
            "kommo",
            "+34612000201",
            {"message_type": "picture", "attachment": {"type": "picture", "file_name": "la foto.png"}},
            ["image/png"],
        ),
    ],
)
def test_the_files_of_a_message_are_copied(
    system: Running, provider: str, sender: str, payload: dict[str, Any], kinds: list[str]
) -> None:
    message_id = written(system, provider, sender, payload)
    files = files_of(system, provider, message_id)
    assert [(file["state"], file["content_type"], file["error"]) for file in files] == [
        ("stored", kind, None) for kind in kinds
    ]
    for file, kind in zip(files, kinds, strict=True):
        assert file["bytes"] == len(sample(kind))
        assert file["reference"].startswith("s3://ventana-local-mediabucket/media/")


def test_a_file_that_must_not_be_kept_leaves_its_message_alone(system: Running) -> None:
    payload = {"type": "image", "image": {"mime_type": "image/svg+xml"}}
    message_id = written(system, "meta", "+5511912000204", payload)
    (file,) = files_of(system, "meta", message_id)
    assert (file["state"], file["reference"]) == ("failed", None)
    assert file["error"] == "the file is a program or a page"


def test_the_phone_behind_a_contact_is_learnt(system: Running) -> None:
    message_id = written(system, "kommo", "+34612000202", {"text": "hola"})
    assert conversation(system, "kommo", message_id)["phone"] is None
    status, tick = system.simulators.call("POST", "/invoke/WindowSweep", {})
    assert status == 200, json.dumps(tick)
    found = eventually(lambda: conversation(system, "kommo", message_id)["phone"])
    assert found == "+34612000202"
