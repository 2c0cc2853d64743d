"""At the edge of a window: what is asked for in its last seconds, and what finds it shut by the provider's word.

Nothing leaves after we know that a window is shut, nothing goes twice, and nothing overtakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.local.answering import Desk, wait_until
from tests.local.running import remove, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MARGIN_SECONDS, LEFT_SECONDS = 60, 10  # what is left until we take the window for shut; less than six leave meanwhile
LAST_SECONDS = 24 * 3600 - MARGIN_SECONDS - LEFT_SECONDS
SHUT_CODES = {"meta": "131047", "twilio": "63016"}
TEMPLATES = {"meta": {"name": "we_are_back", "language": "es"}, "twilio": {"content_sid": "HX" + "0" * 32}}
TALK = [("kommo", "reject"), ("kommo", "hold")]  # which has no templates
TALKS = [(provider, policy) for provider in SHUT_CODES for policy in ("reject", "hold", "template")]
AGED = (
    "update kommo_conversations set last_user_message_at = now() - interval '1 second' * %s where id = %s returning 1"
)
LATE = {"reject": ("failed", "window_closed"), "hold": ("held", "window_closed"), "template": ("sent", None)}
"""What becomes of an answer that waited until the window was shut."""
UNDER_WAY = """
select count(*) from kommo_messages where delivery_status in ('accepted', 'queued', 'sending')
   and conversation_id = any(%s::uuid[])
"""


@dataclass
class Talk:
    """One customer, and the answers of one policy: their ids in the order in which they were asked for."""

    provider: str
    policy: str
    phone: str
    conversation: str
    asked: list[str] = field(default_factory=list)

    def order(self) -> dict[str, Any]:
        return {"provider": self.provider, "from": self.phone, "text": "¿Hola?"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    state = tmp_path_factory.mktemp("edge") / "state"
    with running(state) as system:
        system.wait_for("Ctrl-C ends it")
        yield Desk(system)
        assert system.end() == 0
    remove(state)


def answered(desk: Desk, kinds: list[tuple[str, str]], age_seconds: int, answers: dict[str, int]) -> list[Talk]:
    """Customers who wrote so long ago, and so many answers to each; what was held goes when they write again."""
    talks = []
    for place, (provider, policy) in enumerate(kinds):
        talk = Talk(provider, policy, f"+52558{age_seconds:05}{place:02}", "")
        talk.conversation = desk.writes({**talk.order(), "age_seconds": age_seconds})
        talks.append(talk)
    for talk in talks:
        if talk.provider == "twilio" and age_seconds == LAST_SECONDS:  # its webhooks tell no time
            desk.rows(AGED, age_seconds, talk.conversation)

    def ask(talk: Talk) -> None:
        wishes: dict[str, Any] = {"if_window_closed": talk.policy}
        if talk.policy == "template":
            wishes["fallback_template"] = TEMPLATES[talk.provider]
        for place in range(answers[talk.policy]):
            talk.asked.append(desk.answer(talk.conversation, f"{talk.phone} {place}", **wishes))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, talks))
    conversations = [talk.conversation for talk in talks]
    wait_until(lambda: desk.rows(UNDER_WAY, conversations) == [(0,)], 90, "all is sent, held or failed")
    return talks


def arrived(desk: Desk, talk: Talk) -> list[str]:
    """What the customer got, in order: the place of each text, and whose place a template took."""
    found = []
    for entry in desk.sent(customer=talk.phone):
        told = desk.message(entry["message_id"]) if entry["kind"] == "template" else {}
        asked = told.get("replaces") or told.get("id")
        found.append(f"template {talk.asked.index(asked)}" if asked else str(entry["text"].rpartition(" ")[2]))
    return found


def states(desk: Desk, talk: Talk) -> list[tuple[str, str | None]]:
    """What became of each answer, and by which code."""
    told = [desk.message(each) for each in talk.asked]
    return [("sent" if each["status"] == "read" else each["status"], each["error_code"]) for each in told]


def write_again(desk: Desk, talk: Talk) -> None:
    """The customer writes, and what was held goes."""
    desk.writes(talk.order())
    wait_until(lambda: desk.rows(UNDER_WAY, [talk.conversation]) == [(0,)], 60, "what was held is sent")


@pytest.fixture(scope="module")
def edge(desk: Desk) -> dict[tuple[str, str], Talk]:
    """Six answers to each of several customers whose windows have ten seconds left."""
    account = desk.system.runtime["addresses"]["kommo_account_id"]  # which knows no pace towards one customer
    assert desk.system.api.call("PUT", f"/v1/addresses/kommo/{account}", {"messages_per_second": 0.6})[0] == 200
    talks = answered(desk, TALK + TALKS, LAST_SECONDS, dict.fromkeys(LATE, 6))
    return {(talk.provider, talk.policy): talk for talk in talks}


@pytest.fixture(scope="module")
def shut(desk: Desk, edge: object) -> Iterator[dict[tuple[str, str], Talk]]:
    """Answers to several customers whose windows the provider holds for shut; it says so late.

    Three may go at once: of four the last one waits, and hears of it before it goes.
    """
    for provider in SHUT_CODES:
        desk.order("/rules", provider=provider, window_seconds=1800)
        desk.order("/fault", provider=provider, mode="delay_statuses", seconds=3, every=1)
    talks = answered(desk, TALKS, 3600, {"reject": 4, "hold": 4, "template": 2})
    yield {(talk.provider, talk.policy): talk for talk in talks}
    for provider in SHUT_CODES:
        desk.order("/rules", provider=provider, reset=True)
        desk.order("/fault", provider=provider, count=0)


@pytest.mark.parametrize(("provider", "policy"), TALK + TALKS)
def test_what_is_late_is_refused_held_or_goes_as_a_template(
    desk: Desk, edge: dict[tuple[str, str], Talk], provider: str, policy: str
) -> None:
    talk, texts = edge[provider, policy], [str(place) for place in range(6)]
    got = arrived(desk, talk)
    in_time = sum(each in texts for each in got)
    assert in_time < 6, "pace let all of them through in time"
    assert states(desk, talk) == [("sent", None)] * in_time + [LATE[policy]] * (6 - in_time)
    templates = [f"template {place}" for place in range(in_time, 6)] if policy == "template" else []
    assert got == texts[:in_time] + templates
    if policy != "template":
        write_again(desk, talk)
        assert arrived(desk, talk) == (texts if policy == "hold" else texts[:in_time])
    assert [each for each in desk.violations("window") if talk.phone in (each["customer"], each["to"])] == []


@pytest.mark.parametrize(("provider", "policy"), TALKS)
def test_the_providers_word_shuts_a_window_that_we_held_for_open(
    desk: Desk, shut: dict[tuple[str, str], Talk], provider: str, policy: str
) -> None:
    talk, taken = shut[provider, policy], ["0", "1"] if policy == "template" else ["0", "1", "2"]
    window = desk.system.api.call("GET", f"/v1/conversations/{talk.conversation}/window")[1]
    assert (window["open"], window["needs_template"]) == (False, True)
    waited = [] if policy == "template" else [LATE[policy]]
    assert states(desk, talk) == [("failed", SHUT_CODES[provider])] * len(taken) + waited
    status, told = desk.ask(talk.conversation, "one more")
    assert (status, told["code"]) == (409, "window_closed")
    if policy == "template":
        assert arrived(desk, talk) == [*taken, "template 0", "template 1"]
        return
    assert arrived(desk, talk) == taken
    write_again(desk, talk)
    assert arrived(desk, talk) == ([*taken, *taken, "3"] if policy == "hold" else taken)
