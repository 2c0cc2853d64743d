"""Messages as people know them: what is about a message shows on it, whoever wrote either, and in whatever order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schema.conftest import rows
from tests.schema.sending import (
    NOW,
    SECOND,
    answer,
    claimed,
    conversation,
    our_address,
    sent,
    somebody,
    text,
    unsent,
    writes,
)
from ventana.content import Content
from ventana.errors import Rejected, Uncertain
from ventana.messages import Media
from ventana.schema.bubbles import Bubble, Quoted, bubbles_of, bubbles_with
from ventana.schema.connection import Database
from ventana.schema.settle import retry_message

ABOUT = {"reaction": "reaction_to", "edit": "edits", "deletion": "revokes"}


class Talk:
    """One customer's conversation, minute by minute; messages are named by the provider as they are here."""

    def __init__(self, database: Database) -> None:
        self.database, self.customer, self.minute = database, somebody(), 0
        self.address = our_address()
        self.name = f"{self.customer.phone}:"
        self.id = conversation(
            database, self.customer, self.address, content="hola", provider_message_id=f"{self.name}first"
        )

    def says(self, name: str, content: str = "", role: str = "user", **details: Any) -> str:
        """Somebody writes; what details refer to is named as here."""
        self.minute += 1
        about = {key: self.name + details.pop(key) for key in [*ABOUT.values(), "reply_to"] if key in details}
        more = {"opens_window": role == "user" and not (about.keys() & set(ABOUT.values()))} | details.pop("more", {})
        found = writes(
            self.database, self.customer, self.address, NOW + self.minute * 60 * SECOND, content=content, role=role,
            provider_message_id=self.name + name, details={**details, **about}, **more,
        )  # fmt: skip
        assert found.message_id
        return found.message_id

    def reacts(self, name: str, to: str, emoji: str, role: str = "user", **more: Any) -> str:
        return self.says(name, emoji, role, reaction_to=to, more={"content_type": "reaction"}, **more)

    def answers(self, *contents: Content, **changes: Any) -> str:
        self.minute += 1
        return answer(self.database, self.id, *contents, at=NOW + self.minute * 60 * SECOND, **changes)

    def bubbles(self) -> list[Bubble]:
        """The oldest first, as people read them."""
        return bubbles_of(self.database, self.id)[0][::-1]

    def first(self) -> Bubble:
        return self.bubbles()[0]


@pytest.fixture
def talk(shared: Database) -> Talk:
    return Talk(shared)


def test_a_message_of_a_customer(talk: Talk) -> None:
    first = talk.first()
    assert (first.role, first.status, first.content, first.content_type) == ("user", "received", "hola", "text")
    assert (first.created_at, first.business_address, first.author) == (NOW, talk.address, None)
    assert (first.reactions, first.media, first.details, first.reply_to) == ([], [], {}, None)
    assert (first.edited_at, first.deleted_at, first.retryable, first.template) == (None, None, False, None)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([("user", "👍")], ["user 👍"]),
        ([("user", "👍"), ("user", "❤️")], ["user ❤️"]),
        ([("user", "👍"), ("user", "")], []),
        ([("user", "👍"), ("user", ""), ("user", "👍")], ["user 👍"]),
        ([("user", "👍"), ("assistant", "🙏")], ["user 👍", "assistant 🙏"]),
        ([("user", "")], []),
        ([("user", "👍"), ("assistant", "")], ["user 👍"]),
    ],
)
def test_reactions_show_on_their_message(talk: Talk, given: list[tuple[str, str]], shown: list[str]) -> None:
    """Each person's latest, and none that was taken back."""
    for number, (role, emoji) in enumerate(given):
        talk.reacts(f"r{number}", "first", emoji, role)
    (first,) = talk.bubbles()
    assert [f"{each.role} {each.emoji}" for each in first.reactions] == shown


