"""A moment of the modelled wake/shift protocol, and the size and order it is tried in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

NEW, DUE, SENDING, LATER, DONE = "new", "due", "sending", "later", "done"

Process = tuple[Any, ...]
"""(step, what the step needs…). The second value of a shift's process tells whether it is registered."""
SHIFT_STEPS = {
    "take", "claim", "commit", "give_back", "unregister", "look_again", "look_first", "shift_count", "shift_enqueue",
}  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """The size of the world, and the order of the steps: the right one unless a mutation says otherwise."""

    lanes: tuple[int, ...]  # row → its lane
    shifts: int = 1  # WEBHOOKS_SHIFTS_PER_WORKER
    cap: int = 1  # open requests a lane
    slots: int = 9  # open requests a process
    take: int = 9  # lanes a TAKE may pop
    failing: frozenset[int] = frozenset()  # rows whose first attempt fails
    spurious: int = 0  # how often a shift stalls or a stray wake-up comes
    faults: int = 0
    mark_before_count: bool = True
    unregister_before_look: bool = True
    commit_before_still_due: bool = True
    counts_calls: bool = True
    busy_given_back: bool = True
    dead_shifts_expire: bool = True


class World(NamedTuple):
    """One moment: rows, the blackboard (ready, called, registrations of the dead), messages on their way, processes."""

    rows: tuple[str, ...]
    ready: frozenset[int]
    called: int
    dead: int
    queue: tuple[tuple[int, ...], ...]
    processes: tuple[Process, ...]
    failed: frozenset[int] = frozenset()
    spurious: int = 0
    faults: int = 0

    def due_lanes(self, rules: Rules) -> frozenset[int]:
        return frozenset(rules.lanes[row] for row, state in enumerate(self.rows) if state == DUE)

    def registered(self) -> int:
        return self.dead + sum(1 for process in self.processes if process[0] in SHIFT_STEPS and process[1])

    def with_row(self, row: int, state: str) -> World:
        return self._replace(rows=(*self.rows[:row], state, *self.rows[row + 1 :]))

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
