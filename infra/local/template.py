"""What template.yaml says: functions, their routes, queues and schedules, in the words that the local gateway needs.

Only what runs locally is read; everything that concerns AWS alone (log groups, layers, alarms) is passed by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.intrinsics import Resolver, read_yaml

PREFIX = "AWS::Serverless::"


@dataclass(frozen=True)
class Route:
    """A path of the HTTP API. `guarded` ones want a bearer token."""

    method: str
    path: str
    function: str
    guarded: bool

    @property
    def key(self) -> str:
        """API Gateway's name for it."""
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True)
class QueueSource:
    """A queue whose messages a function takes."""

    queue_arn: str
    function: str
    batch_size: int
    partial: bool
    """Whether the function says which messages of a batch failed."""
    concurrency: int = 1
    """How many batches may be worked on at the same time."""


@dataclass(frozen=True)
class Schedule:
    """A function that is called by the clock."""

    name: str
    expression: str
    function: str
    input: str | None
    scheduler: bool
    """EventBridge Scheduler (ScheduleV2) rather than a rule (Schedule): their events differ."""


@dataclass(frozen=True)
class Rule:
    """A function that gets the events of the bus that are like the pattern."""

    function: str
    pattern: Mapping[str, Any]


@dataclass(frozen=True)
class FunctionSpec:
    """A function as declared."""

    name: str
    folder: str
    handler: str
    timeout: float
    memory: int
    environment: Mapping[str, str]
    layers: tuple[str, ...] = ()
    snapshot: bool = False
    """Whether it starts from a snapshot, so that hooks run before and after it."""


class Template:
    """A SAM template, seen through a resolver that knows what its references mean here."""

    def __init__(self, content: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._content, self._values = content, dict(values)
        self._resources: Mapping[str, Any] = content.get("Resources") or {}
        self._resolve = Resolver(content, values)

    @classmethod
    def read(cls, path: Path, values: Mapping[str, Any]) -> Template:
        """Read a file. `values` holds parameters, `LogicalId` for !Ref and `LogicalId.Name` for !GetAtt."""
        return cls(read_yaml(path), values)

    def knowing(self, more: Mapping[str, Any]) -> Template:
        """The same template with more values."""
        return Template(self._content, {**self._values, **more})

    def awaited(self) -> set[str]:
        """Functions that somebody waits for: those behind a route or a queue."""
        sources: list[Route | QueueSource] = [*self.routes(), *self.queue_sources()]
        return {source.function for source in sources}

    def functions(self) -> list[FunctionSpec]:
        """Every function, its environment resolved."""
        return [self._function(name, properties) for name, properties in self.of_type(f"{PREFIX}Function")]

    def routes(self) -> list[Route]:
        """Every HttpApi event."""
        found = []
        for function, _, event in self._events("HttpApi"):
            method = str(event.get("Method", "ANY")).upper()
            path = str(event.get("Path", "$default"))
            found.append(Route(method, path, function, self._guarded(event)))
        return found

    def stage_variables(self) -> Mapping[str, str]:
        """What the stage of the API tells its functions with each request."""
        for _, properties in self.of_type(f"{PREFIX}HttpApi"):
            found = self._resolve({"StageVariables": properties.get("StageVariables") or {}})
            return {name: _text(value) for name, value in found.get("StageVariables", {}).items()}
        return {}

    def queue_sources(self) -> list[QueueSource]:
        """Every SQS event."""
        return [
            QueueSource(
                queue_arn=str(event["Queue"]),
                function=function,
                batch_size=int(event.get("BatchSize", 10)),
                partial="ReportBatchItemFailures" in (event.get("FunctionResponseTypes") or []),
                concurrency=int((event.get("ScalingConfig") or {}).get("MaximumConcurrency", 1)),
            )
            for function, _, event in self._events("SQS")
            if event.get("Enabled", True)
        ]

    def schedules(self) -> list[Schedule]:
        """Every Schedule and ScheduleV2 event that is not switched off."""
        found = []
        for kind, key in (("Schedule", "Schedule"), ("ScheduleV2", "ScheduleExpression")):
            for function, name, event in self._events(kind):
                if event.get("Enabled", True) and event.get("State", "ENABLED") == "ENABLED":
                    given = event.get("Input")
                    found.append(Schedule(name, str(event[key]), function, given, kind == "ScheduleV2"))
        return found

    def rules(self) -> list[Rule]:
        """Every EventBridgeRule event; there is one bus, so nobody has to say which."""
        return [Rule(function, event["Pattern"]) for function, _, event in self._events("EventBridgeRule")]

    def of_type(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Logical ids and unresolved properties of the resources of one type."""
        for name, resource in self._resources.items():
            if resource.get("Type") == kind and self._resolve.holds(resource.get("Condition")):
                yield name, resource.get("Properties") or {}

    def resolve(self, node: Any, lenient: bool = False) -> Any:
        """A part of the template with nothing left to be looked up; a lenient look names what is unknown here."""
        return Resolver(self._content, self._values, lenient)(node) if lenient else self._resolve(node)

    def _function(self, name: str, properties: Mapping[str, Any]) -> FunctionSpec:
        defaults: Mapping[str, Any] = (self._content.get("Globals") or {}).get("Function") or {}
        merged = {**defaults, **properties}
        variables = {**_variables(defaults), **_variables(properties)}
        return FunctionSpec(
            name=name,
            folder=str(self._resolve(merged["CodeUri"])),
            handler=str(self._resolve(merged["Handler"])),
            timeout=float(self._resolve(merged.get("Timeout", 3))),
            memory=int(self._resolve(merged.get("MemorySize", 128))),
            environment={key: _text(self._resolve(value)) for key, value in variables.items()},
            snapshot=(merged.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions",
            layers=tuple(layer["Ref"] for part in (defaults, properties) for layer in part.get("Layers") or []),
        )

    def _events(self, kind: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for function, properties in self.of_type(f"{PREFIX}Function"):
            for name, event in (properties.get("Events") or {}).items():
                if event.get("Type") == kind:
                    # ApiId and the like refer to resources that exist on AWS alone.
                    wanted = {key: value for key, value in (event.get("Properties") or {}).items() if key != "ApiId"}
                    yield function, name, self._resolve({k: v for k, v in wanted.items() if k not in IGNORED})

    def _guarded(self, event: Mapping[str, Any]) -> bool:
        chosen = (event.get("Auth") or {}).get("Authorizer") or self._default_authorizer()
        return chosen not in (None, "NONE")

    def _default_authorizer(self) -> str | None:
        for _, properties in self.of_type(f"{PREFIX}HttpApi"):
            return (properties.get("Auth") or {}).get("DefaultAuthorizer")
        return None


IGNORED = frozenset({"DeadLetterConfig", "RetryPolicy", "FlexibleTimeWindow", "RoleArn", "EventBusName"})
"""Properties of events that concern AWS alone; what they refer to need not be known here."""


def _variables(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return (properties.get("Environment") or {}).get("Variables") or {}


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
