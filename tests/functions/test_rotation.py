"""Each secret is rotated as README says, while webhooks come in and containers hold what they read minutes ago.

A timeline says when the secret's content and the key that the provider signs with change; a clock of our own goes
through it, with containers that read the secret at different times before.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.functions.test_webhooks import KOMMO, TWILIO, meta, text
from ventana.schema.connection import Database
from ventana.secrets import CACHE_SECONDS, LOOK_AGAIN_SECONDS, SecretStore
from ventana.settings import Settings
from ventana.webhook import webhook

Rows = Callable[..., list[tuple[Any, ...]]]
Events = dict[str, Callable[..., dict[str, Any]]]
EVERY = 20  # seconds between two webhooks
AGES = (0, 140, 299)
"""Seconds ago at which a container read the secret when the rotation begins."""
WAIT = int(CACHE_SECONDS) + 10
"""What README tells to wait for."""


@dataclass(frozen=True)
class Rotation:
    """What README tells to do: after so many seconds, the secret's values, and what the provider signs with."""

    provider: str
    entry: str
    steps: tuple[tuple[int, tuple[str, ...], str], ...]
    refused: bool = False
    """Whether webhooks are refused for a moment, because the provider changes its key before anybody can know it."""


ROTATIONS = {
    # The secondary token is made first, then promoted.
    "twilio auth token": Rotation(
        "twilio",
        "auth_tokens",
        ((0, ("old",), "old"), (60, ("new", "old"), "old"), (60 + WAIT, ("new", "old"), "new"), (900, ("new",), "new")),
    ),
    # Meta makes the new one when the old one ends, and repeats what was refused.
    "meta app secret": Rotation(
        "meta",
        "app_secrets",
        ((0, ("old",), "old"), (60, ("old",), "new"), (100, ("new", "old"), "new"), (900, ("new",), "new")),
        refused=True,
    ),
    # Ours: the hook at the new address is made before the one at the old address is taken away.
    "kommo webhook token": Rotation(
        "kommo",
        "webhook_tokens",
        ((0, ("old",), "old"), (60, ("new", "old"), "old"), (60 + WAIT, ("new", "old"), "new"), (900, ("new",), "new")),
    ),
}
OTHERS: dict[str, dict[str, Any]] = {
    "twilio": {"account_sid": "AC" + "0" * 32},
    "meta": {"verify_tokens": ["v"], "access_tokens": ["t"]},
    "kommo": {"access_tokens": ["t"], "account_id": "100", "subdomain": "shop"},
}


def payload(provider: str, number: int) -> Any:
    match provider:
        case "twilio":
            return TWILIO | {"MessageSid": f"SM{number:032d}"}
        case "meta":
            return meta(text(number))
    return KOMMO | {"message[add][0][id]": f"6b0e0f2e-0000-4000-8000-{number:012d}"}


class Provider:
    """Signs with whatever is its key now, and sends again what was refused, if it is one that does."""

    def __init__(self, name: str, events: Events, repeats: bool) -> None:
        self._name, self._events, self._repeats = name, events, repeats
        self.waiting: list[int] = []
        self.refused = 0

    def sends(self, number: int, key: str, handler: Callable[..., Any]) -> None:
        for each in [*self.waiting, number]:
            status = handler(self._events[self._name](payload(self._name, each), key), None)["statusCode"]
            if status == 200:
                self.waiting = [one for one in self.waiting if one != each]
            else:
                assert status == 403
                self.refused += 1
                if self._repeats and each not in self.waiting:
                    self.waiting.append(each)


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("name", ROTATIONS)
def test_a_rotation_loses_no_message(aws: dict[str, str], rows: Rows, events: Events, name: str, age: int) -> None:
    rotation = ROTATIONS[name]
    now, content = [0.0], [""]
    store = SecretStore(lambda secret_id: content[0], clock=lambda: now[0])
    settings = Settings.from_environment()
    database = Database(settings, store)
    handler = webhook(rotation.provider, settings, store, database)
    provider = Provider(rotation.provider, events, repeats=rotation.refused)

    def step(seconds: float) -> str:
        _, values, key = next(each for each in reversed(rotation.steps) if each[0] <= max(seconds, 0))
        content[0] = json.dumps({**OTHERS[rotation.provider], rotation.entry: values})
        return key

    now[0] = float(-age)
    step(now[0])
    store.values(settings.secret_id(rotation.provider))
    sent = range(1, (rotation.steps[-1][0] + 2 * WAIT) // EVERY)
    for number in sent:
        now[0] = float(number * EVERY)
        provider.sends(number, step(now[0]), handler)
    database.close()
    assert rows("select count(*), count(distinct provider_message_id) from kommo_messages") == [(len(sent),) * 2]
    assert provider.waiting == []
    if rotation.refused:
        # Until the secret was filled, and half a minute at most after it.
        assert 0 < provider.refused <= sum(range(1, int((100 - 60 + LOOK_AGAIN_SECONDS) / EVERY) + 2))
    else:
        assert provider.refused == 0


def test_what_was_taken_out_of_a_secret_is_good_for_five_minutes_at_most(aws: dict[str, str], events: Events) -> None:
    now, content = [0.0], [json.dumps({**OTHERS["twilio"], "auth_tokens": ["leaked"]})]
    store = SecretStore(lambda secret_id: content[0], clock=lambda: now[0])
    settings = Settings.from_environment()
    database = Database(settings, store)
    handler = webhook("twilio", settings, store, database)
    assert handler(events["twilio"](payload("twilio", 1), "leaked"), None)["statusCode"] == 200
    content[0] = json.dumps({**OTHERS["twilio"], "auth_tokens": ["new"]})
    now[0] = CACHE_SECONDS + 1
    assert handler(events["twilio"](payload("twilio", 2), "leaked"), None)["statusCode"] == 403
    assert handler(events["twilio"](payload("twilio", 3), "new"), None)["statusCode"] == 200
    database.close()
