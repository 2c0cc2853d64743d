"""A template with what CloudFormation decides before it makes anything: parameters, conditions, mappings."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from infra.local.intrinsics import PLACEHOLDER, Resolver
from tests.infra.nested import REGION
from tests.infra.stack import listed


class Deciding(Resolver):
    """Decides parameters, conditions and mappings; what resources say of one another stays for moto.

    moto takes "0" and 0 for different and has no Fn::Cidr; a NoValue in a list becomes a None.
    """

    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        super().__init__(template, values)
        made = {*template["Resources"], "AWS::StackId"}
        self._functions["Fn::GetAZs"] = lambda _: [f"{REGION}{zone}" for zone in "abc"]
        self._functions["Fn::Cidr"] = lambda parts: _blocks(self(parts[0]), int(parts[2]))
        self._functions["Ref"] = lambda name: {"Ref": name} if name in made else self._value(name)
        self._functions["Fn::GetAtt"] = lambda path: {"Fn::GetAtt": [path[0], ".".join(path[1:])]}
        for name in ("Join", "Split", "Select"):
            self._functions[f"Fn::{name}"] = self._later(f"Fn::{name}", self._functions[f"Fn::{name}"])

    def _later(self, name: str, decide: Any) -> Any:
        def found(parts: Any) -> Any:
            known = [self(part) for part in parts]
            return {name: known} if _open(known) else decide(known)

        return found

    def _sub(self, argument: Any) -> Any:
        text, own = argument if isinstance(argument, list) else (argument, {})
        names = {name: self(value) for name, value in own.items()}
        parts: list[Any] = []
        end = 0
        for match in PLACEHOLDER.finditer(text):
            name = match[1].strip()
            path = name.split(".", 1)
            reference = {"Fn::GetAtt": path} if len(path) > 1 else {"Ref": name}
            parts += [text[end : match.start()], names[name] if name in names else self(reference)]
            end = match.end()
        parts.append(text[end:])
        if _open(parts):
            return {"Fn::Join": ["", parts]}
        return "".join(map(str, parts)).replace("${!", "${")


def _blocks(network: str, host_bits: int) -> list[str]:
    return [str(block) for block in ipaddress.ip_network(network).subnets(new_prefix=32 - host_bits)]


def _open(value: Any) -> bool:
    """Whether something in it is known only when resources are there."""
    if isinstance(value, dict):
        return bool({"Ref", "Fn::GetAtt"} & set(value)) or any(map(_open, value.values()))
    return isinstance(value, list) and any(map(_open, value))


def decided(template: Mapping[str, Any], values: Mapping[str, Any], around: Mapping[str, str]) -> dict[str, Any]:
    """The template that there is with these parameters. Raises AssertionError for values that it does not take."""
    declared = template.get("Parameters", {})
    assert set(values) <= set(declared), "parameters that the template does not know"
    given = {name: _typed(name, spec, values.get(name, spec.get("Default"))) for name, spec in declared.items()}
    decide = Deciding(template, {**given, **around})
    made = {name: each for name, each in template["Resources"].items() if decide.holds(each.get("Condition"))}
    resources = {
        name: {
            "Type": each["Type"],
            "DependsOn": [other for other in listed(each.get("DependsOn", [])) if other in made],
            "Properties": decide(each.get("Properties", {})),
        }
        for name, each in made.items()
    }
    outputs = {
        name: {"Value": decide(each["Value"])}
        for name, each in template.get("Outputs", {}).items()
        if decide.holds(each.get("Condition"))
    }
    return {"Parameters": declared, "Resources": resources, "Outputs": outputs}


def _typed(name: str, spec: Mapping[str, Any], value: Any) -> Any:
    """A parameter's value as resources get it, having been looked at as CloudFormation does."""
    assert value is not None, f"{name} must be given"
    parts = str(value).split(",") if spec["Type"] == "CommaDelimitedList" else [str(value)]
    for part in parts:
        assert re.search(spec.get("AllowedPattern", ""), part), f"{name} must not be {part}"
        assert part in map(str, spec.get("AllowedValues", [part])), f"{name} must not be {part}"
    if spec["Type"] == "Number":
        assert spec.get("MinValue", int(value)) <= int(value) <= spec.get("MaxValue", int(value)), f"{name}: {value}"
        return int(value)
    return parts if spec["Type"] == "CommaDelimitedList" else str(value)
