"""Rounds of random faults, each from a seed: `make faults N=200` plays the seeds 1 to 200, FAULT_SEED=17 that one.

Two processes share them: `make faults N=100`, and beside it FAULT_FIRST=101 `make faults N=100`.

A seed fixes what happens, when, and how each attempt is answered; how threads interleave it can't fix, so a seed that
failed may need a few tries to fail again.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.seeded import report, schedule
from tests.faults.seeded.ledger import Ledger
from tests.faults.seeded.manners import SeededReceiver
from tests.faults.seeded.round import Round
from tests.faults.stage import Stage

pytestmark = pytest.mark.faults

REPORT = os.environ.get("FAULT_REPORT")
"""A file that gets a line of figures from each round."""


def seeds() -> list[int]:
    """Return the seeds to play."""
    one = os.environ.get("FAULT_SEED")
    first, rounds = (int(os.environ.get(name) or 1) for name in ("FAULT_FIRST", "FAULT_ROUNDS"))
    return [int(one)] if one else list(range(first, first + rounds))


@pytest.mark.parametrize("seed", seeds(), ids=lambda seed: f"seed-{seed}")
def test_publisher_receivers_and_log_tell_one_story_whatever_breaks(stage: Stage, seed: int):
    occurrences = schedule.make(seed)
    broken = [str(each) for each in schedule.faults(occurrences)]
    began = time.monotonic()
    try:
        with SeededReceiver(seed) as receiver:
            played = Round(stage, receiver, schedule.skews(seed))
            played.run(occurrences)
        ledger = Ledger(played)
        figures = ledger.check()
    except AssertionError as error:
        _report({"seed": seed, "failed": str(error).splitlines()[0][:300], "faults": broken})
        again = f"FAULT_SEED={seed} make faults ARGS='-k whatever_breaks'"
        raise AssertionError(f"{error}\n\nWhat broke: {'; '.join(broken)}\nPlay it again: {again}") from error
    assert receiver.failures == []
    line = {"seed": seed, "seconds": round(time.monotonic() - began, 1), **figures, "faults": broken}
    print(json.dumps(line))
    _report(line)
    for story in ledger.late_stories():
        print(story)


def _report(figures: dict[str, Any]) -> None:
    if REPORT:
        with Path(REPORT).open("a") as file:
            file.write(json.dumps(figures) + "\n")


def test_a_seed_makes_the_same_schedule_each_time():
    assert schedule.make(7) == schedule.make(7) != schedule.make(8)
    assert {each.what for seed in range(200) for each in schedule.faults(schedule.make(seed))} == set(schedule.KINDS)


def test_reports_are_summed_into_a_row_where_a_seed_counts_once_and_not_if_it_failed():
    names = ["events", "posted", "repeated", "deliveries", "requests", "lost"]
    names += ["in_flight_at_faults", "interrupted", "came_twice", "in_order"]
    figures = dict.fromkeys(names, 600) | {"dead": 1, "faults": ["a"], "clocks_off": []}
    played = [figures | {"seed": seed, "seconds": 10.0 + seed} for seed in (4, 1, 2)]
    row = report.table([played[0] | {"dead": 99}, *played, {"seed": 7, "failed": "…"}]).splitlines()[-1]
    cells = dict(zip(report.COLUMNS, row.strip("| ").split(" | "), strict=True))
    assert cells["seeds"] == f"1{report.TO}2, 4"
    assert (cells["events"], cells["lost"], cells["in review"], cells["faults"]) == ("1,800", "1,800", "3", "3")
    assert cells["a round took"] == f"11{report.TO}14 s"
