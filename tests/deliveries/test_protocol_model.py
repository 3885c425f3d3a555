"""The wake/shift protocol as a model small enough to try every interleaving (promises 1 and 2 of the design).

No Redis, no database: a world is a handful of values, a step is a function of the world, and a breadth-first walk takes
every order the steps can come in. Each step names the code it stands for. Where a Lua script does two things at once,
the model does them one after the other, so that it is the order that is proved, not the script's atomicity.

    publish       publishing.publish + fanout.fan_out: the transaction commits rows that are due
    mark, count   scripts.WAKE: the lanes are ready; then room is counted and calls are noted
    enqueue       lanes._enqueue: one message to Celery
    arrive        scripts.BEGIN in shift.work: the call is answered, the lanes are ready, perhaps a shift is on
    take          scripts.TAKE: lanes leave the ready set; with more ready than taken, another shift is called
    claim         claims.claim up to its commit: lanes another claim holds are busy, the cap counts what is in flight
    commit        claims.claim's commit, sender.submit
    give_back     lanes.give_back: busy lanes, or all when the claim took all it was allowed
    unregister, look_again    scripts.END; ready lanes then mean BEGIN again, or lanes.call_another at a slice's end
    record, look  outcomes.record's commit, then outcomes._still_due; what is due is woken by the recorder
    fall_due      a retry's time comes; its countdown message follows
    stall, stray  harmless on their own: a shift too quiet to be counted, a wake-up that comes twice or much too late
    lose, die     faults: a message is lost, a process is killed in mid-step; only after these the sweep is needed
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest

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


def beginning(rules: Rules) -> World:
    publishers = tuple(sorted((("publish", row) for row in range(len(rules.lanes))), key=hash))
    return World(tuple(NEW for _ in rules.lanes), frozenset(), 0, 0, (), publishers)


def steps(world: World, rules: Rules) -> Steps:
    """Yield every step that can come next, with the world after it."""
    for process in dict.fromkeys(world.processes):
        for after in STEPS[process[0]](world, rules, process):
            yield f"{process[0]}{process[1:]}", after
    yield from arrivals(world, rules)
    if world.spurious < rules.spurious:
        yield from spurious(world._replace(spurious=world.spurious + 1), rules)
    if world.faults < rules.faults:
        yield from faults(world._replace(faults=world.faults + 1))


# --- waking: lanes.wake -----------------------------------------------------------------------------------------------


def publish(world: World, rules: Rules, process: Process) -> Iterator[World]:
    lane = rules.lanes[process[1]]
    yield world.with_row(process[1], DUE).turning(process, waking(rules, (lane,)))


def waking(rules: Rules, lanes: tuple[int, ...]) -> Process:
    return ("mark", lanes, None) if rules.mark_before_count else ("count", lanes)


def mark(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, lanes, calls = process
    follows = [("count", lanes)] if rules.mark_before_count else enqueuing(calls)
    yield world._replace(ready=world.ready | set(lanes)).turning(process, *follows)


def count(world: World, rules: Rules, process: Process) -> Iterator[World]:
    lanes = process[1]
    after, messages = called(world, rules, lanes, wanted=len(lanes))
    if rules.mark_before_count:
        yield after.turning(process, *enqueuing(messages))
    else:
        yield after.turning(process, ("mark", lanes, messages))


def called(
    world: World, rules: Rules, lanes: tuple[int, ...], *, wanted: int
) -> tuple[World, tuple[tuple[int, ...], ...]]:
    room = rules.shifts - world.registered() - (world.called if rules.counts_calls else 0)
    calls = max(0, min(room, wanted))
    messages = tuple(lanes[nth::calls] for nth in range(calls))
    return world._replace(called=min(world.called + calls, rules.shifts)), messages


def enqueue(world: World, rules: Rules, process: Process) -> Iterator[World]:
    first, *others = process[1]
    yield world.enqueued(first).turning(process, *enqueuing(tuple(others)))


def enqueuing(messages: tuple[tuple[int, ...], ...]) -> list[Process]:
    return [("enqueue", messages)] if messages else []


# --- a shift: shift.work ----------------------------------------------------------------------------------------------


def arrivals(world: World, rules: Rules) -> Steps:
    for message in dict.fromkeys(world.queue):
        after = began(world.without(message)._replace(ready=world.ready | set(message)), rules)
        yield f"arrive{message}", after


def began(world: World, rules: Rules) -> World:
    room = world.registered() < rules.shifts
    world = world._replace(called=max(0, world.called - 1))
    on = (("take", True),) if room else ()
    return world._replace(processes=tuple(sorted([*world.processes, *on], key=hash)))


def in_flight(world: World) -> int:
    return sum(1 for process in world.processes if process[0] in {"record", "look_inside", "record_commit"})


def take(world: World, rules: Rules, process: Process) -> Iterator[World]:
    if in_flight(world) >= rules.slots:
        return  # shift._room: it waits until a send is done
    if not world.ready:
        yield world.turning(process, ending(rules, process[1], leaving=False))
        return
    for first in sorted(world.ready):
        lanes = (first, *(lane for lane in sorted(world.ready) if lane != first))[: rules.take]
        left = world.ready - set(lanes)
        goes_on = ("claim", True, tuple(sorted(lanes)))
        yield world._replace(ready=left).turning(process, ("shift_count", True, goes_on) if left else goes_on)
        if rules.take >= len(world.ready):
            return  # it takes them all; which comes first makes no difference


def shift_count(world: World, rules: Rules, process: Process) -> Iterator[World]:
    """lanes.call_another, on the shift's own thread: count, then enqueue, then go on."""
    _, on, follows = process
    after, messages = called(world, rules, (), wanted=1)
    if messages:
        yield after.turning(process, ("shift_enqueue", on, follows))
    else:
        yield after.turning(process, *([follows] if follows else []))


