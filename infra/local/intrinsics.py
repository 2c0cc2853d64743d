"""CloudFormation's YAML and its intrinsic functions, as far as a template needs them to be understood on a laptop."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

NO_VALUE = object()
PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


class TemplateError(Exception):
    """The template refers to something that has no local meaning; the message names it."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that turns `!Sub x` into `{"Fn::Sub": x}`."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # no fourth kind exists
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


def read_yaml(path: Path) -> dict[str, Any]:
    """The file with CloudFormation's short tags in their long form."""
    with path.open(encoding="utf-8") as file:
        content = yaml.load(file, _Loader)
    if not isinstance(content, dict):
        raise TemplateError(f"{path.name} is no template")
    return content


class Resolver:
    """Replaces intrinsic functions by values. Parameters that are not given have their defaults.

    A lenient one puts the name of what is unknown here in angle brackets.
    """

    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any], lenient: bool = False) -> None:
        self._lenient = lenient
        declared = template.get("Parameters") or {}
        defaults = {name: spec["Default"] for name, spec in declared.items() if "Default" in spec}
        self._values: dict[str, Any] = {**defaults, **values, "AWS::NoValue": NO_VALUE}
        self._conditions: Mapping[str, Any] = template.get("Conditions") or {}
        self._mappings: Mapping[str, Any] = template.get("Mappings") or {}
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._value,
            "Condition": self.holds,
            "Fn::GetAtt": lambda path: self._value(".".join(map(str, path))),
            "Fn::Sub": self._sub,
            "Fn::If": lambda parts: self(parts[1] if self.holds(parts[0]) else parts[2]),
            "Fn::Join": lambda parts: str(parts[0]).join(_texts(self(parts[1]))),
            "Fn::Select": lambda parts: self(parts[1])[int(self(parts[0]))],
            "Fn::Split": lambda parts: str(self(parts[1])).split(parts[0]),
            "Fn::FindInMap": lambda parts: self._mappings[parts[0]][self(parts[1])][self(parts[2])],
            "Fn::Equals": lambda parts: str(self(parts[0])) == str(self(parts[1])),
            "Fn::Not": lambda parts: not self(parts[0]),
            "Fn::And": lambda parts: all(self(part) for part in parts),
            "Fn::Or": lambda parts: any(self(part) for part in parts),
        }

    def __call__(self, node: Any) -> Any:
        """The node with everything in it resolved. Raises TemplateError for what is unknown here."""
        if isinstance(node, list):
            return [item for item in map(self, node) if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (name, argument), *_ = node.items()
            if name in self._functions:
                return self._functions[name](argument)
            if str(name).startswith("Fn::"):
                raise TemplateError(f"the local gateway does not understand {name}")
        resolved = {key: self(value) for key, value in node.items()}
        return {key: value for key, value in resolved.items() if value is not NO_VALUE}

    def holds(self, condition: str | None) -> bool:
        """Whether a named condition is true; no condition always is."""
        return condition is None or bool(self(self._conditions[condition]))

    def _value(self, name: str) -> Any:
        if name not in self._values:
            if self._lenient:
                return f"<{name}>"
            raise TemplateError(f"the local gateway has no value for {name}")
        return self._values[name]

    def _sub(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})
        found = {name: self(value) for name, value in own.items()}

        def value(match: re.Match[str]) -> str:
            name = match[1].strip()
            return str(found[name] if name in found else self._value(name))

        return PLACEHOLDER.sub(value, text).replace("${!", "${")


def _texts(value: Any) -> list[str]:
    # A CommaDelimitedList whose default is "" is a list of one empty string.
    return [str(item) for item in (value if isinstance(value, list) else str(value).split(","))]
