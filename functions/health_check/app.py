"""The health check: are each provider's credentials good, and has the database what this release needs?

CloudFormation custom resource, called before any traffic moves: Create and Update check, Delete does nothing; an answer
is always sent, in time. A credential that a provider refuses, or a database that cannot be used, fails the deployment
with what to do about it. A provider that is not configured, or does not answer just now, is a warning: the first
deployment makes the secrets, and nobody should be kept from deploying by somebody else's outage.
Anything else (a schedule, a person) gets all findings as the answer.

Where the provider's webhooks point is not looked at: at the first deployment nobody has set them. `make doctor` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ventana.custom_resource import Answer, answered
from ventana.errors import NotConfigured, StorageUnavailable, VentanaError
from ventana.http import transport
from ventana.providers import PROVIDERS, connecting_named
from ventana.providers.connecting import About, Finding
from ventana.schema.connection import Database
from ventana.schema.readiness import missing_functions, unfinished_versions
from ventana.secrets import ProviderSecrets, SecretStore
from ventana.settings import Settings
from ventana.telemetry import count, log_bug, logger, measured

settings = Settings.from_environment()
secrets = SecretStore()
database = Database(settings, secrets)
http = transport(settings.simulator_url, connect_seconds=2.0, read_seconds=settings.provider_timeout_ms / 1000)

ANSWER_SECONDS = 22.0  # what the answer to CloudFormation may take, all its tries included
DATA_LENGTH = 500  # of warnings: CloudFormation takes 4096 bytes in all, and a letter may become six
DATABASE: About = "database"
FAILING: tuple[About, ...] = ("credentials", DATABASE)
EMPTY = Finding("warning", "not configured: there is no secret", "", "secret")


class Unhealthy(VentanaError):
    """Something that this deployment would not work with; the text says what to do."""

    code = "unhealthy"


@measured
def handler(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Check everything; CloudFormation is told whether to go on, others get the findings."""
    seconds = context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS
    if "ResponseURL" in event:
        return answered(event, "ventana-health", lambda: _for_deployment(seconds, _is_rollback(event)))
    found = examine(seconds)
    return {
        "healthy": not any(_fails(finding) for findings in found.values() for finding in findings),
        "findings": {name: [_shown(finding) for finding in findings] for name, findings in found.items()},
    }


def examine(seconds: float) -> dict[str, list[Finding]]:
    """What is to say of each provider and of the database; whoever does not answer in time is a warning."""
    found, checks = dict[str, list[Finding]](), dict[str, Callable[[], list[Finding]]]()
    for provider in PROVIDERS:
        credentials = _credentials(provider)
        if isinstance(credentials, Finding):
            found[provider] = [credentials]
        else:
            checks[provider] = _asking(provider, credentials)
    checks[DATABASE] = lambda: list(_database())
    pool = ThreadPoolExecutor(len(checks))
    running = {name: pool.submit(check) for name, check in checks.items()}
    wait(running.values(), max(0.0, seconds))
    pool.shutdown(wait=False, cancel_futures=True)
    found |= {name: _outcome(name, future) for name, future in running.items()}
    _report(found)
    return found


def _is_rollback(event: dict[str, Any]) -> bool:
    """Whether CloudFormation is on its way back: to a version of this function with a lower number.

    That must not fail, or the stack is stuck; and the release that it goes back to was healthy when it came.
    """
    now, before = (
        str((event.get(name) or {}).get("Release", "")).rpartition(":")[2]
        for name in ("ResourceProperties", "OldResourceProperties")
    )
    return now.isdigit() and before.isdigit() and int(now) < int(before)


def _for_deployment(seconds: float, lenient: bool) -> Answer:
    found = examine(seconds)
    said = [
        (f"{name}: {finding.what}" + (f"; {finding.advice}" if finding.advice else ""), finding)
        for name, findings in found.items()
        for finding in findings
    ]
    failing = [text for text, finding in said if _fails(finding)]
    if failing and not lenient:
        raise Unhealthy(". ".join(failing))
    return {"warnings": ". ".join(text for text, finding in said if finding.level != "ok")[:DATA_LENGTH]}


def _credentials(provider: str) -> ProviderSecrets | Finding:
    """What the secret holds; or what is wrong with it."""
    secret_id = settings.secret_ids.get(provider)
    if not secret_id:
        return EMPTY
    try:
        return secrets.of(provider, secret_id)
    except NotConfigured as error:
        response = getattr(error.__cause__, "response", {})
        if response.get("Error", {}).get("Code") == "ResourceNotFoundException":
            return EMPTY
        advice = "put a JSON object into it, and see that this function may read it and reach Secrets Manager"
        return Finding("problem", str(error), advice, "credentials")


def _asking(provider: str, credentials: ProviderSecrets) -> Callable[[], list[Finding]]:
    def check() -> list[Finding]:
        connecting = connecting_named(provider)
        findings = connecting.check(settings.public_base_url, credentials, http) if connecting else []
        return [finding for finding in findings if finding.about != "webhook"]

    return check


def _database() -> Iterator[Finding]:
    try:
        missing, unfinished = missing_functions(database), unfinished_versions(database)
    except (StorageUnavailable, NotConfigured) as error:
        advice = "see that it runs, that this function's network leads there, and what user and password it has"
        yield Finding("problem", str(error), advice, DATABASE)
        return
    if absent := [each.name for each in missing if not each.there]:
        what = f"this release calls what the schema does not have: {', '.join(absent)}"
        yield Finding("problem", what, "run the migrator: sam remote invoke Migrator, or make migrate", DATABASE)
    if closed := [each.name for each in missing if each.there]:
        what = f"the application's role may not call {', '.join(closed)}"
        yield Finding("problem", what, "run the migrator, which gives the role what it needs", DATABASE)
    if unfinished:
        advice = "run the migrator again: it goes on where it stopped"
        yield Finding("warning", f"migrations that have begun and not ended: {', '.join(unfinished)}", advice, DATABASE)
    if not (missing or unfinished):
        yield Finding("ok", "it answers, and has all that this release calls", about=DATABASE)


def _outcome(name: str, future: Future[list[Finding]]) -> list[Finding]:
    if not future.done() or future.cancelled():
        if name == DATABASE:
            return [Finding("problem", "it did not answer in time", "see that its network leads there", DATABASE)]
        return [Finding("warning", "it did not answer in time", "try again later", "reach")]
    try:
        return future.result()
    except Exception as error:  # an answer that nobody foresaw says nothing about the credentials
        log_bug("health_check_failed", error, of=name)
        return [Finding("warning", f"could not be checked: {type(error).__name__}", "see this function's log", "reach")]


def _fails(finding: Finding) -> bool:
    return finding.level == "problem" and finding.about in FAILING


def _report(found: dict[str, list[Finding]]) -> None:
    findings = [finding for each in found.values() for finding in each]
    count("HealthProblems", sum(_fails(finding) for finding in findings))
    count("HealthWarnings", sum(finding.level != "ok" and not _fails(finding) for finding in findings))
    for name, each in found.items():
        for finding in each:
            if finding.level != "ok":
                log = logger.error if _fails(finding) else logger.warning
                log("health", extra={"of": name, "about": finding.about, "what": finding.what, "do": finding.advice})
    logger.info("health_checked", extra={"checked": sorted(found)})


def _shown(finding: Finding) -> dict[str, str]:
    return {"level": finding.level, "about": finding.about, "what": finding.what, "advice": finding.advice}
