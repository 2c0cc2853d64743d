"""The same first request of what `make artefacts` built, under Lambda's runtime client: from starting the process to
the answer. Beside it a function that imports psycopg from the same layer, connects and commits one row."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from infra.local.code import Artefacts
from infra.local.state import LocalFailed
from infra.local.template import FunctionSpec, Template
from infra.local.worker import Program, Worker
from tests.benchmarks.figures import Row, row
from tests.benchmarks.system import KINDS
from tests.benchmarks.timing import rounds_of
from tests.benchmarks.webhooks import event_of

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".local" / "artefacts"
EVERY_FUNCTION = "VentanaLayer"
SECONDS = 45.0
TIMEOUT_SECONDS = 10.0
FLOOR = "psycopg"
FLOOR_APP = """
import os
import psycopg

def handler(event, context):
    connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    connection.execute(
        "insert into floor (provider, provider_message_id, address, customer, content, payload)"
        " values ('meta', gen_random_uuid()::text, 'address', 'customer', 'Hola', '{}')"
    )
    return {"statusCode": 200}
"""
TEXTS = {f"{kind.provider.title()}Webhook": kind for kind in KINDS if kind.name.endswith(" text")}


def measure_artefacts(part: str, rounds: int, state: Path, environment: Mapping[str, str]) -> list[Row]:
    """Interleave them; no rows, and a line that says why, where nothing was built or it does not run here."""
    code = Artefacts(BUILT, state / "runtime")
    try:
        code.prepare()
    except LocalFailed as error:
        sys.stderr.write(f"{part}: no figures of built artefacts: {error}\n")
        return []
    floor = state / FLOOR
    floor.mkdir()
    (floor / "app.py").write_text(FLOOR_APP)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in (FLOOR, *TEXTS)}
    try:
        for counts in rounds_of(rounds, SECONDS):
            for name, starts in found.items():
                start = _start(_program(code, name, state, environment))
                if counts:
                    starts.append(start)
    finally:
        shutil.rmtree(floor)
    floors = found.pop(FLOOR)
    return [
        row(part, f"{name} {figure}", unit, [start[column] for start in starts], [floor[column] for floor in floors])
        for column, (figure, unit) in enumerate((("artefact, first request", "ms"), ("artefact, resident", "MB")))
        for name, starts in found.items()
        if all(start[column] for start in starts)
    ]


def _program(code: Artefacts, name: str, state: Path, environment: Mapping[str, str]) -> Program:
    spec = FunctionSpec(name, "", "app.handler", TIMEOUT_SECONDS, 512, {}, _layers(name))
    folder = state / FLOOR if name == FLOOR else code.folder(spec)
    told = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(map(str, code.path(spec))),
        "PYTHONPYCACHEPREFIX": str(state / "bytecode"),
        "LAMBDA_TASK_ROOT": str(folder),
        "_HANDLER": spec.handler,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
        **environment,
    }
    return Program(name, folder, spec.handler, told, state / "logs" / f"{name}.log", isolated=True)


def _layers(name: str) -> tuple[str, ...]:
    template = Template.read(ROOT / "template.yaml", {})
    own = dict(template.of_type("AWS::Serverless::Function")).get(name, {}).get("Layers", [])
    return EVERY_FUNCTION, *(layer["Ref"] for layer in own)


def _start(program: Program) -> tuple[float, float]:
    """Milliseconds from the start of the process to its answer, and megabytes that are resident then."""
    kind = TEXTS.get(program.function)
    event = json.dumps(event_of(kind.request(kind.identities(1)[0])) if kind else {}).encode()
    started = time.perf_counter()
    worker = Worker(program)
    try:
        invocation = worker.run(event, TIMEOUT_SECONDS)
        milliseconds = (time.perf_counter() - started) * 1000
        megabytes = _resident(worker)
    finally:
        worker.stop()
    if invocation.error or json.loads(invocation.answer).get("statusCode") != 200:
        said = program.log.read_text(errors="replace").strip().splitlines()
        raise SystemExit(f"{program.function} failed as built: {invocation.error or said[-1:]}")
    return milliseconds, megabytes


def _resident(worker: Worker) -> float:
    """Megabytes of the worker's process; 0 where the system does not tell."""
    process = worker._process
    memory = Path(f"/proc/{process.pid if process else 0}/statm")
    return int(memory.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6 if memory.exists() else 0.0
