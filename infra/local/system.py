"""Puts the local system together: Postgres, AWS, the functions of template.yaml, the gateway and the providers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg

from infra.local.aws import ACCOUNT, BUS_OBSERVER, REGION, STACK, Aws, AwsFailed
from infra.local.bus import BusObserver
from infra.local.code import Artefacts, Sources
from infra.local.functions import Function
from infra.local.gateway import WRITE, Authorizer, Gateway, known_tokens
from infra.local.identity import Identity
from infra.local.intrinsics import TemplateError
from infra.local.playground import Playground
from infra.local.postgres import APPLICATION_ROLE, Postgres, PostgresFailed, application_dsn
from infra.local.queues import QueuePoller, at_once
from infra.local.schedules import Clock
from infra.local.simulators.server import Simulators
from infra.local.state import LocalFailed, State
from infra.local.targets import Targets
from infra.local.template import FunctionSpec, Template
from infra.local.waits import shortened
from infra.local.worker import Program
from ventana.schema.migrate import MigrationError, run

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "functions" / "migrator" / "migrations"
UP_SECONDS = 30.0
WORKERS = 2  # at most, of a function that no queue feeds


class System:
    """Everything that runs. Use as a context manager: what was started is ended, in reverse.

    `authorize` knows other tokens than the two of our identity; `parameters` are values of the template's parameters.
    """

    def __init__(
        self,
        state: State,
        port: int,
        database_url: str | None,
        say: Callable[[str], None],
        bot: bool = False,
        artefacts: Path | None = None,
        authorize: Authorizer | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self._state, self._port, self._database_url, self._say = state, port, database_url, say
        self._bot, self._authorize, self._parameters = bot, authorize, parameters or {}
        self._code = Artefacts(artefacts, state.folder / "runtime") if artefacts else Sources()
        self._running = ExitStack()
        self.base_url = self.simulator_url = self.dsn = self._application = ""
        self.identity: Identity

    def __enter__(self) -> System:
        try:
            self._start()
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    def _start(self) -> None:
        """Raises LocalFailed with one line that says what to do."""
        self._state.claim()
        self._running.callback(self._state.release)
        if isinstance(self._code, Artefacts):
            self._code.prepare()
        self.identity = self._state.identity()
        gateway = self._gateway()
        try:
            aws = Aws(self._state.logs / "moto.log", self._state.folder)
            self._running.callback(aws.stop)
            self.dsn = self._database()
            run("up", self.dsn, folder=MIGRATIONS, say=self._say)
            self._application = self._application_dsn()
            aws.ready()
            self._serve(gateway, aws)
        except (AwsFailed, PostgresFailed, TemplateError, psycopg.Error, MigrationError) as error:
            raise LocalFailed(_line(error)) from error
        self._state.publish(
            {
                "base_url": self.base_url,
                "dsn": self.dsn,
                "simulator_url": self.simulator_url,
                **self.identity.published(),
                "pid": os.getpid(),
            }
        )

    @property
    def console_url(self) -> str:
        """Where the console lets in whoever has this link."""
        return f"{self.base_url}/console/#token={self.identity.api_token}"

    def serves_console(self) -> bool:
        """Whether its page is there: its files came along with the function."""
        return self._status("/console/") == 200

    def _gateway(self) -> Gateway:
        try:
            gateway = Gateway(self._port)
        except OSError as error:
            raise LocalFailed(
                f"port {self._port} on 127.0.0.1 cannot be used ({error.strerror}): set PORT to another"
            ) from error
        except OverflowError:
            raise LocalFailed(f"{self._port} is no port: set PORT to a number up to 65535") from None
        self._running.callback(gateway.close)
        self.base_url = gateway.url
        return gateway

    def _database(self) -> str:
        if not self._database_url:
            postgres = Postgres(self._state.folder)
            self._running.callback(postgres.stop)
            postgres.start()
            return postgres.dsn()
        try:
            psycopg.conninfo.conninfo_to_dict(self._database_url)
        except psycopg.ProgrammingError:  # which quotes it, password and all
            raise LocalFailed("DATABASE_URL is not like postgresql://user:password@host:5432/database") from None
        try:
            psycopg.connect(self._database_url, connect_timeout=5).close()
        except psycopg.Error as error:
            raise LocalFailed(f"DATABASE_URL cannot be reached: {_line(error)}") from error
        return self._database_url

    def _application_dsn(self) -> str:
        """For the application's role, as on AWS; the owner's where somebody's server does not let us make one."""
        try:
            dsn = application_dsn(self.dsn, self._state.folder)
            run("grant", self.dsn, folder=MIGRATIONS, say=self._say, role=APPLICATION_ROLE)
            psycopg.connect(dsn, connect_timeout=5).close()
        except (psycopg.Error, MigrationError) as error:
            if not self._database_url:
                raise
            self._say(f"Functions connect as DATABASE_URL says, and not as a role with fewer rights: {_line(error)}")
            return self.dsn
        return dsn

    def _serve(self, gateway: Gateway, aws: Aws) -> None:
        simulators = Simulators(self.identity, self.base_url, memory=self._state.folder / "customers.jsonl")
        self._running.callback(simulators.close)
        self.simulator_url = simulators.url
        template, values = self._declared(aws)
        aws.enforce(template, values)
        functions = self._functions(template, aws)
        targets = Targets(template.rules(), functions)
        observer = BusObserver(aws, values[BUS_OBSERVER], targets.hand_over)
        urls = {values[key]: values[key.removesuffix(".Arn")] for key in values if key.endswith(".Arn")}
        for source in template.queue_sources():
            self._run(QueuePoller(source, urls[source.queue_arn], functions[source.function], aws))
        for schedule in template.schedules():
            self._run(Clock(schedule, functions[schedule.function]))
        self._run(observer)
        simulators.open(functions, observer.events)
        playground = Playground(self.identity, simulators, self.dsn, lambda: functions["WindowSweep"].invoke({}))
        gateway.open(
            template.routes(),
            functions,
            self._authorize or known_tokens(self.identity.claims()),
            simulators.saw,
            template.stage_variables(),
            playground.answer,
        )
        self._wait_until_up(functions.values())

    def _declared(self, aws: Aws) -> tuple[Template, dict[str, Any]]:
        """The template, with what its parameters and resources mean here."""
        known: dict[str, Any] = {
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::StackName": STACK,
            "AWS::URLSuffix": "amazonaws.com",
            "HttpApi": "local",
            "PublicBaseUrl": self.base_url,
            "DatabaseMode": "existing",
            "NetworkMode": "none",
            "DatabaseSecretArn": "unused: DATABASE_URL wins",
            "EchoBot": "true" if self._bot else "false",
            "WriteScope": WRITE,
            **self._parameters,
        }
        declared = Template.read(ROOT / "template.yaml", known)
        created = aws.create(declared, self.identity.stored_secrets())
        return declared.knowing(created), created

    def _functions(self, template: Template, aws: Aws) -> dict[str, Function]:
        functions, sources = {}, template.queue_sources()
        for spec in template.functions():
            # Whatever its queues have under way finds a worker, so that none of them waits for another's.
            from_queues = sum(at_once(source) for source in sources if source.function == spec.name)
            concurrency = max(WORKERS, from_queues)
            function = functions[spec.name] = Function(self._program(spec, aws), spec.timeout, concurrency)
            self._running.callback(function.stop)
            if spec.name in template.awaited():
                function.warm()
        return functions

    def _program(self, spec: FunctionSpec, aws: Aws) -> Program:
        folder = self._code.folder(spec)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": os.pathsep.join(map(str, self._code.path(spec))),
            "LAMBDA_TASK_ROOT": str(folder),
            "_HANDLER": spec.handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python3.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_NAME": f"{STACK}-{spec.name}",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if spec.snapshot else "on-demand",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{STACK}-{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            **shortened(spec.environment),
            **aws.environment(spec.name),
            "DATABASE_URL": self._application,
            "SIMULATOR_URL": self.simulator_url,
        }
        log = self._state.logs / f"{spec.name}.log"
        return Program(spec.name, folder, spec.handler, environment, log, isolated=self._code.isolated)

    def _run(self, part: QueuePoller | Clock | BusObserver) -> None:
        part.start()
        self._running.callback(part.stop)

    def _wait_until_up(self, functions: Iterable[Function]) -> None:
        """Until the API answers and whatever somebody waits for has its imports behind it: Kommo waits two seconds."""
        give_up, status = time.monotonic() + UP_SECONDS, 0
        while time.monotonic() < give_up:
            status = self._status("/v1/health")
            if status == 200 and all(each.begun(max(0.0, give_up - time.monotonic())) for each in functions):
                return
            time.sleep(0.2)
        raise LocalFailed(f"the API does not come up (its health is {status}): see {self._state.logs}")

    def _status(self, path: str) -> int:
        connection = HTTPConnection("127.0.0.1", int(self.base_url.rpartition(":")[2]), timeout=UP_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
