"""Sums a file of FAULT_REPORT into a row for docs/reliability.md: `python -m tests.faults.seeded.report FILE…`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

TO = "\N{EN DASH}"
COLUMNS = {
    "seeds": lambda rounds: _ranges(sorted(each["seed"] for each in rounds)),
    "events": lambda rounds: _sum(rounds, "events"),
    "over REST": lambda rounds: _sum(rounds, "posted"),
    "repeated": lambda rounds: _sum(rounds, "repeated"),
    "deliveries": lambda rounds: _sum(rounds, "deliveries"),
    "in order": lambda rounds: _sum(rounds, "in_order"),
    "requests": lambda rounds: _sum(rounds, "requests"),
    "faults": lambda rounds: f"{sum(len(each['faults']) for each in rounds):,}",
    "clocks off": lambda rounds: f"{sum(len(each['clocks_off']) for each in rounds):,}",
    "lost": lambda rounds: _sum(rounds, "lost"),
    "in flight at faults": lambda rounds: _sum(rounds, "in_flight_at_faults"),
    "interrupted": lambda rounds: _sum(rounds, "interrupted"),
    "came twice": lambda rounds: _sum(rounds, "came_twice"),
    "in review": lambda rounds: _sum(rounds, "dead"),
    "a round took": lambda rounds: (
        f"{min(each['seconds'] for each in rounds):.0f}{TO}{max(each['seconds'] for each in rounds):.0f} s"
    ),
}
"""Heading → how it is summed."""


def table(rounds: Sequence[dict[str, Any]]) -> str:
    """Return the table of these rounds; of a seed that was played more than once the last round counts."""
    last = [each for each in {each["seed"]: each for each in rounds}.values() if "failed" not in each]
    cells = [COLUMNS, ["---"] * len(COLUMNS), [sums(last) for sums in COLUMNS.values()]]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _sum(rounds: Iterable[dict[str, Any]], name: str) -> str:
    return f"{sum(each[name] for each in rounds):,}"


def _ranges(seeds: Sequence[int]) -> str:
    """Return numbers with runs of them drawn together: 1 to 5, 7, 9 to 12."""
    runs = [[seed for _, seed in run] for _, run in groupby(enumerate(seeds), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0]}{TO}{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def main() -> None:
    lines = [line for name in sys.argv[1:] for line in Path(name).read_text().splitlines()]
    if not lines:
        sys.exit("Name the files that FAULT_REPORT wrote; none that was named holds a round.")
    rounds = [json.loads(line) for line in lines]
    print(table(rounds))
    failed = [each for each in {each["seed"]: each for each in rounds}.values() if "failed" in each]
    for each in failed:
        print(f"seed {each['seed']} failed: {each['failed']}", file=sys.stderr)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
