"""`make cost`: dollars a month by service at three sizes, dollars per million messages, and the limits.

python -m infra.cost [MESSAGES …]
"""

from __future__ import annotations

import sys
from dataclasses import fields

from infra.cost.limits import limits
from infra.cost.model import DEV, PROD, Declared, Stage, monthly
from infra.cost.prices import DATE, REGION
from infra.cost.usage import Assumed, Measured


def stage_for(messages: float) -> Stage:
    """The smallest of the sizes that was made for so many, or the largest."""
    return next((stage for most, stage in PROD.items() if messages <= most), list(PROD.values())[-1])


def main(arguments: list[str]) -> int:
    """Print the tables; 2 where an argument is no number."""
    try:
        sizes = [float(each.replace("_", "")) for each in arguments] or [float(size) for size in PROD]
    except ValueError:
        sys.stderr.write("make cost: MESSAGES are numbers of messages a month, such as 250000\n")
        return 2
    declared, measured, assumed = Declared.read(), Measured.read(), Assumed()
    columns = [(f"{size:,.0f}", size, stage_for(size)) for size in sizes]
    columns.insert(0, ("dev, idle", 0.0, DEV))
    bills = [monthly(size, stage, declared, measured, assumed) for _, size, stage in columns]
    say(f"Dollars a month on AWS, {REGION}, list prices of {DATE}; measured {measured.date} on {measured.machine}.")
    say(f"\n{'messages a month':<20}" + "".join(f"{name:>16}" for name, _, _ in columns))
    say(f"{'database':<20}" + "".join(f"{_database(stage):>16}" for _, _, stage in columns))
    for service in bills[0]:
        say(f"{service:<20}" + "".join(f"{bill[service]:>16,.2f}" for bill in bills))
    say(f"{'together':<20}" + "".join(f"{sum(bill.values()):>16,.2f}" for bill in bills))
    per_million = [
        sum(bill.values()) / size * 1e6 if size else 0.0 for bill, (_, size, _) in zip(bills, columns, strict=True)
    ]
    say(f"{'per million':<20}" + "".join(f"{value:>16,.2f}" if value else f"{'':>16}" for value in per_million))
    for name, size, stage in columns[1:]:
        busiest = size / (730 * 3600) * assumed.peak
        say(f"\nLimits at {name} a month: {busiest:,.2f} messages in the busiest second. The nearest first:")
        for limit in limits(stage, declared, measured, assumed):
            room = "" if limit.messages > busiest else "  TOO LITTLE"
            say(f"  {limit.messages:>9,.0f}/s  {limit.what}: {limit.has}; raise {limit.raise_first}{room}")
    say("\nAssumed: " + ", ".join(f"{each.name} {getattr(assumed, each.name)}" for each in fields(assumed)))
    return 0


def _database(stage: Stage) -> str:
    return f"{'2 x ' if stage.twice else ''}{stage.instance.removeprefix('db.')}"


def say(line: str) -> None:
    """One line on stdout."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