def test_two_of_us_react_each_for_themselves(talk: Talk) -> None:
    talk.reacts("r1", "first", "👍", "assistant", sender_id="eva")
    talk.reacts("r2", "first", "❤️", "assistant", sender_id="leo")
    talk.reacts("r3", "first", "", "assistant", sender_id="eva")
    assert [each.emoji for each in talk.first().reactions] == ["❤️"]


def test_a_reaction_of_ours_shows_before_it_is_delivered(talk: Talk) -> None:
    answered = talk.answers({"type": "reaction", "emoji": "🎉"}, reply_to=talk.first().id)
    (first,) = talk.bubbles()
    assert [(each.role, each.emoji) for each in first.reactions] == [("assistant", "🎉")]
    assert [each.id for each in bubbles_with(talk.database, talk.id, [answered])] == [first.id]


def test_a_reaction_that_could_not_be_sent_can_be_seen(talk: Talk) -> None:
    """As a bubble of its own, with its error."""
    answered = talk.answers({"type": "reaction", "emoji": "🎉"}, reply_to=talk.first().id)
    unsent(talk.database, claimed(talk.database, answered, NOW + 120 * SECOND), Rejected("no", "131"), NOW)
    first, failed = talk.bubbles()
    assert first.reactions == []
    assert (failed.id, failed.status, failed.error_code, failed.retryable, failed.reply_to) == (
        answered,
        "failed",
        "131",
        True,
        None,
    )


def test_an_edited_message_has_its_latest_wording(talk: Talk) -> None:
    talk.says("e1", "hola!", edits="first")
    last = talk.says("e2", "¡hola!", edits="first")
    talk.says("e3", "not theirs to edit", "assistant", edits="first")
    (first,) = talk.bubbles()
    assert (first.content, first.edited_at) == ("¡hola!", NOW + 120 * SECOND)
    assert [each.content for each in bubbles_with(talk.database, talk.id, [last, last])] == ["¡hola!"]


def test_a_deleted_message_says_since_when(talk: Talk) -> None:
    talk.says("d1", revokes="first", more={"content_type": "unsupported"})
    assert talk.first().deleted_at == NOW + 60 * SECOND


@pytest.mark.parametrize("about", ABOUT.values())
def test_what_is_about_a_message_that_nobody_knows_is_a_bubble(talk: Talk, about: str) -> None:
    kind = {"reaction_to": "reaction", "revokes": "unsupported"}.get(about, "text")
    talk.says("x", "words", **{about: "lost"}, more={"content_type": kind})
    assert [each.content for each in talk.bubbles()] == ["hola", "words"]
    talk.says("lost", "it came after all")
    assert [each.content for each in talk.bubbles()] == ["hola", "words" if about == "edits" else "it came after all"]


def test_what_is_about_nothing_is_a_bubble(talk: Talk) -> None:
    talk.database.owner.value(  # type: ignore[attr-defined]
        "insert into kommo_messages (conversation_id, provider, role, content, content_type, metadata, created_at)"
        " values (%s, 'twilio', 'user', '👍', 'reaction', '{\"reaction_to\": \"\"}', null) returning 1",
        (talk.id,),
    )
    assert {each.content for each in talk.bubbles()} == {"hola", "👍"}


def test_a_quotation(talk: Talk) -> None:
    """Of either by either; of what nobody knows, that there was something."""
    ours = talk.answers(text("en qué puedo ayudar" + "?" * 300), reply_to=talk.first().id)
    sent(talk.database, claimed(talk.database, ours, NOW + 120 * SECOND), NOW, talk.name + "ours")
    talk.says("q1", "con el sofá", reply_to="ours")
    talk.says("q2", "y la mesa", reply_to="lost")
    found = talk.bubbles()
    first = found[0].id
    quoted = "en qué puedo ayudar" + "?" * 181
    assert [each.reply_to for each in found] == [
        None,
        Quoted(first, "hola", "user"),
        Quoted(ours, quoted, "assistant"),
        Quoted(None, None, None),
    ]


