"""From Kommo's hooks to our words: the CRM's form taken apart by entity and action, the Chats API's JSON apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, reduce
from typing import Any, TypeAlias

from ventana.messages import Item, Parked
from ventana.providers.base import RawRequest
from ventana.providers.kommo import chats
from ventana.providers.kommo.form import Node, flat, tree
from ventana.providers.kommo.identity import contact_of, talk_of
from ventana.providers.kommo.message import KOMMO, echo_of, message_of
from ventana.providers.parking import Notice, Poison, each, known, parked
from ventana.providers.reading import an_object

Reader: TypeAlias = Callable[[Node, Node], Iterable[Item]]
"""Reads an item of the account that comes first."""

FORM = "application/x-www-form-urlencoded"
READ = {"add", "update"}
READERS: Mapping[str, Reader] = {
    "message": message_of,
    "outgoing_message": echo_of,
    "talk": talk_of,
    "contacts": contact_of,
}
ENTITIES = {*READERS, "leads", "companies", "customers", "tasks", "unsorted", "note", "catalogs", "task"}
ACTIONS = {*READ, "delete", "restore", "status", "responsible", "note", "merge"}


def parse(request: RawRequest) -> list[Item]:
    """Read a hook. Kommo may probe the address with a GET, which holds nothing.

    What the body is decides, not where it was posted, so that a parked one can be read again anywhere.
    """
    if request.method == "GET":
        return []
    if request.body.lstrip()[:1] in (b"{", b"["):
        return chats.parse(request.body)
    try:
        form = dict(tree(request))
    except ValueError:
        return [parked(KOMMO, Poison("body has too many fields"), request.body, FORM)]
    account = an_object(form.pop("account", None))
    others = {name: node for name, node in form.items() if not isinstance(node, dict)}
    items = [item for name, node in form.items() if name not in others for item in _entity(name, node, account)]
    return items + ([_parked(account, [], Notice("other"), others)] if others else [])


def _entity(name: str, node: Node, account: Node) -> Iterator[Item]:
    """`message[add][0]`, or the same unwrapped: `add[0]`."""
    if name in READ:
        yield from _action("message", name, node, account, [name])
        return
    for action, items in node.items():
        yield from _action(name, action, items, account, [name, action])


def _action(entity: str, action: str, items: Any, account: Node, path: list[str]) -> Iterator[Item]:
    """`[0]`, `[1]`, … by themselves; what Kommo does to other things is one notice each time."""
    if entity not in READERS or action not in READ:
        yield _parked(account, path, Notice(f"{known(entity, ENTITIES)} {known(action, ACTIONS)}"), items)
        return
    read = partial(READERS[entity], account)
    if not isinstance(items, dict) or any(isinstance(items.get(name), str) for name in ("id", "talk_id")):
        yield from each([items], read, partial(_parked, account, path))  # the only one, its index left out
        return
    for index, item in items.items():
        yield from each([item], read, partial(_parked, account, [*path, index]))


def _parked(account: Node, path: list[str], why: Exception, raw: Any) -> Parked:
    """Set aside what stands at this path of the form, alone and with the account."""
    hook = reduce(lambda inner, key: {key: inner}, reversed(path), raw)
    return parked(KOMMO, why, flat({**hook, "account": account} if account else hook), FORM)
