"""Every metric that there is: those that our code publishes, read out of it and published for real, and AWS's own."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args, get_type_hints

import pytest

from tests.infra.stack import ROOT
from ventana import telemetry
from ventana.errors import (
    BadSignature,
    FetchError,
    ListingFailed,
    NotConfigured,
    SendError,
    StorageUnavailable,
    VentanaError,
)
from ventana.messages import DeliveryStatus
from ventana.providers import PROVIDERS
from ventana.schema.conversations import ProviderStatistics
from ventana.schema.inbound import Recorded
from ventana.schema.lookups import claim_lookup


class Metric(NamedTuple):
    """What CloudWatch tells one metric from another by."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


def metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
    """A metric with its dimensions in no order."""
    return Metric(namespace, name, frozenset(dimensions.items()))


@cache
def ours() -> frozenset[Metric]:
    """What count, gauge and seconds publish, as CloudWatch reads it out of the log."""
    text = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(text):
        patch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
        patch.setenv("AWS_LAMBDA_FUNCTION_NAME", "ventana")
        for call in _calls():
            for name in call.names():
                call.publish(name)
    lines = [json.loads(line) for line in text.getvalue().splitlines() if '"_aws"' in line]
    return frozenset(found for line in lines for found in _read(line))


def log_events() -> dict[str, set[str]]:
    """The first words of each log line, with the files that write them."""
    found: dict[str, set[str]] = {}
    for path, tree in _files():
        for called, node in _called(tree):
            if called in ("log_bug", "log", "level") or called.startswith("logger."):
                match node.args[:1]:
                    case [ast.Constant(value=str(event))]:
                        found.setdefault(event, set()).add(str(path.relative_to(ROOT)))
    return found


BY_FUNCTION, BY_QUEUE, BY_SERVER, BY_PROXY = {"FunctionName"}, {"QueueName"}, {"DBInstanceIdentifier"}, {"ProxyName"}
BY_API, BY_ROUTE = {"ApiId"}, {"ApiId", "Stage", "Method", "Resource"}
OF_AWS: dict[tuple[str, str], tuple[set[str], ...]] = {
    **{
        ("AWS/Lambda", name): (BY_FUNCTION,)
        for name in ("Errors", "Throttles", "Duration", "Invocations", "ConcurrentExecutions")
    },
    **{
        ("AWS/SQS", name): (BY_QUEUE,)
        for name in ("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible")
    },
    # a route's own only with DetailedMetricsEnabled
    **{("AWS/ApiGateway", name): (BY_API, BY_ROUTE) for name in ("Count", "4xx", "5xx", "Latency")},
    **{
        ("AWS/RDS", name): (BY_SERVER,)
        for name in ("CPUUtilization", "FreeStorageSpace", "FreeableMemory", "DatabaseConnections")
    },
    **{
        ("AWS/RDS", name): (BY_PROXY,)
        for name in (
            "ClientConnections",
            "MaxDatabaseConnectionsAllowed",
            "DatabaseConnectionsCurrentlyBorrowed",
            "DatabaseConnectionsBorrowLatency",
            "QueryDatabaseResponseLatency",
        )
    },
}
"""Metrics of AWS by the dimensions that it publishes them under."""


# ---- Reading the code ----