def test_nobody_quotes_another_conversation(shared: Database, talk: Talk) -> None:
    talk.name = Talk(shared).name
    talk.says("q", "eso", reply_to="first")
    assert talk.bubbles()[-1].reply_to == Quoted(None, None, None)


CONTENTS: list[tuple[Content, dict[str, Any], str | None]] = [
    (text(), {}, None),
    ({"type": "image", "link": "https://x/y.png", "caption": "azul"},
     {"media": [{"kind": "image", "link": "https://x/y.png", "caption": "azul"}]}, None),
    ({"type": "location", "latitude": 1.5, "longitude": 2.5, "name": "Tienda"},
     {"location": {"latitude": 1.5, "longitude": 2.5, "name": "Tienda"}}, None),
    ({"type": "contacts", "contacts": [{"name": "Ana", "phones": [{"phone": "+1"}]}]},
     {"contacts": [{"name": "Ana", "phones": [{"phone": "+1"}]}]}, None),
    ({"type": "buttons", "body": "¿Sí?", "buttons": [{"id": "y", "title": "Sí"}]},
     {"buttons": {"body": "¿Sí?", "buttons": [{"id": "y", "title": "Sí"}]}}, None),
    ({"type": "list", "body": "Elija", "button": "Ver", "sections": [{"rows": [{"id": "1", "title": "Uno"}]}]},
     {"list": {"body": "Elija", "button": "Ver", "sections": [{"rows": [{"id": "1", "title": "Uno"}]}]}}, None),
    ({"type": "template", "name": "order_ready", "language": "es"},
     {"template": {"name": "order_ready", "language": "es"}}, "order_ready es"),
    ({"type": "template", "content_sid": "HX1"}, {"template": {"content_sid": "HX1"}}, "HX1 None"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "details", "named"), CONTENTS)
def test_what_we_send(talk: Talk, content: Content, details: dict[str, Any], named: str | None) -> None:
    talk.answers(content, caller="eva")
    found = talk.bubbles()[-1]
    assert (found.role, found.status, found.author, found.details) == ("assistant", "accepted", "eva", details)
    assert (f"{found.template.name} {found.template.language}" if found.template else None) == named
    assert found.expires_at
    assert not found.retryable


def test_what_fails_can_be_tried_again_once(talk: Talk) -> None:
    """The one that goes instead knows what it replaces."""
    answered = talk.answers(text())
    sent(talk.database, claimed(talk.database, answered, NOW + 120 * SECOND), NOW, talk.name + "ours")
    rows(talk.database, "update kommo_messages set delivery_status = 'failed' where id = %s returning 1", answered)
    assert talk.bubbles()[-1].retryable
    retried = retry_message(talk.database, answered, "eva", 3600 * SECOND, SECOND, NOW + 180 * SECOND)
    _, failed, again = talk.bubbles()
    assert (failed.id, failed.retryable, failed.replaced_by) == (answered, False, retried.message_id)
    assert (again.id, again.replaces, again.status) == (retried.message_id, answered, "accepted")


def test_what_is_uncertain_is_settled_and_not_tried_again(talk: Talk) -> None:
    answered = claimed(talk.database, talk.answers(text()), NOW + 120 * SECOND)
    unsent(talk.database, answered, Uncertain("no answer"), NOW + 120 * SECOND)
    found = talk.bubbles()[-1]
    assert (found.status, found.retryable) == ("uncertain", False)


def test_what_others_wrote_is_not_ours_to_try_again(talk: Talk) -> None:
    written = talk.says("echo", "from the phone", "assistant", more={"raw": {"id": 1}})
    rows(talk.database, "update kommo_messages set delivery_status = 'failed' where id = %s returning 1", written)
    assert [talk.bubbles()[-1].retryable, talk.bubbles()[-1].author] == [False, None]