def shift_enqueue(world: World, rules: Rules, process: Process) -> Iterator[World]:
    follows = process[2]
    yield world.enqueued(()).turning(process, *([follows] if follows else []))


def claim(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, on, lanes = process
    locked = {lane for other in world.processes if other[0] == "commit" for lane in other[3]}
    mine = tuple(lane for lane in lanes if lane not in locked)
    busy = tuple(lane for lane in lanes if lane in locked)
    chosen: list[int] = []
    for lane in mine:
        of_lane = [row for row, its_lane in enumerate(rules.lanes) if its_lane == lane]
        places = rules.cap - sum(1 for row in of_lane if world.rows[row] == SENDING)
        chosen += [row for row in of_lane if world.rows[row] == DUE][: max(0, places)]
    chosen = chosen[: rules.slots - in_flight(world)]
    yield world.turning(process, ("commit", on, tuple(chosen), mine, busy))


def commit(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, on, chosen, mine, busy = process
    for row in chosen:
        assert world.rows[row] == DUE, "a row was claimed twice"
        world = world.with_row(row, SENDING)
    for lane in set(rules.lanes):
        in_lane = sum(1 for row, its_lane in enumerate(rules.lanes) if its_lane == lane and world.rows[row] == SENDING)
        assert in_lane <= rules.cap, "a lane has more open requests than its cap"
    outcome = "record" if rules.commit_before_still_due else "look_inside"
    full = len(chosen) > 0 and in_flight(world) + len(chosen) >= rules.slots
    back = (*mine, *busy) if full else busy
    sends = tuple((outcome, row) for row in chosen)
    for follows in (("give_back", on, back),) if back else going_on(rules, on):
        yield world.turning(process, follows, *sends)


def going_on(rules: Rules, on: bool) -> tuple[Process, ...]:
    """The shift takes more lanes, or its slice is over."""
    return ("take", on), ending(rules, on, leaving=True)


def give_back(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, on, lanes = process
    if rules.busy_given_back:
        world = world._replace(ready=world.ready | set(lanes))
    for follows in going_on(rules, on):
        yield world.turning(process, follows)


def ending(rules: Rules, on: bool, *, leaving: bool) -> Process:
    return ("unregister", on, leaving, None) if rules.unregister_before_look else ("look_first", on, leaving)


def unregister(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, _, leaving, seen = process
    if seen is None:
        yield world.turning(process, ("look_again", False, leaving))
    else:
        yield concluded(world, rules, process, leaving=leaving, seen=seen)


def look_first(world: World, rules: Rules, process: Process) -> Iterator[World]:
    """The wrong order: a wake between this look and the unregistering sees a shift that won't look again."""
    yield world.turning(process, ("unregister", process[1], process[2], bool(world.ready)))


def look_again(world: World, rules: Rules, process: Process) -> Iterator[World]:
    yield concluded(world, rules, process, leaving=process[2], seen=bool(world.ready))


def concluded(world: World, rules: Rules, process: Process, *, leaving: bool, seen: bool) -> World:
    if not seen:
        return world.turning(process)
    if leaving:
        return world.turning(process, ("shift_count", False, None))
    return began(world.turning(process), rules)


# --- outcomes: recorder._write ----------------------------------------------------------------------------------------


def record(world: World, rules: Rules, process: Process) -> Iterator[World]:
    row = process[1]
    after, countdown = recorded(world, rules, row)
    yield after.turning(process, ("look", rules.lanes[row]), *countdown)


def recorded(world: World, rules: Rules, row: int) -> tuple[World, tuple[Process, ...]]:
    if row in rules.failing and row not in world.failed:
        return world.with_row(row, LATER)._replace(failed=world.failed | {row}), (("fall_due", row),)
    return world.with_row(row, DONE), ()


def look(world: World, rules: Rules, process: Process) -> Iterator[World]:
    lane = process[1]
    yield world.turning(process, *([waking(rules, (lane,))] if lane in world.due_lanes(rules) else []))


def look_inside(world: World, rules: Rules, process: Process) -> Iterator[World]:
    """The wrong order: to look for due rows before the outcome is committed, while others still see it in flight."""
    row = process[1]
    yield world.turning(process, ("record_commit", row, rules.lanes[row] in world.due_lanes(rules)))


def record_commit(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, row, still_due = process
    after, countdown = recorded(world, rules, row)
    yield after.turning(process, *([waking(rules, (rules.lanes[row],))] if still_due else []), *countdown)


def fall_due(world: World, rules: Rules, process: Process) -> Iterator[World]:
    yield world.with_row(process[1], DUE).turning(process, ("enqueue", ((rules.lanes[process[1]],),)))


STEPS = {
    step.__name__: step
    for step in (
        publish, mark, count, enqueue, take, shift_count, shift_enqueue, claim, commit, give_back, unregister,
        look_first, look_again, record, look, look_inside, record_commit, fall_due,
    )
}  # fmt: skip


# --- what may go wrong ------------------------------------------------------------------------------------------------


def spurious(world: World, rules: Rules) -> Steps:
    for process in dict.fromkeys(world.processes):
        if process[0] == "take":  # TAKE registers it anew: its next heartbeat
            yield f"stall{process}", world.turning(process, ("take", False))
    for lane in sorted(set(rules.lanes)):
        yield f"stray({lane})", world.enqueued((lane,))


def faults(world: World) -> Steps:
    for message in dict.fromkeys(world.queue):
        yield f"lose{message}", world.without(message)
    for process in dict.fromkeys(world.processes):
        if process[0] != "publish":  # before its commit nothing was promised
            yield f"die{process}", died(world, process)
    working = [process for process in world.processes if process[0] not in {"publish", "fall_due"}]
    if len(working) > 1:
        for process in working:
            world = died(world, process)
        yield "die, all at once", world


def died(world: World, process: Process) -> World:
    return world.turning(process)._replace(dead=world.dead + int(process[0] in SHIFT_STEPS and bool(process[1])))


def swept(world: World, rules: Rules) -> World:
    """Pass some seconds and sweep: what the dead registered, called and claimed expires; due lanes are woken."""
    held = {process[1] for process in world.processes if process[0] in {"record", "look_inside", "record_commit"}}
    waits = {process[1] for process in world.processes if process[0] == "fall_due"}
    rows = tuple(
        DUE if (state == SENDING and row not in held) or (state == LATER and row not in waits) else state
        for row, state in enumerate(world.rows)
    )
    world = world._replace(rows=rows, called=0, dead=0 if rules.dead_shifts_expire else world.dead)
    lanes = tuple(sorted(world.due_lanes(rules)))
    return world._replace(processes=tuple(sorted([*world.processes, ("mark", lanes, None)], key=hash)))


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
            if all(name.startswith(("stall", "stray", "lose", "die")) for name, _ in moves):
                self.ends.append(world)  # nothing happens any more by itself
            for name, after in moves:
                before[after].append(world)
                if after not in self.came_from:
                    self.came_from[after] = (world, name)
                    waiting.append(after)
        self.endless = len(self.came_from) - len(_leading_to(self.ends, before))

    def forgotten(self) -> list[World]:
        """Return the ends at which something is due and nobody will look."""
        return [world for world in self.ends if world.due_lanes(self.rules)]

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


SIZES = {
    "one lane, one shift": Rules(lanes=(0, 0)),
    "one lane, two shifts": Rules(lanes=(0, 0), shifts=2),
    "a cap of two": Rules(lanes=(0, 0), shifts=2, cap=2),
    "two lanes, one shift": Rules(lanes=(0, 1)),
    "two lanes, two shifts": Rules(lanes=(0, 1), shifts=2),
    "two lanes taken one at a time": Rules(lanes=(0, 1), shifts=2, take=1),
    "two lanes, one slot for sending": Rules(lanes=(0, 1), slots=1),
    "a retry": Rules(lanes=(0,), shifts=2, failing=frozenset({0})),
    "a retry beside another lane": Rules(lanes=(0, 1), failing=frozenset({0})),
    "a stalled shift or a stray wake-up": Rules(lanes=(0, 0), spurious=1),
}
LARGE = {
    "one lane, three events": Rules(lanes=(0, 0, 0)),
    "three events, a cap of two": Rules(lanes=(0, 0, 0), cap=2),
    "a retry and a new event": Rules(lanes=(0, 0), failing=frozenset({0})),
    "two shifts, a stall or a stray wake-up": Rules(lanes=(0, 0), shifts=2, spurious=1),
}
ALL = [pytest.param(rules, id=name) for name, rules in SIZES.items()] + [
    pytest.param(rules, id=name, marks=pytest.mark.slow) for name, rules in LARGE.items()
]


@pytest.mark.parametrize("rules", ALL)
def test_without_a_crash_nothing_due_is_ever_left_to_the_sweep(rules: Rules) -> None:
    """Promise 2: hints may come late, twice or in any order; the protocol by itself reaches every due row."""
    seen = walk(rules)
    assert [seen.story(world) for world in seen.forgotten()[:1]] == []
    assert all(set(world.rows) == {DONE} for world in seen.ends)
    assert seen.ends
    assert seen.endless == 0, "from some worlds the shifts never come to rest"


@pytest.mark.parametrize("rules", ALL)
def test_after_a_lost_message_or_a_crash_one_sweep_brings_everything_out(rules: Rules) -> None:
    """Promises 1 and 2: whatever is lost at whichever step, one sweep after the dead have expired reaches every row."""
    rules = replace(rules, faults=1, spurious=0)
    broken = walk(rules)
    left = [world for world in broken.ends if set(world.rows) != {DONE}]
    assert left, "the faults did no harm: then this proves nothing about the sweep"
    mended = Walk(replace(rules, faults=0), [swept(world, rules) for world in left])
    assert [mended.story(world) for world in mended.forgotten()[:1]] == []
    assert all(set(world.rows) == {DONE} for world in mended.ends)
    assert mended.endless == 0


MUTATIONS = {
    "a shift that looks before it unregisters": Rules(lanes=(0, 0), unregister_before_look=False),
    "a wake that counts before it marks": Rules(lanes=(0, 0), mark_before_count=False),
    "a recorder that looks before it commits": Rules(lanes=(0, 0), commit_before_still_due=False),
    "busy lanes that nobody gives back": Rules(lanes=(0, 0), shifts=2, busy_given_back=False),
}


@pytest.mark.parametrize("rules", MUTATIONS.values(), ids=MUTATIONS)
def test_the_model_finds_the_fault_of(rules: Rules) -> None:
    """What makes the proofs above worth something: with a step in the wrong order they fail."""
    assert walk(rules).forgotten()


def test_the_model_finds_that_dead_shifts_which_count_for_ever_silence_the_sweep() -> None:
    rules = Rules(lanes=(0,), faults=1, dead_shifts_expire=False)
    left = [swept(world, rules) for world in walk(rules).ends if set(world.rows) != {DONE}]
    assert Walk(replace(rules, faults=0), left).forgotten()


def test_calls_that_are_not_counted_lose_nothing_but_flood_the_queue() -> None:
    """Why `called` exists: without it every wake before the first shift begins is a message of its own."""

    def messages_before_the_first_claim(rules: Rules) -> int:
        early = [world for world in walk(rules).came_from if {*world.rows} <= {NEW, DUE} and not world.registered()]
        return max(len(world.queue) for world in early)

    counted, uncounted = Rules(lanes=(0, 0)), Rules(lanes=(0, 0), counts_calls=False)
    assert messages_before_the_first_claim(counted) == 1
    assert messages_before_the_first_claim(uncounted) == 2
    assert walk(uncounted).forgotten() == []
