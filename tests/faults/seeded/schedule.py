"""What a seed makes happen, and when."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

LENGTH = 7.0
"""Seconds in which events are published and things break."""
PUBLISH_EVERY = 0.4
PUBLISHED = (2, 7)
"""Events at a time, at least and at most."""
WAYS = ["publish", "publish a batch", "post", "post a batch"]
"""How: from code, or over REST."""
FAULTS = (5, 8)
"""Things that break in a round, at least and at most."""
SKEWED = 0.4
"""The share of processes on hosts whose clock is wrong."""
SKEW_MAX = 3600.0
"""Seconds by which it is wrong at most, ahead or behind; a second at least."""

KINDS = {
    "kill a worker": 4,
    "end a worker": 3,
    "kill web": 2,
    "end web": 2,
    "kill beat": 1,
    "end beat": 1,
    "flush redis": 2,
    "stop redis": 2,
    "kill redis": 1,
    "stall redis": 1,
    "restart postgresql fast": 1,
    "restart postgresql immediate": 1,
    "restart postgresql kill": 1,
    "cut connections": 2,
    "hold a lock": 1,
    "let redis refuse OOM": 1,
    "let redis refuse READONLY": 1,
    "let postgresql read only": 1,
    "silence redis": 1,
    "silence postgresql": 1,
}
"""Name → weight."""


@dataclass(frozen=True, order=True)
class Occurrence:
    """At second `at` of a round, `what` happens. `size`: events, seconds of an outage, or which worker."""

    at: float
    what: str
    size: float = 0.0

    def __str__(self) -> str:
        return f"{self.at:.1f} s {self.what} ({self.size:g})"


def make(seed: int) -> list[Occurrence]:
    """Return a round's occurrences in order; the same for the same seed."""
    dice = random.Random(seed)
    occurrences = [
        Occurrence(number * PUBLISH_EVERY, dice.choice(WAYS), dice.randint(*PUBLISHED))
        for number in range(int(LENGTH / PUBLISH_EVERY))
    ]
    for kind in dice.choices(list(KINDS), list(KINDS.values()), k=dice.randint(*FAULTS)):
        occurrences.append(Occurrence(dice.uniform(0.5, LENGTH), kind, round(dice.uniform(0.3, 2.0), 1)))
    return sorted(occurrences)


def faults(occurrences: list[Occurrence]) -> list[Occurrence]:
    """Return what breaks in a round."""
    return [each for each in occurrences if each.what in KINDS]


def skews(seed: int) -> Iterator[float]:
    """Yield by how many seconds the clock of each process's host is ahead, in the order in which they start."""
    dice = random.Random(f"{seed}:clocks")
    while True:
        size = math.exp(dice.uniform(0.0, math.log(SKEW_MAX)))
        wrong, sign = dice.random() < SKEWED, dice.choice([1, -1])
        yield round(sign * size, 1) if wrong else 0.0
