"""The stack as `sam deploy` makes it, in moto: transformed, packaged, created by CloudFormation, updated.

moto's CloudFormation orders the resources, resolves what they say of one another and nests the stacks. It gets the
templates with parameters and conditions decided (see Deciding), and our calls for what it makes less of than AWS (see
tests/infra/deployed.py).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.cloudformation import parsing
from moto.cloudformation.models import Stack
from moto.core.common_models import CloudFormationModel
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from infra.local.intrinsics import read_yaml
from tests.infra.calls import Asked, client
from tests.infra.deciding import decided
from tests.infra.deployed import CALLS, NOWHERE
from tests.infra.nested import ACCOUNT, REGION
from tests.infra.stack import ROOT

BUCKET = "packages"
NESTED = "AWS::CloudFormation::Stack"


# ---- What moto's CloudFormation makes by our calls ----


class Made(CloudFormationModel):
    """A resource that was made by a call: what Ref means, and its attributes."""

    def __init__(self, asked: Asked, ref: str, attributes: Mapping[str, Any]) -> None:
        self.asked, self.physical_resource_id, self._attributes = asked, ref, attributes

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "Ventana::Made"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> Any:
        return self._attributes[attribute_name]

    def is_created(self) -> bool:
        return True

    def delete(self, account_id: str, region_name: str) -> None:
        """A version that is no longer in the template stays; nothing else is taken away here."""

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **kwargs: Any
    ) -> Made:
        kind = kwargs["ResourceType"]
        asked = Asked(kind, resource_name, cloudformation_json["Properties"], kwargs["StackId"].split("/")[1])
        if kind == NESTED:
            return cls(asked, *_nest(asked, resource_name, new=True))
        if kind in NOWHERE:
            return cls(asked, resource_name, {"Arn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{resource_name}"})
        return cls(asked, *CALLS[kind].make(asked))

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Made,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> Made:
        was = original_resource
        asked = Asked(was.asked.kind, was.asked.name, cloudformation_json["Properties"], was.asked.stack)
        if asked.kind == NESTED:
            return cls(asked, *_nest(asked, was.asked.name, new=False))
        if asked.kind in NOWHERE:
            return cls(asked, was.physical_resource_id, was._attributes)
        if asked.properties == was.asked.properties:
            return was
        call = CALLS[asked.kind]
        same = all(asked.properties.get(name) == was.asked.properties.get(name) for name in call.replaces)
        if call.update and same:
            call.change(asked, was.physical_resource_id)
            return cls(asked, was.physical_resource_id, was._attributes)
        return cls(asked, *call.make(Asked(asked.kind, new_resource_name, asked.properties, asked.stack)))

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str
    ) -> None:
        """See delete."""


def _nest(asked: Asked, name: str, new: bool) -> tuple[str, dict[str, str]]:
    template = read_yaml(ROOT / asked.properties["TemplateURL"])
    stack = create(name, template, asked.properties.get("Parameters", {}), new)
    return stack["StackId"], {f"Outputs.{each['OutputKey']}": each["OutputValue"] for each in stack["Outputs"]}


# ---- sam deploy ----

_deployments = count()


@cache
def _source() -> dict[str, Any]:
    source: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    for resource in source["Resources"].values():
        for key in ("CodeUri", "ContentUri"):
            if key in resource.get("Properties", {}):
                resource["Properties"][key] = f"s3://{BUCKET}/{resource['Properties'][key].strip('/')}.zip"
    return source


def transformed(values: Mapping[str, str]) -> dict[str, Any]:
    """The template after SAM's transform, which gets the parameters as well."""
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    template: dict[str, Any] = translator.translate(deepcopy(_source()), parameter_values=dict(values))
    return template


def create(name: str, template: Mapping[str, Any], values: Mapping[str, Any], new: bool = True) -> dict[str, Any]:
    """Make or change one stack and what it nests, and say what CloudFormation knows of it."""
    service = client("cloudformation")
    around = {
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": name,
    }
    made = decided(template, values, around)
    for resource in made["Resources"].values():
        if resource["Type"] in {NESTED, *CALLS}:
            # moto compares templates, and would leave alone what names something that is replaced.
            resource["Metadata"] = {"Deployment": next(_deployments)}
    body = json.dumps(made)
    client("s3").put_object(Bucket=BUCKET, Key=f"{name}.template", Body=body)
    parameters = [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]
    operation = service.create_stack if new else service.update_stack
    address = f"https://{BUCKET}.s3.{REGION}.amazonaws.com/{name}.template"
    operation(StackName=name, TemplateURL=address, Parameters=parameters, Capabilities=["CAPABILITY_IAM"])
    (stack,) = service.describe_stacks(StackName=name)["Stacks"]
    found: dict[str, Any] = {"Outputs": [], **stack}
    return found


@dataclass(frozen=True)
class System:
    """What was deployed: outputs, physical ids and types by logical id, a nested resource as `Network.Vpc`."""

    name: str
    status: str
    outputs: Mapping[str, str]
    ids: Mapping[str, str]
    kinds: Mapping[str, str]

    def of_kind(self, kind: str) -> dict[str, str]:
        """The physical ids of one type."""
        return {name: self.ids[name] for name, found in self.kinds.items() if found == kind}

    def logical(self, physical: str) -> str:
        """The logical id of what has this id, alone or at the end of an ARN."""
        (name,) = [name for name, id in self.ids.items() if id == physical or physical.endswith(f":{id}")]
        return name


def deploy(name: str, values: Mapping[str, str], new: bool = True) -> System:
    """What `sam deploy` does with these parameters."""
    stack = create(name, transformed(values), values, new)
    found = dict(_resources(stack["StackId"], ""))
    return System(
        name,
        stack["StackStatus"],
        {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]},
        {logical: each.get("PhysicalResourceId", "") for logical, each in found.items()},
        {logical: each["ResourceType"] for logical, each in found.items()},
    )


def _resources(stack: str, before: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for page in client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack):
        for each in page["StackResourceSummaries"]:
            logical = f"{before}{each['LogicalResourceId']}"
            yield logical, each
            if each["ResourceType"] == NESTED:
                yield from _resources(each["PhysicalResourceId"], f"{logical}.")


def _package() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", "")
    return content.getvalue()


@contextmanager
def cloud() -> Iterator[None]:
    """An empty account, with a bucket that packages are in."""
    known = {**parsing.get_model_map(), **dict.fromkeys([NESTED, *CALLS, *NOWHERE], Made)}
    # A custom resource would be called in a container; tests/functions and the story call ours.
    custom = patch.object(parsing, "CustomModel", Made)
    # It would read our JSON as YAML, which is right and takes longer than everything else.
    read = patch.object(Stack, "parse_template", staticmethod(json.loads))
    with mock_aws(), patch.object(parsing, "get_model_map", lambda: known), custom, read:
        client.cache_clear()
        where = {"LocationConstraint": REGION}
        client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        for resource in _source()["Resources"].values():
            for key in ("CodeUri", "ContentUri"):
                if key in resource.get("Properties", {}):
                    path = resource["Properties"][key].removeprefix(f"s3://{BUCKET}/")
                    client("s3").put_object(Bucket=BUCKET, Key=path, Body=_package())
        yield
