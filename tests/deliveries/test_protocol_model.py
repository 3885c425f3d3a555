"""Every interleaving of the wake/shift protocol of tests/protocol_model.py (promises 1 and 2 of the design)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.protocol_walk import Walk, swept, walk
from tests.protocol_world import DONE, DUE, NEW, Rules

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
