"""Where the system stops, in messages a second, and what to raise first."""

from __future__ import annotations

from dataclasses import dataclass

from infra.cost.model import Declared, Stage
from infra.cost.prices import INSTANCES
from infra.cost.usage import WEBHOOKS, Assumed, Measured, uses
from ventana.providers import PROVIDERS, limits_named

ACCOUNT_CONCURRENCY = 1_000
"""Lambda's first quota of an account; a new one may have ten."""
ACCOUNT_REQUESTS = 10_000
"""API Gateway's, a second."""
FIFO_A_SECOND = 2_400
"""Of SQS's high throughput, in the regions that have the least."""
COMMITS_A_VCPU = 400
"""A guess, to be replaced by pgbench on yours: what one vCPU of Postgres on gp3 commits a second, in two zones."""
PROXY_SHARE = 0.9


@dataclass(frozen=True)
class Limit:
    """What gives out at `messages` a second, and what is to be done then."""

    what: str
    has: str
    messages: float
    raise_first: str


def _address(provider: str, assumed: Assumed) -> Limit:
    pace = limits_named(provider).PACE.messages_per_second
    return Limit(
        f"one address at {provider}",
        f"{pace:g} sends a second",
        pace / assumed.ours,
        "another address, or a higher tier at the provider (PUT /v1/addresses says so to us)",
    )


def limits(stage: Stage, declared: Declared, measured: Measured, assumed: Assumed) -> list[Limit]:
    """The limits of a stack with the template's defaults, the nearest first."""
    used = uses(measured, assumed)
    webhooks = sum(used[name].events for name in WEBHOOKS)
    busy = sum(use.events * use.ms / 1000 for use in used.values())
    instance = INSTANCES[stage.instance]
    connections = int(instance.connections * PROXY_SHARE)
    senders = declared.concurrency["SenderConcurrency"]
    per_route = float(declared.parameters["RequestsPerSecond"])
    api = float(declared.parameters["ApiRequestsPerSecond"])
    # A webhook's route, for the provider with the largest share.
    largest = max(used[name].events for name in WEBHOOKS)
    found = [
        *(_address(name, assumed) for name in PROVIDERS),
        Limit(
            "senders",
            f"SenderConcurrency={senders}",
            senders / (used["Sender"].ms / 1000) / used["Sender"].events,
            "SenderConcurrency",
        ),
        Limit("a webhook's route", f"RequestsPerSecond={per_route:g}", per_route / largest, "RequestsPerSecond"),
        Limit(
            "a route of operators",
            f"ApiRequestsPerSecond={api:g}",
            api / max(assumed.ours, assumed.reads),
            "ApiRequestsPerSecond",
        ),
        Limit(
            "API Gateway",
            f"{ACCOUNT_REQUESTS:,} requests a second of the account and region",
            ACCOUNT_REQUESTS / (webhooks + used["Api"].events),
            "the quota, at AWS",
        ),
        Limit(
            "Lambda",
            f"{ACCOUNT_CONCURRENCY:,} concurrent runs of the account and region",
            ACCOUNT_CONCURRENCY / busy,
            "the quota, at AWS; WebhookConcurrency keeps a share for webhooks",
        ),
        Limit(
            "the send queue", f"{FIFO_A_SECOND:,} a second", FIFO_A_SECOND / assumed.ours, "the region, or BulkQueue"
        ),
        Limit(
            "connections",
            f"{connections} through the proxy ({stage.instance})",
            connections / busy,
            "DatabaseInstanceClass: connections come with memory",
        ),
        Limit(
            "commits",
            f"about {instance.vcpus * COMMITS_A_VCPU:,} a second ({stage.instance}; a guess)",
            instance.vcpus * COMMITS_A_VCPU / assumed.commits,
            "DatabaseInstanceClass, then IOPS of its storage",
        ),
    ]
    return sorted(found, key=lambda limit: limit.messages)
