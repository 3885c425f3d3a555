"""What a seed makes happen, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass

LENGTH = 12.0
"""Seconds in which events are published and things break."""
PUBLISH_EVERY = 0.4
PUBLISHED = (3, 12)
"""Events at a time, at least and at most."""
FAULTS = (4, 7)
"""Things that break in a round, at least and at most."""

KINDS = {
    "kill a worker": 4,
    "end a worker": 3,
    "flush redis": 2,
    "stop redis": 2,
    "kill redis": 1,
    "stall redis": 1,
    "restart postgresql fast": 1,
    "restart postgresql immediate": 1,
    "restart postgresql kill": 1,
    "cut connections": 2,
    "hold a lock": 1,
}
"""Name → weight."""


@dataclass(frozen=True, order=True)
class Happening:
    """At second `at` of a round, `what` happens. `size`: events, seconds of an outage, or which worker."""

    at: float
    what: str
    size: float = 0.0

    def __str__(self) -> str:
        return f"{self.at:.1f} s {self.what} ({self.size:g})"


def make(seed: int) -> list[Happening]:
    """Return a round's happenings in order; the same for the same seed."""
    dice = random.Random(seed)
    happenings = [
        Happening(number * PUBLISH_EVERY, dice.choice(["publish", "publish a batch"]), dice.randint(*PUBLISHED))
        for number in range(int(LENGTH / PUBLISH_EVERY))
    ]
    for kind in dice.choices(list(KINDS), list(KINDS.values()), k=dice.randint(*FAULTS)):
        happenings.append(Happening(dice.uniform(1.0, LENGTH), kind, round(dice.uniform(0.3, 2.0), 1)))
    return sorted(happenings)


def faults(happenings: list[Happening]) -> list[Happening]:
    """Return what breaks in a round."""
    return [each for each in happenings if each.what in KINDS]