def _files() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("layers/ventana/ventana", "functions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def _called(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """The calls in a file, each with what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


class _Call(NamedTuple):
    path: str
    function: str
    name: ast.expr
    keywords: tuple[str, ...]
    by_provider: bool

    def names(self) -> list[str]:
        """What its first argument becomes, with everything that its variables may be."""
        code = compile(ast.fix_missing_locations(ast.Expression(self.name)), self.path, "eval")
        written = ast.unparse(self.name)
        if isinstance(self.name, ast.Constant):
            return [str(self.name.value)]
        assert (self.path, written) in VARIABLES, f"say in this file what may be in {written} of {self.path}"
        return [str(eval(code, {**values})) for values in VARIABLES[self.path, written]]

    def publish(self, name: str) -> None:
        if self.function == "gauge":
            for provider in PROVIDERS:
                telemetry.gauge(name, 1, **dict.fromkeys(self.keywords, provider))
            return

        @telemetry.measured
        def counting(of: str) -> None:
            if of:
                telemetry.of_provider(of)
            getattr(telemetry, self.function)(name, 1)

        for of in PROVIDERS if self.by_provider else ("",):
            counting(of)


def _calls() -> Iterator[_Call]:
    for path, tree in _files():
        calls = list(_called(tree))
        by_provider = "of_provider" in {called for called, _ in calls}
        for called, node in calls:
            if called in ("count", "gauge", "seconds"):
                keywords = tuple(str(each.arg) for each in node.keywords)
                yield _Call(str(path.relative_to(ROOT)), called, node.args[0], keywords, by_provider)


def _read(line: Mapping[str, Any]) -> Iterator[Metric]:
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            for each in directive["Metrics"]:
                yield metric(directive["Namespace"], each["Name"], {name: line[name] for name in names})


def _assigned(path: str, name: str) -> Any:
    """The literal that a name is given, wherever in a file."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path} assigns no {name}")


def _returned(path: str, function: str) -> set[str]:
    """The texts that a function of a file may return."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
            texts = [each.value for value in returned for each in ast.walk(value) if isinstance(each, ast.Constant)]
            return {text for text in texts if isinstance(text, str)}
    raise AssertionError(f"{path} has no {function}")


def _kinds(error: type[VentanaError]) -> Iterator[VentanaError]:
    yield error.__new__(error)
    for each in error.__subclasses__():
        yield from _kinds(each)


def _new(errors: Iterable[type[VentanaError]]) -> list[VentanaError]:
    return [error.__new__(error) for error in errors]


def _each(name: str, values: Iterable[Any]) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


RECORDED = get_args(get_type_hints(Recorded)["outcome"])
REFUSED = (BadSignature, NotConfigured, StorageUnavailable)
"""What a webhook is refused with."""
BEHIND_THE_API = (SendError, FetchError, ListingFailed)
"""What ends in a worker, and is no answer of the API."""
FETCHED = ("stored", "pending", "failed", None)
"""States that finish_media_v1 gives a file; None where its row is gone."""
SWEEP, LOOKUP = "functions/window_sweep/app.py", "functions/contact_lookup/app.py"
VARIABLES: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("layers/ventana/ventana/webhook.py", "f'Inbound{outcome.title()}'"): _each("outcome", (*RECORDED, "spilled")),
    ("layers/ventana/ventana/webhook.py", "type(error).__name__"): _each("error", _new(REFUSED)),
    ("layers/ventana/ventana/api/problems.py", "type(error).__name__"): _each(
        "error", (error for error in _kinds(VentanaError) if not isinstance(error, BEHIND_THE_API))
    ),
    ("layers/ventana/ventana/outbox.py", "f\"Status{str(event.detail['status']).title()}\""): _each(
        "event", (SimpleNamespace(detail={"status": status}) for status in get_args(DeliveryStatus))
    ),
    (SWEEP, "f'Sweep{name.title()}'"): _each("name", _assigned(SWEEP, "KINDS")),
    (SWEEP, "f\"Conversations{name.title().replace('_', '')}\""): _each(
        "name", (field.name for field in fields(ProviderStatistics) if field.name != "provider")
    ),
    ("functions/spill_drain/app.py", "f'Spill{row.outcome.title()}'"): _each(
        "row", (SimpleNamespace(outcome=outcome) for outcome in RECORDED)
    ),
    ("functions/sender/app.py", "f'Send{type(error).__name__}'"): _each("error", _kinds(SendError)),
    ("functions/media/app.py", "f\"Media{(state or 'gone').title()}\""): _each("state", FETCHED),
    (LOOKUP, "f'Lookup{outcome.title()}'"): _each(
        "outcome", sorted({*get_args(get_type_hints(claim_lookup)["return"]), *_returned(LOOKUP, "_learnt")})
    ),
}
"""What the variables in a metric's name may be, by the file and the name as it is written there."""
