"""template.yaml as CloudFormation gets it: read, expanded by SAM's own translator, and asked by name. No AWS."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
Properties: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """The template as it is written (`source`) and the resources that it becomes."""

    source: dict[str, Any]
    resources: dict[str, dict[str, Any]]

    def of_type(self, kind: str) -> dict[str, Properties]:
        """Properties of every resource of one CloudFormation type, by logical id."""
        return {name: found.get("Properties", {}) for name, found in self.resources.items() if found["Type"] == kind}

    def functions(self) -> dict[str, Properties]:
        """Properties of every function."""
        return self.of_type("AWS::Lambda::Function")

    def only(self, kind: str) -> Properties:
        """Properties of the only resource of this type."""
        (properties,) = self.of_type(kind).values()
        return properties

    def properties(self, name: str) -> Properties:
        """Properties of one resource."""
        found: Properties = self.resources[name]["Properties"]
        return found


def read_stack(path: Path = ROOT / "template.yaml") -> Stack:
    """Expand the template as the deployment does, its local folders taken for uploaded ones."""
    source = yaml_parse(path.read_text())
    uploaded = deepcopy(source)
    for resource in uploaded["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in resource.get("Properties", {}):
                resource["Properties"][key] = f"s3://uploaded/{resource['Properties'][key]}"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    return Stack(source, translator.translate(uploaded, parameter_values={})["Resources"])


def constants(path: str) -> dict[str, Any]:
    """The numbers and texts that a module of ours gives a name, without importing it: it would look for AWS."""
    found = {}
    for node in ast.parse((ROOT / path).read_text()).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.targets[0], ast.Name)
        ):
            found[node.targets[0].id] = node.value.value
    return found


def referred(value: Any) -> str:
    """The logical id that a reference means, or the value itself; a function for its alias as well."""
    match value:
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            return str(name).removesuffix("Aliaslive")
        case {"Fn::Sub": str(text)} if found := re.search(r"\$\{(\w+)(?:\.Arn)?}", text):
            return found[1].removesuffix("Aliaslive")
    return str(value)


def named_in(value: Any) -> set[str]:
    """Logical ids (and parameters) that CloudFormation finds in a part of a template, at any depth."""
    match value:
        case {"Ref": str(name)}:
            return {name}
        case {"Fn::GetAtt": [str(name), *_]} | {"Fn::GetAtt": str(name)}:
            return {name.split(".")[0]}
        case {"Fn::Sub": given}:
            text, own = given if isinstance(given, list) else (given, {})
            names = {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)}", text)}
            return (names - set(own)) | named_in(own)
        case dict():
            return {name for part in value.values() for name in named_in(part)}
        case list():
            return {name for part in value for name in named_in(part)}
    return set()


def when(condition: str, value: Any) -> Any:
    """What a property is while a condition holds."""
    match value:
        case {"Fn::If": [name, wanted, _]} if name == condition:
            return wanted
    return value


def listed(value: Any) -> list[Any]:
    """What IAM writes as one thing or as a list of them, always as a list."""
    return value if isinstance(value, list) else [value]


def given_where_made(value: Any) -> Any:
    """What a property is in a network and with a database of the stack's own."""
    return when("MakesDatabase", when("MakesNetwork", when("InVpc", value)))


def without_hash(names: Iterable[str]) -> list[str]:
    """Logical ids of layer versions as the template names them: SAM appends a hash."""
    return [re.sub(r"[0-9a-f]{10}$", "", name) for name in names]
