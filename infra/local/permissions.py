"""What the roles of template.yaml allow each function, and the decision about one call, as IAM makes it.

The system writes the policies to `aws-policies.json` in the state directory before functions start; the process that
stands for AWS reads them there, and keeps what was called in `aws-calls.jsonl` (moto_server.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from infra.local.intrinsics import TemplateError
from infra.local.template import Template

POLICIES, CALLS = "aws-policies.json", "aws-calls.jsonl"
KEY = "local-"
"""What the access keys of functions begin with; the system's own, and those of tests, are nobody's."""
UNDERSTOOD = {"Sid", "Effect", "Action", "Resource"}


@dataclass(frozen=True)
class Statement:
    """One sentence of a policy; patterns may hold * and ?."""

    allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def covers(self, action: str, resource: str) -> bool:
        """Whether the sentence is about this call."""
        return any(_matches(pattern.lower(), action.lower()) for pattern in self.actions) and any(
            _matches(pattern, resource) for pattern in self.resources
        )


Policies: TypeAlias = Mapping[str, Sequence[Statement]]
"""The statements of each function."""


def allowed(statements: Sequence[Statement], action: str, resource: str) -> bool:
    """IAM's decision: no unless a statement allows it, and no whenever one denies it."""
    about = [statement.allow for statement in statements if statement.covers(action, resource)]
    return bool(about) and all(about)


def of_functions(template: Template) -> dict[str, tuple[Statement, ...]]:
    """What each function may do. Raises TemplateError for what is not understood here.

    What a resource refers to and does not exist here stands in angle brackets: nothing that is called is named so.
    """
    roles, shared = dict(template.of_type("AWS::IAM::Role")), dict(template.of_type("AWS::IAM::ManagedPolicy"))
    found = {}
    for name, properties in template.of_type("AWS::Serverless::Function"):
        role = roles[properties["Role"]["Fn::GetAtt"][0]]
        policies = [*role.get("Policies", []), *(shared[arn["Ref"]] for arn in role.get("ManagedPolicyArns", []))]
        documents = template.resolve([policy["PolicyDocument"] for policy in policies], lenient=True)
        found[name] = tuple(_read(name, each) for document in documents for each in _listed(document["Statement"]))
    return found


def _read(function: str, statement: Mapping[str, Any]) -> Statement:
    strange = set(statement) - UNDERSTOOD or {statement["Effect"]} - {"Allow", "Deny"}
    actions, resources = (tuple(map(str, _listed(statement.get(name, [])))) for name in ("Action", "Resource"))
    strange = strange or {text for text in resources if "${" in text}  # a variable
    if strange:
        raise TemplateError(f"the local gateway does not understand {strange} in the policies of {function}")
    return Statement(statement["Effect"] == "Allow", actions, resources)


def names_of(values: Mapping[str, Any]) -> dict[str, str]:
    """From the ARN of what was made here (aws.py) to its logical id."""
    return {str(arn): name.removesuffix(".Arn") for name, arn in values.items() if str(arn).startswith("arn:")}


def logical_name(resource: str, names: Mapping[str, str]) -> str:
    """The logical id of a resource, or of the bucket that an object is in; its ARN when it has none."""
    return names.get(resource) or names.get(resource.partition("/")[0]) or resource


def write(folder: Path, policies: Policies, names: Mapping[str, str]) -> None:
    """Put down what holds from now on."""
    content = {"names": names, "functions": {name: list(map(asdict, each)) for name, each in policies.items()}}
    unfinished = folder / f"{POLICIES}.unfinished"
    unfinished.write_text(json.dumps(content, indent=1), "utf-8")
    unfinished.rename(folder / POLICIES)


def read(folder: Path) -> tuple[dict[str, tuple[Statement, ...]], dict[str, str]] | None:
    """The policies, and the logical ids by ARN; None where nobody has put them down."""
    try:
        content = json.loads((folder / POLICIES).read_text("utf-8"))
    except FileNotFoundError:
        return None
    functions = {
        name: tuple(Statement(each["allow"], tuple(each["actions"]), tuple(each["resources"])) for each in statements)
        for name, statements in content["functions"].items()
    }
    return functions, content["names"]


def clear(folder: Path) -> None:
    """Forget what a run before left."""
    for name in (POLICIES, CALLS):
        (folder / name).unlink(missing_ok=True)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None
