"""What became of every answer: what providers took, compared with what our rows say; and the table of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from statistics import quantiles
from typing import Any

import psycopg

from tests.faults.report import aligned, names
from tests.faults.sending import Answer
from tests.local.customers import PROVIDERS

SENT, UNSENT = ("sent", "delivered", "read"), ("failed", "expired", "uncertain")
ROWS = """
select m.id::text, m.delivery_status, m.provider_message_id is not null, m.error_text,
       exists (select from message_status_history h
                where h.message_id = m.id and h.status = 'queued' and h.cause = 'listed')
  from kommo_messages m where m.id = any(%s::uuid[])
"""


@dataclass(frozen=True)
class State:
    """What our row says. `again`: its provider turned out not to have it, so that it was sent after later ones."""

    status: str
    known: bool
    reason: str | None
    again: bool


@dataclass(frozen=True)
class Share:
    """One provider's answers, by the simulator's record and by our rows.

    `late`: behind later ones, because nobody knew for a while whether it had arrived; `disordered`: without such an
    excuse. `too_fast`: calls beyond the provider's pace, our questions included. `lost`: not arrived though we say so;
    `denied`: arrived though we say that it failed; `unsettled`: nothing says yet what became of it; `unexplained`:
    failed or uncertain, and no word why. Seconds from acceptance to arrival.
    """

    provider: str
    accepted: int
    arrived: int
    doubled: int
    disordered: int
    late: int
    outside_window: int
    too_fast: int
    lost: int
    denied: int
    failed: int
    uncertain: int
    unsettled: int
    unexplained: int
    reply_p50_s: float
    reply_p99_s: float
    bulk_p50_s: float
    bulk_p99_s: float


@dataclass(frozen=True)
class Reason:
    """Why answers ended as they did, and how many of them arrived."""

    provider: str
    status: str
    reason: str
    answers: int
    arrived: int


def states_of(dsn: str, answers: Iterable[Answer]) -> dict[str, State]:
    """Our rows, by id."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute(ROWS, [[answer.message_id for answer in answers]]).fetchall()
    return {message_id: State(*rest) for message_id, *rest in found}


def shares(
    answers: list[Answer], states: dict[str, State], sent: list[dict[str, Any]], violations: list[dict[str, Any]]
) -> list[Share]:
    """A row for each provider."""
    arrivals = arrivals_of(answers, sent)
    broken = Counter((each["provider"], each["rule"] == "window") for each in violations)
    return [_share(name, answers, states, arrivals, broken) for name in PROVIDERS]


def table_of(found: list[Share]) -> str:
    """The shares beside each other: a line for each figure."""
    return aligned(
        [list(line) for line in zip(names(found), *(map(str, astuple(share)) for share in found), strict=True)]
    )


def arrivals_of(answers: list[Answer], sent: list[dict[str, Any]]) -> dict[str, list[float]]:
    """When each answer arrived, by its id: it is known by its text, because not every provider is told our id."""
    by_text, found = {answer.text: answer.message_id for answer in answers}, defaultdict(list)
    for entry in sent:
        if entry["text"] in by_text:
            assert entry["message_id"] in (None, by_text[entry["text"]]), entry
            found[by_text[entry["text"]]].append(float(entry["at"]))
    return found


def reasons(answers: list[Answer], states: dict[str, State], sent: list[dict[str, Any]]) -> list[Reason]:
    """Everything that did not simply arrive, by provider, state and reason."""
    arrivals, found = arrivals_of(answers, sent), defaultdict(list)
    for answer in answers:
        state = states[answer.message_id]
        if state.status not in SENT:
            found[answer.customer.provider, state.status, state.reason or ""].append(answer.message_id in arrivals)
    return [Reason(*key, len(arrived), sum(arrived)) for key, arrived in sorted(found.items())]


def rate(answers: list[Answer], sent: list[dict[str, Any]]) -> float:
    """How many arrived in a second, but for the last ones, which had to wait for somebody to look after them."""
    at = sorted(times[0] for times in arrivals_of(answers, sent).values())
    most = len(at) * 19 // 20
    return most / (at[most] - at[0])


def _share(
    provider: str,
    answers: list[Answer],
    states: dict[str, State],
    arrivals: dict[str, list[float]],
    broken: Counter[tuple[str, bool]],
) -> Share:
    mine = [answer for answer in answers if answer.customer.provider == provider]
    state = {answer.message_id: states[answer.message_id] for answer in mine}
    here = [answer for answer in mine if answer.message_id in arrivals]
    disordered, late = _order(here, states, arrivals)
    said = Counter(each.status for each in state.values())
    waits = {
        lane: [arrivals[answer.message_id][0] - answer.accepted_at for answer in here if answer.lane == lane]
        for lane in ("reply", "bulk")
    }
    return Share(
        provider=provider,
        accepted=len(mine),
        arrived=len(here),
        doubled=sum(len(arrivals[answer.message_id]) > 1 for answer in here),
        disordered=disordered,
        late=late,
        outside_window=broken[provider, True],
        too_fast=broken[provider, False],
        lost=sum(each.known and answer not in arrivals for answer, each in state.items()),
        denied=sum(each.status in ("failed", "expired") and answer in arrivals for answer, each in state.items()),
        failed=said["failed"] + said["expired"],
        uncertain=said["uncertain"],
        unsettled=sum(each.status not in SENT + UNSENT for each in state.values()),
        unexplained=sum(
            each.status in ("failed", "expired", "uncertain") and not each.reason for each in state.values()
        ),
        reply_p50_s=_percentile(waits["reply"], 50),
        reply_p99_s=_percentile(waits["reply"], 99),
        bulk_p50_s=_percentile(waits["bulk"], 50),
        bulk_p99_s=_percentile(waits["bulk"], 99),
    )


def _order(here: list[Answer], states: dict[str, State], arrivals: dict[str, list[float]]) -> tuple[int, int]:
    """How many came after one that was accepted later: without an excuse, and with one."""
    highest: dict[str, int] = {}
    disordered = late = 0
    for answer in sorted(here, key=lambda answer: arrivals[answer.message_id][0]):
        if answer.place < highest.get(answer.customer.phone, -1):
            excused = states[answer.message_id].again
            late, disordered = late + excused, disordered + (not excused)
        highest[answer.customer.phone] = max(answer.place, highest.get(answer.customer.phone, -1))
    return disordered, late


def _percentile(values: list[float], which: int) -> float:
    return round(quantiles(values, n=100)[which - 1], 1) if len(values) > 1 else 0.0
