"""The providers' rules: the 24-hour window, how often one may send, and customers who said STOP. Each can be switched.

`status`: taken, and reported as failed; `sync` and `enforce`: refused at once; `count`: taken, and listed as a
violation; `off`: not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from infra.local.simulators.contract import Attempt
from infra.local.simulators.faults import bare
from infra.local.simulators.ledger import Ledger
from infra.local.simulators.rates import PairRate, SecondRate
from infra.local.simulators.windows import DAY_SECONDS, Windows

When = Literal["sync", "status"]


@dataclass(frozen=True)
class Rules:
    """One provider's rules."""

    window: Literal["status", "sync", "count", "off"] = "status"
    window_seconds: float = DAY_SECONDS
    pair_rate: Literal["enforce", "count", "off"] = "off"
    pair_seconds: float = 6.0
    pair_burst: int = 10
    address_rate: Literal["enforce", "count", "off"] = "enforce"
    per_second: int = 80
    opt_out: Literal["status", "sync", "off"] = "off"


DEFAULTS: Mapping[str, Rules] = {
    "kommo": Rules(window="count", per_second=7),
    "meta": Rules(pair_rate="enforce"),
    "twilio": Rules(),
}
CODES: Mapping[str, Mapping[str, str]] = {
    "kommo": {"address_rate": "429"},
    "meta": {"window": "131047", "pair_rate": "131056", "address_rate": "130429", "opt_out": "131050"},
    "twilio": {"window": "63016", "address_rate": "20429", "opt_out": "21610"},
}
"""What each provider says to who breaks a rule; it does not have the others."""


@dataclass(frozen=True)
class Verdict:
    """What the provider's rules make of a call: it is refused now, or it fails later, with this code."""

    code: str
    when: When


class Referee:
    """Looks at every call, lists what breaks a rule, and says what the provider does about it."""

    def __init__(self, windows: Windows, ledger: Ledger) -> None:
        self._windows, self._ledger = windows, ledger
        self._pairs, self._addresses = PairRate(), SecondRate()
        self.rules = dict(DEFAULTS)

    def change(self, provider: str, settings: Mapping[str, Any]) -> None:
        """Switch rules of one provider."""
        self.rules[provider] = replace(self.rules[provider], **settings)

    def reset(self, provider: str) -> None:
        """Let the rules of one provider be as they were."""
        self.rules[provider] = DEFAULTS[provider]

    def judge(self, attempt: Attempt) -> Verdict | None:
        """What becomes of a message by the rules; None: it is taken."""
        rules, found = self.rules[attempt.provider], []
        if rules.address_rate != "off" and not self._addresses.allows(_from(attempt), rules.per_second):
            found.append(self._broken("address_rate", attempt, rules.address_rate))
        pair = (_from(attempt), *map(bare, attempt.customers))
        if rules.pair_rate != "off" and not self._pairs.allows(pair, rules.pair_seconds, rules.pair_burst):
            found.append(self._broken("pair_rate", attempt, rules.pair_rate))
        if rules.opt_out != "off" and self._stopped(attempt):
            found.append(Verdict(CODES[attempt.provider]["opt_out"], rules.opt_out))
        if rules.window != "off" and attempt.free_form and not self._open(attempt, rules):
            found.append(self._broken("window", attempt, rules.window))
        verdicts = [verdict for verdict in found if verdict is not None]
        return min(verdicts, key=lambda verdict: verdict.when == "status", default=None)

    def judge_question(self, attempt: Attempt) -> Verdict | None:
        """Questions count where the provider counts every call."""
        rules = self.rules[attempt.provider]
        if rules.address_rate == "off" or self._addresses.allows(_from(attempt), rules.per_second):
            return None
        return self._broken("address_rate", attempt, rules.address_rate)

    def _broken(self, rule: str, attempt: Attempt, mode: str) -> Verdict | None:
        when: When | None = {"enforce": "sync", "sync": "sync", "status": "status"}.get(mode)  # type: ignore[assignment]
        self._ledger.violated(rule, attempt, refused=when is not None)
        return Verdict(CODES[attempt.provider][rule], when) if when else None

    def _open(self, attempt: Attempt, rules: Rules) -> bool:
        last = self._windows.last(attempt.provider, attempt.customers, attempt.address)
        if last is None:
            return "window" not in CODES[attempt.provider]  # a provider without such a code tells nothing of strangers
        return time.time() - last < rules.window_seconds

    def _stopped(self, attempt: Attempt) -> bool:
        """Whether the customer's STOP counts: Meta's is about marketing, which comes as templates."""
        if attempt.provider == "meta" and attempt.free_form:
            return False
        return self._windows.stopped(attempt.provider, attempt.customers, attempt.address)


def _from(attempt: Attempt) -> tuple[str, str]:
    return attempt.provider, bare(attempt.address)
