"""The steps of the wake-up protocol, as a model small enough to try every interleaving.

No Redis, no database: a world is a handful of values, a step is a function of the world, and a breadth-first walk takes
every order the steps can come in. Each step names the code it stands for. Where a Lua script does two things at once,
the model does them one after the other, so that it is the order that is proved, not the script's atomicity.

    publish       publish() and fan-out: the transaction commits rows that are due
    mark, count   WAKE: the webhooks are ready; then the bell rings for a dispatcher on duty, or calls are noted
    enqueue       one message to Celery
    arrive        ARRIVE: the call is answered, the webhooks are ready; a dispatcher goes on duty, or the one there is
                  rung for
    take          TAKE: webhooks leave the ready set; the bell is silenced once nothing is ready. Who got something is
                  awake, unless its process is saturated; beside another that is awake it may get nothing
    wait          BLPOP: one entry of the bell wakes one dispatcher
    claim         the claim up to its commit: webhooks another claim holds are busy, the cap counts what is in flight
    commit        the claim's commit, and submitting
    give_back     GIVE_BACK: busy webhooks, or all when the claim took all it was allowed
    leave, look_again    LEAVE at the end of a slice or after idling; ready webhooks, or a slice's end, call a successor
    record, look  the record's commit, then what is still due; that is woken by the recorder
    fall_due      a retry's time comes; its countdown message follows
    stall, stray  harmless on their own: a heartbeat too late to count, a wake-up that comes twice or much too late
    idle          the dispatcher has waited for long and goes off duty: nothing may hang on it
    lose, die     faults: a message or the bell is lost, a process is killed in mid-step; only after these the sweep is
                  needed
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.protocol_world import AWAKE, CALLED_MAX, DONE, DUE, LATER, SENDING, Process, Rules, Steps, World

# --- waking: wakeups.wake ---------------------------------------------------------------------------------------------


def publish(world: World, rules: Rules, process: Process) -> Iterator[World]:
    webhook = rules.webhooks[process[1]]
    yield world.with_row(process[1], DUE).turning(process, waking(rules, (webhook,)))


def waking(rules: Rules, webhooks: tuple[int, ...]) -> Process:
    return ("mark", webhooks, None) if rules.mark_before_count else ("count", webhooks, len(webhooks))


def mark(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, webhooks, messages = process
    new = len(set(webhooks) - world.ready)
    follows = [("count", webhooks, new)] if rules.mark_before_count else enqueuing(messages)
    yield world._replace(ready=world.ready | set(webhooks)).turning(process, *follows)


def count(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, webhooks, new = process
    messages: tuple[tuple[int, ...], ...] = ()
    if world.counted():
        if world.has_awake():  # it looks anyway; if it is late, the bell rings all the same
            yield world.turning(process, *([] if rules.mark_before_count else [("mark", webhooks, messages)]))
        after = world.rung()
    else:
        calls = new or int(not (world.called and rules.counts_calls))
        messages = tuple(webhooks[nth::calls] for nth in range(calls))
        after = world._replace(called=min(world.called + calls, CALLED_MAX))
    follows = enqueuing(messages) if rules.mark_before_count else [("mark", webhooks, messages)]
    yield after.turning(process, *follows)


def enqueue(world: World, rules: Rules, process: Process) -> Iterator[World]:
    first, *others = process[1]
    yield world.enqueued(first).turning(process, *enqueuing(tuple(others)))


def enqueuing(messages: tuple[tuple[int, ...], ...]) -> list[Process]:
    return [("enqueue", messages)] if messages else []


# --- a dispatcher: dispatcher.work ------------------------------------------------------------------------------------


def arrivals(world: World, rules: Rules) -> Steps:
    for message in dict.fromkeys(world.queue):
        after = world.without(message)._replace(ready=world.ready | set(message), called=max(0, world.called - 1))
        if world.on_duty():  # it arrives where a dispatcher is on duty
            yield f"arrive{message} there", after.rung() if rules.arrivals_ring and after.ready else after
        if world.on_duty() < rules.workers:
            yield f"arrive{message}", going_on_duty(after)


def going_on_duty(world: World) -> World:
    return world._replace(processes=tuple(sorted([*world.processes, ("take", True)], key=hash)))


def in_flight(world: World) -> int:
    return sum(1 for process in world.processes if process[0] in {"record", "look_inside", "record_commit"})


def take(world: World, rules: Rules, process: Process) -> Iterator[World]:
    if in_flight(world) >= rules.slots:  # no room: it waits until a send is done
        if process[1] == AWAKE:  # wakeups.rest
            yield (world.rung() if world.ready else world).turning(process, (process[0], True))
        return
    if not world.ready:
        yield world._replace(bell=0).turning(process, ("wait", True if rules.awake_until_nothing else AWAKE))
        return
    if world.has_awake(beside=process) if rules.yields_to == AWAKE else world.on_duty() > 1:
        yield world._replace(bell=0).turning(process, ("wait", True))  # unless that one is late
    for first in sorted(world.ready):
        webhooks = (first, *(other for other in sorted(world.ready) if other != first))[: rules.take]
        left = world.ready - set(webhooks)
        after = world._replace(ready=left, bell=world.bell if left else 0)
        for on in (AWAKE, True) if rules.saturates else (AWAKE,):
            goes_on = ("claim", on, tuple(sorted(webhooks)))
            yield after.turning(process, ("call", on, goes_on) if left else goes_on)
        if rules.take >= len(world.ready):
            return  # it takes them all; which comes first makes no difference


def wait(world: World, rules: Rules, process: Process) -> Iterator[World]:
    if world.bell:
        yield world._replace(bell=world.bell - 1).turning(process, ("take", process[1]))


def call(world: World, rules: Rules, process: Process) -> Iterator[World]:
    """wakeups.call_another, on the dispatcher's own thread: count, then enqueue, then go on."""
    _, on, follows = process
    if world.counted() + world.called < rules.workers:
        after = world._replace(called=min(world.called + 1, CALLED_MAX))
        yield after.turning(process, ("call_enqueue", on, follows))
    else:
        yield world.turning(process, follows)


