"""Parts of the local system, each small enough for one test: a function to invoke, AWS, who we are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.aws import Aws
from infra.local.functions import IDLE_SECONDS, Function
from infra.local.identity import Identity
from infra.local.worker import CLIENT, Program
from tests.local.world import World

HANDLER = """
import os, time

def handler(event, context):
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "die" in event:
        os._exit(event["die"])
    if "raise" in event:
        raise ValueError(event["raise"])
    if "Records" in event:
        failed = [{"itemIdentifier": record["messageId"]} for record in event["Records"] if record["body"] == "bad"]
        return {"batchItemFailures": failed}
    return event.get("answer", {"event": event, "pid": os.getpid(), "id": context.aws_request_id,
                                "left": context.get_remaining_time_in_millis(), "env": os.environ.get("GREETING")})
"""
MakeFunction = Callable[..., Function]


@pytest.fixture
def make_function(tmp_path: Path) -> Iterator[MakeFunction]:
    """Makes functions out of HANDLER, or of other source; their workers end with the test."""
    made: list[Function] = []

    def make(
        source: str = HANDLER,
        timeout: float = 5.0,
        concurrency: int = 2,
        client: str = CLIENT,
        handler: str = "app.handler",
        idle: float = IDLE_SECONDS,
    ) -> Function:
        folder = tmp_path / f"function{len(made)}"
        folder.mkdir()
        (folder / "app.py").write_text(source)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "AWS_REGION": "us-east-1",
            "GREETING": "¡Hola!",
            "LANG": "C.UTF-8",
        }
        program = Program("Example", folder, handler, environment, tmp_path / "function.log", client)
        made.append(Function(program, timeout, concurrency, idle))
        return made[-1]

    yield make
    for function in made:
        function.stop()


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """Simulated AWS for all tests of one worker; tests take names of their own in it."""
    folder = tmp_path_factory.mktemp("aws")
    services = Aws(folder / "moto.log", folder)
    try:
        services.ready()
        yield services
    finally:
        services.stop()


@pytest.fixture(scope="session")
def identity() -> Identity:
    """Random secrets and addresses."""
    return Identity.random()


@pytest.fixture
def world(identity: Identity) -> Iterator[World]:
    """The simulated providers, and a gateway that keeps what they post."""
    made = World(identity)
    made.simulators.open()
    made.order("/rules", window="off")  # what is not about windows needs no customer who has written
    yield made
    made.stop()
