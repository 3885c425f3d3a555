"""Every interleaving of the wake-up protocol of tests/protocol_model.py (promises 1 and 2 of the design)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.protocol_walk import Walk, swept, walk
from tests.support.protocol_world import DONE, DUE, NEW, Rules

SIZES = {
    "one webhook, one worker": Rules(webhooks=(0, 0)),
    "one webhook, two workers": Rules(webhooks=(0, 0), workers=2),
    "two workers that may be saturated": Rules(webhooks=(0, 0), workers=2, saturates=True),
    "a cap of two": Rules(webhooks=(0, 0), workers=2, cap=2),
    "two webhooks, one worker": Rules(webhooks=(0, 1)),
    "two webhooks, two workers": Rules(webhooks=(0, 1), workers=2),
    "two webhooks, one slot for sending": Rules(webhooks=(0, 1), slots=1),
    "a retry": Rules(webhooks=(0,), workers=2, failing=frozenset({0})),
    "a late heartbeat or a stray wake-up": Rules(webhooks=(0, 0), spurious=1),
}
LARGE = {
    "two webhooks taken one at a time": Rules(webhooks=(0, 1), workers=2, take=1),
    "a retry beside another webhook": Rules(webhooks=(0, 1), failing=frozenset({0})),
    "one webhook, three events": Rules(webhooks=(0, 0, 0)),
    "three events, a cap of two": Rules(webhooks=(0, 0, 0), cap=2),
    "a retry and a new event": Rules(webhooks=(0, 0), failing=frozenset({0})),
    "two workers, a late heartbeat or a stray wake-up": Rules(webhooks=(0, 0), workers=2, spurious=1),
}
ALL = [pytest.param(rules, id=name) for name, rules in SIZES.items()] + [
    pytest.param(rules, id=name, marks=pytest.mark.slow) for name, rules in LARGE.items()
]


@pytest.mark.parametrize("rules", ALL)
def test_without_a_crash_nothing_due_is_ever_left_to_the_sweep(rules: Rules) -> None:
    """Promise 2: wake-ups may come late, twice or in any order; the protocol by itself reaches every due row."""
    seen = walk(rules)
    assert [seen.story(world) for world in seen.forgotten()[:1]] == []
    assert all(set(world.rows) == {DONE} for world in seen.ends)
    assert seen.ends
    assert seen.endless == 0, "from some worlds the dispatchers never come to rest"


@pytest.mark.parametrize("rules", ALL)
def test_after_a_lost_message_or_a_crash_one_sweep_brings_everything_out(rules: Rules) -> None:
    """Promises 1 and 2: whatever is lost at whichever step, one sweep after the dead have expired reaches every row."""
    rules = replace(rules, faults=1, spurious=0)
    broken = walk(rules)
    left = [world for world in broken.ends if set(world.rows) != {DONE}]
    assert left, "the faults did no harm: then this proves nothing about the sweep"
    repaired = Walk(replace(rules, faults=0), [swept(world, rules) for world in left])
    assert [repaired.story(world) for world in repaired.forgotten()[:1]] == []
    assert all(set(world.rows) == {DONE} for world in repaired.ends)
    assert repaired.endless == 0


MUTATIONS = {
    "a dispatcher that looks before it leaves": Rules(webhooks=(0, 0), leave_before_look=False),
    "a wake that counts before it marks": Rules(webhooks=(0, 0), mark_before_count=False),
    "a recorder that looks before it commits": Rules(webhooks=(0, 0), commit_before_still_due=False),
    "an arrival that rings for nobody": Rules(webhooks=(0, 0), arrivals_ring=False, spurious=1),
    "busy webhooks that nobody gives back": Rules(webhooks=(0, 0), workers=2, busy_given_back=False),
    "a dispatcher that counts as awake while it waits": Rules(webhooks=(0, 0), awake_until_nothing=False),
    "one that leaves work to others who may be waiting": Rules(webhooks=(0, 0), workers=2, yields_to="any"),
}


@pytest.mark.parametrize("rules", MUTATIONS.values(), ids=MUTATIONS)
def test_the_model_finds_the_fault_of(rules: Rules) -> None:
    """What makes the proofs above worth something: with a step in the wrong order they fail."""
    assert walk(rules).forgotten()


def test_the_model_finds_that_dead_dispatchers_which_count_for_ever_silence_the_sweep() -> None:
    rules = Rules(webhooks=(0,), faults=1, dead_dispatchers_expire=False)
    left = [swept(world, rules) for world in walk(rules).ends if set(world.rows) != {DONE}]
    assert Walk(replace(rules, faults=0), left).forgotten()


@pytest.mark.slow
def test_calls_that_are_not_counted_lose_nothing_but_flood_the_queue() -> None:
    """Why `called` exists: without it every wake before the first dispatcher is on duty is a message of its own."""

    def messages_before_the_first_claim(rules: Rules) -> int:
        early = [world for world in walk(rules).came_from if {*world.rows} <= {NEW, DUE} and not world.on_duty()]
        return max(len(world.queue) for world in early)

    # Marking and counting are one script, so two that mark before either counts are the model's, not Redis'.
    counted, uncounted = Rules(webhooks=(0, 0, 0)), Rules(webhooks=(0, 0, 0), counts_calls=False)
    assert messages_before_the_first_claim(counted) == 2
    assert messages_before_the_first_claim(uncounted) == 3
    assert walk(uncounted).forgotten() == []
