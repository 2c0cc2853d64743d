"""A nested template as it comes out with certain parameters: conditions decided, logical ids in place of real ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.intrinsics import Resolver, read_yaml
from tests.infra.stack import ROOT, Properties, Stack

ACCOUNT, REGION = "123456789012", "eu-west-1"
STACK_ID = "0e1f2a3b-1111-2222-3333-444455556666"
AROUND = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "nested",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/nested/{STACK_ID}",
}


@dataclass(frozen=True)
class Nested(Stack):
    """The resources that there are, and what the template gives back."""

    outputs: dict[str, Any]

    def named(self, kind: str, value: str, by: str) -> list[Properties]:
        """Properties of the resources of one type whose property `by` is `value`."""
        return [found for found in self.of_type(kind).values() if found.get(by) == value]


class _Nesting(Resolver):
    """Takes a resource's logical id for its id, `Id.Attribute` for an attribute, and knows what a network asks for."""

    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        super().__init__(template, values)
        self._resources = template["Resources"]
        self._functions["Fn::GetAZs"] = lambda _: [f"{REGION}{zone}" for zone in "abc"]
        self._functions["Fn::Cidr"] = lambda parts: _blocks(self(parts[0]), parts[2])

    def _value(self, name: str) -> Any:
        known = name in self._values or name.split(".")[0] not in self._resources
        return super()._value(name) if known else name


def _blocks(network: str, host_bits: int) -> list[str]:
    return [str(block) for block in ipaddress.ip_network(network).subnets(new_prefix=32 - host_bits)]


def nested(name: str, values: Mapping[str, Any]) -> Nested:
    """What infra/<name>.yaml makes of these parameters (and attributes of resources, as `Id.Attribute`)."""
    source = read_yaml(ROOT / f"infra/{name}.yaml")
    resolve = _Nesting(source, AROUND | dict(values))
    there = {id: found for id, found in source["Resources"].items() if resolve.holds(found.get("Condition"))}
    resources = {id: {**found, "Properties": resolve(found.get("Properties", {}))} for id, found in there.items()}
    outputs = {id: resolve(output["Value"]) for id, output in source["Outputs"].items()}
    return Nested(source, resources, outputs)


def unexplained(template: Mapping[str, Any]) -> list[str]:
    """Suppressed checks of checkov without a reason that one could argue with."""
    return [
        f"{name}: {skipped['id']}"
        for name, resource in template["Resources"].items()
        for skipped in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
        if len(skipped.get("comment", "").split()) < 5
    ]
