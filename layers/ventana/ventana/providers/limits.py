"""What a provider takes, said as tables: the engine behind every provider's `limits.py`.

Fields are named as the API body has them, after the kind (`text.body`, `image.caption`), and with `[]` for every entry
of a list (`list.sections[].rows[].title`); an error names the one entry that it is about, `buttons.buttons[2].title`.
Texts say what to do, and never repeat a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ventana.content import Content
from ventana.errors import OverLimit, UnsupportedByProvider

Rule: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Raises UnsupportedByProvider or OverLimit for a content that no table can describe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The tables of one provider. `provider` is its name in texts, `kinds` the kinds of content that it can send.

    `unsupported` says for a kind, a field or "reply_to" what to do instead; `needed` lists fields that may be neither
    missing nor empty; `longest` has the most characters of a text, counted in code points as WhatsApp does; `most` the
    most entries of a list, of all its occurrences together; `greatest` how far a number may be from zero; `distinct`
    lists texts of which no two may be equal, `https` those that must be https links; `rules` has what is left, by kind.

    Of the caller's own options, `options` are those that the provider knows (None: any), and `protected` those that
    nobody may set because we do: recipient, type, our id.
    """

    provider: str
    kinds: frozenset[str]
    unsupported: Mapping[str, str] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    longest: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    greatest: Mapping[str, int] = field(default_factory=dict)
    distinct: frozenset[str] = frozenset()
    https: frozenset[str] = frozenset()
    rules: Mapping[str, Rule] = field(default_factory=dict)
    options: frozenset[str] | None = None
    protected: frozenset[str] = frozenset()

    def check(self, content: Content, replies: bool, options: Mapping[str, Any]) -> None:
        """Raise UnsupportedByProvider or OverLimit for what the provider would refuse."""
        self._check_kind(content["type"], replies)
        self._check_fields(content)
        self._check_texts(content)
        self._check_numbers(content)
        if content["type"] in self.rules:
            self.rules[content["type"]](content)
        self._check_options(options)

    def _check_kind(self, kind: str, replies: bool) -> None:
        if kind not in self.kinds:
            raise UnsupportedByProvider("type", self.unsupported.get(kind) or f"{self.provider} cannot send this type")
        if replies and "reply_to" in self.unsupported:
            raise UnsupportedByProvider("reply_to", self.unsupported["reply_to"])
        if kind == "reaction" and not replies:
            raise UnsupportedByProvider("reply_to", "name the message that the reaction is to")

    def _check_fields(self, content: Content) -> None:
        for path, instead in self.unsupported.items():
            for name, value in values(content, path):
                if value not in (None, "", [], {}):
                    raise UnsupportedByProvider(name, instead)
        for path in sorted(self.needed):
            for name, value in values(content, path):
                if value in (None, "", [], {}) or (isinstance(value, str) and not value.strip()):
                    raise UnsupportedByProvider(name, f"{self.provider} needs this field: fill it in")

    def _check_texts(self, content: Content) -> None:
        for path, limit in self.longest.items():
            for name, value in values(content, path):
                if isinstance(value, str) and len(value) > limit:
                    raise OverLimit(name, limit, f"{self.provider} takes at most {limit} characters here")
        for path in sorted(self.distinct):
            seen = set()
            for name, value in values(content, path):
                if value in seen:
                    raise UnsupportedByProvider(name, f"{self.provider} wants no two of these to be equal")
                seen.add(value)
        for path in sorted(self.https):
            for name, value in values(content, path):
                if value is not None and not str(value).lower().startswith("https://"):
                    raise UnsupportedByProvider(name, f"{self.provider} takes https links only")

    def _check_numbers(self, content: Content) -> None:
        for path, limit in self.most.items():
            entries = 0
            for name, value in values(content, path):
                entries += len(value) if isinstance(value, list | tuple | dict) else 0
                if entries > limit:
                    raise OverLimit(name, limit, f"{self.provider} takes at most {limit} of these")
        for path, limit in self.greatest.items():
            for name, value in values(content, path):
                if value is not None and not -limit <= value <= limit:
                    raise OverLimit(name, limit, f"the number must lie between -{limit} and {limit}")

    def _check_options(self, options: Mapping[str, Any]) -> None:
        for name in options:
            if name in self.protected:
                raise UnsupportedByProvider(f"provider_options.{name}", "leave it out: the gateway sets it itself")
            if self.options is not None and name not in self.options:
                raise UnsupportedByProvider(f"provider_options.{name}", f"{self.provider} is sent no such option")


def values(content: Mapping[str, Any] | Content, path: str) -> Iterator[tuple[str, Any]]:
    """The values of a field, each under its own name; None for one that is missing. None at all for another kind."""
    kind, _, inner = path.partition(".")
    if inner and kind == content["type"]:
        yield from _below(kind, content, inner.split("."))


def _below(name: str, node: Any, steps: list[str]) -> Iterator[tuple[str, Any]]:
    step, rest = steps[0], steps[1:]
    key = step.removesuffix("[]")
    found = node.get(key) if isinstance(node, Mapping) else None
    name = f"{name}.{key}"
    if key == step:
        yield from _below(name, found, rest) if rest else [(name, found)]
        return
    for index, entry in enumerate(found if isinstance(found, list | tuple) else ()):
        yield from _below(f"{name}[{index}]", entry, rest) if rest else [(f"{name}[{index}]", entry)]
