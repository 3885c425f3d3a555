"""A moment of the modelled wake-up protocol, and the size and order it is tried in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

NEW, DUE, SENDING, LATER, DONE = "new", "due", "sending", "later", "done"

Process = tuple[Any, ...]
"""(step, what the step needs…). The second value of a dispatcher's process tells whether its heartbeat counts, and
whether it is awake (AWAKE)."""
DISPATCHER_STEPS = {
    "take", "wait", "claim", "commit", "give_back", "leave", "look_again", "look_first", "call", "call_enqueue",
}  # fmt: skip
AWAKE = "awake"
"""The second value of a dispatcher's process from a take that brought something until one that brings nothing."""
BELL_MAX = 2
"""Entries of the bell; 8 in redis_scripts, where more than one changes nothing but how often it is looked in vain."""
CALLED_MAX = 2


@dataclass(frozen=True)
class Rules:
    """The size of the world, and the order of the steps: the right one unless a mutation says otherwise."""

    webhooks: tuple[int, ...]  # row → its webhook
    workers: int = 1  # processes; each has one dispatcher at most
    cap: int = 1  # open requests a webhook
    slots: int = 9  # open requests a process
    take: int = 9  # webhooks a TAKE may pop
    failing: frozenset[int] = frozenset()  # rows whose first attempt fails
    spurious: int = 0  # how often a heartbeat is late or a stray wake-up comes
    faults: int = 0
    mark_before_count: bool = True
    leave_before_look: bool = True
    commit_before_still_due: bool = True
    counts_calls: bool = True
    busy_given_back: bool = True
    dead_dispatchers_expire: bool = True
    arrivals_ring: bool = True
    saturates: bool = False  # a dispatcher that takes may be in a saturated process: then it isn't awake
    awake_until_nothing: bool = True
    yields_to: str = AWAKE


class World(NamedTuple):
    """One moment: rows, Redis (ready, bell, called, registrations of the dead), messages on their way, processes."""

    rows: tuple[str, ...]
    ready: frozenset[int]
    called: int
    dead: int
    queue: tuple[tuple[int, ...], ...]
    processes: tuple[Process, ...]
    bell: int = 0
    failed: frozenset[int] = frozenset()
    spurious: int = 0
    faults: int = 0
    dead_awake: int = 0

    def due_webhooks(self, rules: Rules) -> frozenset[int]:
        return frozenset(rules.webhooks[row] for row, state in enumerate(self.rows) if state == DUE)

    def has_place(self, webhook: int, rules: Rules) -> bool:
        """Whether a claim of the webhook would bring something: fewer than its cap are being sent."""
        sent = sum(1 for row, state in enumerate(self.rows) if state == SENDING and rules.webhooks[row] == webhook)
        return sent < rules.cap

    def on_duty(self) -> int:
        """How many dispatchers there are, whether or not their heartbeat counts."""
        return sum(1 for process in self.processes if process[0] in DISPATCHER_STEPS)

    def counted(self) -> int:
        """How many dispatchers a wake-up sees on duty: those that beat, and those that died a moment ago."""
        return self.dead + sum(1 for process in self.processes if process[0] in DISPATCHER_STEPS and process[1])

    def has_awake(self, *, beside: Process | None = None) -> bool:
        """Whether a dispatcher other than `beside` is awake, or died awake a moment ago."""
        others = list(self.processes)
        if beside is not None:
            others.remove(beside)
        return self.dead_awake > 0 or any(p[0] in DISPATCHER_STEPS and p[1] == AWAKE for p in others)

    def with_row(self, row: int, state: str) -> World:
        return self._replace(rows=(*self.rows[:row], state, *self.rows[row + 1 :]))

    def rung(self) -> World:
        return self._replace(bell=min(self.bell + 1, BELL_MAX))

    def turning(self, process: Process, *into: Process) -> World:
        """Return the world in which `process` has become these processes (none: it has ended)."""
        left = list(self.processes)
        left.remove(process)
        return self._replace(processes=tuple(sorted([*left, *into], key=hash)))

    def enqueued(self, message: tuple[int, ...]) -> World:
        return self._replace(queue=tuple(sorted([*self.queue, message])))

    def without(self, message: tuple[int, ...]) -> World:
        left = list(self.queue)
        left.remove(message)
        return self._replace(queue=tuple(left))


Steps = Iterator[tuple[str, World]]