DETAILS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"location": {"latitude": 1.0, "longitude": 2.0, "name": "x"}},) * 2,
    ({"location": {"lat": 1.0, "lon": 2.0}}, {"location": {"latitude": 1.0, "longitude": 2.0}}),
    ({"contacts": [{"name": {"formatted_name": "Leo"}, "phones": [{"phone": "+5", "type": "CELL", "wa_id": "5"}],
                    "emails": [{"email": "l@x.es", "type": "WORK"}], "org": {"company": "Muebles"}}]},
     {"contacts": [{"name": "Leo", "phones": [{"phone": "+5", "type": "CELL"}], "emails": ["l@x.es"],
                    "organization": "Muebles"}]}),
    ({"contact": {"name": "Carla", "phone": "+52"}}, {"contacts": [{"name": "Carla", "phones": [{"phone": "+52"}]}]}),
    ({"contacts": [{"name": None, "phones": "none"}, 7]}, {"contacts": [{"phones": [{"phone": "none"}]}]}),
    ({"reply": {"type": "button", "id": "y", "title": "Sí"}},) * 2,
    ({"order": {"catalog_id": "1", "items": []}},) * 2,
    ({"referral": {"source_url": "https://fb.me/x"}},) * 2,
    ({"media": {"id": "9", "url": "https://lookaside.fbsbx.com/9", "mime_type": "image/png", "sha256": "x"}},
     {"media": [{"mime_type": "image/png"}]}),
    ({"media": [{"id": "1", "url": "https://api.twilio.com/1"}, {"id": "2", "filename": "a.pdf"}]},
     {"media": [{"filename": "a.pdf"}]}),
    ({"type": "poll", "errors": [{"code": 131051}]}, {"unsupported": {"type": "poll", "errors": [{"code": 131051}]}}),
    ({"template": {"external_id": "saludo_1", "content": "Hola"}},) * 2,
    ({"source_id": "whatsapp-1", "origin": "waba", "sender_id": "7", "group_id": "g"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "shown"), DETAILS)
def test_what_customers_send_in_one_shape(talk: Talk, given: dict[str, Any], shown: dict[str, Any]) -> None:
    """Whichever provider it came through; never addresses of files that want credentials, or ids of chats."""
    talk.says("x", "words", **given)
    assert talk.bubbles()[-1].details == {name: value for name, value in shown.items() if value}


def test_files_and_what_became_of_them(talk: Talk) -> None:
    files = (Media(url="https://x/1", mime_type="image/png"), Media(id="2", filename="precio.pdf"))
    message = talk.says("files", more={"content_type": "image", "media": files})
    rows(
        talk.database,
        "update message_media set state = 'stored', reference = 's3://b/media/1', content_type = 'image/png', bytes = 9"
        " where message_id = %s and place = 0 returning 1",
        message,
    )
    first, second = talk.bubbles()[-1].media
    assert (first.place, first.state, first.content_type, first.bytes) == (0, "stored", "image/png", 9)
    assert (second.place, second.state, second.filename, second.bytes) == (1, "pending", "precio.pdf", None)


def test_pages_hold_each_bubble_once(talk: Talk) -> None:
    """Also those of the same moment, and though what reacts and edits lies between them."""
    for number in range(7):
        talk.minute = 3  # all at the fourth minute
        talk.says(f"m{number}", str(number))
        talk.reacts(f"r{number}", f"m{number}", "👍")
    found, place = bubbles_of(talk.database, talk.id, 3)
    ids = [each.id for each in found]
    while place:
        found, place = bubbles_of(talk.database, talk.id, 3, place)
        assert found
        ids += [each.id for each in found]
    assert ids == [each.id for each in talk.bubbles()][::-1]
    assert len(ids) == len(set(ids)) == 8


def test_those_that_were_asked_for_are_the_conversations_own(shared: Database, talk: Talk) -> None:
    other = Talk(shared)
    asked = [talk.first().id, other.first().id, "6f1cbc1e-0000-4000-8000-000000000000"]
    assert [each.id for each in bubbles_with(shared, talk.id, asked)] == asked[:1]
    assert bubbles_with(shared, talk.id, []) == []
