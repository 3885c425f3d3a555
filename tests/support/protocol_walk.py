"""Every interleaving of the modelled protocol's steps, with what may go wrong between them."""

from __future__ import annotations

from collections import defaultdict, deque

from tests.support.protocol_model import STEPS, arrivals, leaving
from tests.support.protocol_world import AWAKE, DISPATCHER_STEPS, DUE, LATER, NEW, SENDING, Process, Rules, Steps, World


def beginning(rules: Rules) -> World:
    publishers = tuple(sorted((("publish", row) for row in range(len(rules.webhooks))), key=hash))
    return World(tuple(NEW for _ in rules.webhooks), frozenset(), 0, 0, (), publishers)


def steps(world: World, rules: Rules) -> Steps:
    """Yield every step that can come next, with the world after it."""
    for process in dict.fromkeys(world.processes):
        for after in STEPS[process[0]](world, rules, process):
            yield f"{process[0]}{process[1:]}", after
    yield from arrivals(world, rules)
    for process in dict.fromkeys(world.processes):
        if process[0] == "wait":
            yield f"idle{process}", world.turning(process, leaving(rules, process[1], hands_over=False))
    if world.spurious < rules.spurious:
        yield from spurious(world._replace(spurious=world.spurious + 1), rules)
    if world.faults < rules.faults:
        yield from faults(world._replace(faults=world.faults + 1))


# --- what may go wrong ------------------------------------------------------------------------------------------------


def spurious(world: World, rules: Rules) -> Steps:
    for process in dict.fromkeys(world.processes):
        if process[0] in {"take", "wait"}:  # TAKE registers it anew: its next heartbeat
            yield f"stall{process}", world.turning(process, (process[0], False))
    for webhook in sorted(set(rules.webhooks)):
        yield f"stray({webhook})", world.enqueued((webhook,))


def faults(world: World) -> Steps:
    for message in dict.fromkeys(world.queue):
        yield f"lose{message}", world.without(message)
    if world.bell:
        yield "lose the bell", world._replace(bell=0)
    for process in dict.fromkeys(world.processes):
        if process[0] != "publish":  # before its commit nothing was promised
            yield f"die{process}", died(world, process)
    working = [process for process in world.processes if process[0] not in {"publish", "fall_due"}]
    if len(working) > 1:
        for process in working:
            world = died(world, process)
        yield "die, all at once", world


def died(world: World, process: Process) -> World:
    dispatched = process[0] in DISPATCHER_STEPS
    return world.turning(process)._replace(
        dead=world.dead + int(dispatched and bool(process[1])),
        dead_awake=world.dead_awake + int(dispatched and process[1] == AWAKE),
    )


def swept(world: World, rules: Rules) -> World:
    """Pass some seconds and sweep: what the dead left and claimed expires; what is due and has a place is woken."""
    held = {process[1] for process in world.processes if process[0] in {"record", "look_inside", "record_commit"}}
    waits = {process[1] for process in world.processes if process[0] == "fall_due"}
    rows = tuple(
        DUE if (state == SENDING and row not in held) or (state == LATER and row not in waits) else state
        for row, state in enumerate(world.rows)
    )
    dead = 0 if rules.dead_dispatchers_expire else world.dead
    world = world._replace(rows=rows, called=0, dead=dead, dead_awake=0)
    webhooks = tuple(sorted(each for each in world.due_webhooks(rules) if world.has_place(each, rules)))
    return world._replace(processes=tuple(sorted([*world.processes, ("mark", webhooks, None)], key=hash)))


# --- every interleaving -----------------------------------------------------------------------------------------------


class Walk:
    """Every world that can be reached, and how."""

    def __init__(self, rules: Rules, starts: list[World]) -> None:
        self.rules = rules
        self.came_from: dict[World, tuple[World | None, str]] = dict.fromkeys(starts, (None, ""))
        self.ends: list[World] = []
        before: dict[World, list[World]] = defaultdict(list)
        waiting = deque(self.came_from)
        while waiting:
            world = waiting.popleft()
            moves = list(steps(world, rules))
            if all(name.startswith(("stall", "stray", "lose", "die", "idle")) for name, _ in moves):
                self.ends.append(world)  # nothing happens any more by itself
            for name, after in moves:
                before[after].append(world)
                if after not in self.came_from:
                    self.came_from[after] = (world, name)
                    waiting.append(after)
        self.endless = len(self.came_from) - len(_leading_to(self.ends, before))

    def forgotten(self) -> list[World]:
        """Return the ends at which something is due and nobody will look."""
        return [world for world in self.ends if world.due_webhooks(self.rules)]

    def story(self, world: World) -> str:
        """Return the shortest way to a world, a step a line."""
        lines: list[str] = []
        at: World | None = world
        while at is not None:
            at, name = self.came_from[at]
            lines.append(name)
        return "\n  ".join(reversed(lines))


def _leading_to(ends: list[World], before: dict[World, list[World]]) -> set[World]:
    reached, waiting = set(ends), deque(ends)
    while waiting:
        for earlier in before[waiting.popleft()]:
            if earlier not in reached:
                reached.add(earlier)
                waiting.append(earlier)
    return reached


def walk(rules: Rules) -> Walk:
    return Walk(rules, [beginning(rules)])
