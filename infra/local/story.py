"""A short conversation through each provider, told while it happens: a real signed webhook in, an answer out.

Everything goes over HTTP, as it would from outside: customers write through the simulators, who sign like their
provider; we answer through the operators' API and watch the status that comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.local.client import Client

FINAL_SECONDS = 20.0
COLUMNS = ("provider", "total", "active", "escalated", "within_24h")


@dataclass(frozen=True)
class Scene:
    """One customer at one provider. `reaches` is the last status that the provider reports."""

    provider: str
    name: str
    address: str
    question: str
    answer: str
    reaches: str


SCENES = (
    Scene(
        provider="kommo",
        name="Carla",
        address="+34612000103",
        question="Hola, compré unas zapatillas el lunes. ¿Cuándo llegan?",
        answer="¡Hola, Carla! Salieron ayer: llegan mañana entre las 10 y las 14 h.",
        reaches="sent",
    ),
    Scene(
        provider="twilio",
        name="Ana",
        address="+5215512000101",
        question="¿Tienen la chaqueta azul en talla M? 👀",
        answer="Sí, Ana, quedan dos. ¿Te guardo una hasta el viernes?",
        reaches="read",
    ),
    Scene(
        provider="meta",
        name="Bruno",
        address="+5511912000102",
        question="Bom dia! Posso trocar o presente sem a nota?",
        answer="Bom dia, Bruno! Pode sim: basta trazer o cartão do presente.",
        reaches="read",
    ),
)


class StoryFailed(Exception):
    """The system did not do what the story says; the message is one line."""


class Story:
    """Plays the scenes and says what happens, line by line."""

    def __init__(self, api: Client, simulators: Client, say: Callable[[str], None], started: float) -> None:
        self._api, self._simulators, self._say, self._started = api, simulators, say, started

    def tell(self) -> None:
        """Play all scenes, then show the table. Raises StoryFailed at the first thing that goes wrong."""
        for number, scene in enumerate(SCENES):
            conversation = self._customer_writes(scene)
            if number == 0:
                self._say(f"{'':21}(first message stored {time.monotonic() - self._started:.1f} s after the start)")
            self._we_answer(scene, conversation["id"])
        self._show_table()

    def _customer_writes(self, scene: Scene) -> dict[str, Any]:
        order = {"provider": scene.provider, "from": scene.address, "text": scene.question}
        written = self._expect(200, *self._simulators.call("POST", "/customer", order))
        if written["status"] != 200:
            raise StoryFailed(f"the {scene.provider} webhook was answered {written['status']}")
        conversation = self._conversation_with(scene, written["message_id"])
        self._line(scene.provider, scene.name, scene.question)
        self._line("", "", f"signed webhook answered 200, stored; {_window(conversation['window'])}")
        return conversation

    def _we_answer(self, scene: Scene, conversation_id: str) -> None:
        order = {"conversation_id": conversation_id, "type": "text", "text": {"body": scene.answer}}
        accepted = self._expect(202, *self._api.call("POST", "/v1/messages", order))
        message = self._final(scene, accepted["id"])
        self._line(scene.provider, "we", scene.answer)
        self._line("", "", " → ".join(_way(message)))
        if message["status"] != scene.reaches:
            raise StoryFailed(f"the answer through {scene.provider} stayed {message['status']}, not {scene.reaches}")

    def _conversation_with(self, scene: Scene, message_id: str) -> dict[str, Any]:
        found = self._expect(200, *self._api.call("GET", f"/v1/conversations?provider={scene.provider}&limit=20"))
        for listed in found["conversations"]:
            conversation = self._expect(200, *self._api.call("GET", f"/v1/conversations/{listed['id']}"))
            if any(message["provider_message_id"] == message_id for message in conversation["messages"]):
                return dict(conversation)
        raise StoryFailed(f"the message of {scene.name} through {scene.provider} was not stored")

    def _final(self, scene: Scene, message_id: str) -> dict[str, Any]:
        give_up = time.monotonic() + FINAL_SECONDS
        while True:
            message = self._expect(200, *self._api.call("GET", f"/v1/messages/{message_id}"))
            if message["status"] in (scene.reaches, "failed") or time.monotonic() > give_up:
                return dict(message)
            time.sleep(0.05)

    def _show_table(self) -> None:
        rows = self._expect(200, *self._api.call("GET", "/v1/stats"))["providers"]
        self._say("")
        self._say("active_conversations_by_provider")
        for line in table(rows):
            self._say(line)

    def _line(self, provider: str, who: str, text: str) -> None:
        self._say(f"  {provider:<8} {who:<9} {text}")

    @staticmethod
    def _expect(wanted: int, status: int, content: Any) -> Any:
        if status != wanted:
            raise StoryFailed(f"expected {wanted}, got {status}: {content}")
        return content


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows of the view as lines of text."""
    lines = [[column.capitalize() for column in COLUMNS], *([str(row[column]) for column in COLUMNS] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(COLUMNS))]
    text = ["  " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
    return [text[0], "  " + "-+-".join("-" * width for width in widths), *text[1:]]


def _window(window: dict[str, Any]) -> str:
    if not window["open"]:
        return "the window is shut"
    if window["minutes_left"] is None:
        return "no window on this channel"
    return f"window open for {window['minutes_left'] // 60} h {window['minutes_left'] % 60:02} min"


def _way(message: dict[str, Any]) -> list[str]:
    """The statuses that a message went through, each once, ending with the one that it has."""
    way = [*dict.fromkeys(step["status"] for step in message["history"])]
    return way if way and way[-1] == message["status"] else [*way, message["status"]]
