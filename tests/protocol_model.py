"""The steps of the wake/shift protocol, as a model small enough to try every interleaving.

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

from collections.abc import Iterator

from tests.protocol_world import DONE, DUE, LATER, SENDING, Process, Rules, Steps, World

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