def call_enqueue(world: World, rules: Rules, process: Process) -> Iterator[World]:
    yield world.enqueued(()).turning(process, process[2])


def claim(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, on, webhooks = process
    locked = {webhook for other in world.processes if other[0] == "commit" for webhook in other[3]}
    mine = tuple(webhook for webhook in webhooks if webhook not in locked)
    busy = tuple(webhook for webhook in webhooks if webhook in locked)
    chosen: list[int] = []
    for webhook in mine:
        its_rows = [row for row, of in enumerate(rules.webhooks) if of == webhook]
        places = rules.cap - sum(1 for row in its_rows if world.rows[row] == SENDING)
        chosen += [row for row in its_rows if world.rows[row] == DUE][: max(0, places)]
    chosen = chosen[: rules.slots - in_flight(world)]
    yield world.turning(process, ("commit", on, tuple(chosen), mine, busy))


def commit(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, on, chosen, mine, busy = process
    for row in chosen:
        assert world.rows[row] == DUE, "a row was claimed twice"
        world = world.with_row(row, SENDING)
    for webhook in set(rules.webhooks):
        sending = sum(1 for row, of in enumerate(rules.webhooks) if of == webhook and world.rows[row] == SENDING)
        assert sending <= rules.cap, "a webhook has more open requests than its cap"
    outcome = "record" if rules.commit_before_still_due else "look_inside"
    full = len(chosen) > 0 and in_flight(world) + len(chosen) >= rules.slots
    back = (*mine, *busy) if full else busy
    sends = tuple((outcome, row) for row in chosen)
    for follows in (("give_back", on, back),) if back else going_on(rules, on):
        yield world.turning(process, follows, *sends)


def going_on(rules: Rules, on: bool) -> tuple[Process, ...]:
    """The dispatcher takes more webhooks, or its slice is over."""
    return ("take", on), leaving(rules, on, hands_over=True)


def give_back(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, on, webhooks = process
    if rules.busy_given_back:
        world = world._replace(ready=world.ready | set(webhooks))
    for follows in going_on(rules, on):
        yield (world.rung() if rules.busy_given_back else world).turning(process, follows)
        if world.has_awake():
            yield world.turning(process, follows)


def leaving(rules: Rules, on: bool, *, hands_over: bool) -> Process:
    return ("leave", on, hands_over, None) if rules.leave_before_look else ("look_first", on, hands_over)


def leave(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, _on, hands_over, seen = process
    if seen is None:
        yield world.turning(process, ("look_again", False, hands_over))
    else:
        yield gone(world, process, hands_over=hands_over, seen=seen)


def look_first(world: World, rules: Rules, process: Process) -> Iterator[World]:
    """The wrong order: a wake-up between this look and leaving sees a dispatcher that won't look again."""
    yield world.turning(process, ("leave", process[1], process[2], bool(world.ready)))


def look_again(world: World, rules: Rules, process: Process) -> Iterator[World]:
    yield gone(world, process, hands_over=process[2], seen=bool(world.ready))


def gone(world: World, process: Process, *, hands_over: bool, seen: bool) -> World:
    """wakeups.call_successor, if there is more to do or the slice has ended with work about."""
    return world.turning(process, *([("enqueue", ((),))] if seen or hands_over else []))


# --- outcomes: the recorder -------------------------------------------------------------------------------------------


def record(world: World, rules: Rules, process: Process) -> Iterator[World]:
    row = process[1]
    after, countdown = recorded(world, rules, row)
    yield after.turning(process, ("look", rules.webhooks[row]), *countdown)


def recorded(world: World, rules: Rules, row: int) -> tuple[World, tuple[Process, ...]]:
    if row in rules.failing and row not in world.failed:
        return world.with_row(row, LATER)._replace(failed=world.failed | {row}), (("fall_due", row),)
    return world.with_row(row, DONE), ()


def look(world: World, rules: Rules, process: Process) -> Iterator[World]:
    webhook = process[1]
    yield world.turning(process, *([waking(rules, (webhook,))] if webhook in world.due_webhooks(rules) else []))


def look_inside(world: World, rules: Rules, process: Process) -> Iterator[World]:
    """The wrong order: to look for due rows before the outcome is committed, while others still see it in flight."""
    row = process[1]
    yield world.turning(process, ("record_commit", row, rules.webhooks[row] in world.due_webhooks(rules)))


def record_commit(world: World, rules: Rules, process: Process) -> Iterator[World]:
    _, row, still_due = process
    after, countdown = recorded(world, rules, row)
    yield after.turning(process, *([waking(rules, (rules.webhooks[row],))] if still_due else []), *countdown)


def fall_due(world: World, rules: Rules, process: Process) -> Iterator[World]:
    yield world.with_row(process[1], DUE).turning(process, ("enqueue", ((rules.webhooks[process[1]],),)))


STEPS = {
    step.__name__: step
    for step in (
        publish, mark, count, enqueue, take, wait, call, call_enqueue, claim, commit, give_back, leave,
        look_first, look_again, record, look, look_inside, record_commit, fall_due,
    )
}  # fmt: skip
