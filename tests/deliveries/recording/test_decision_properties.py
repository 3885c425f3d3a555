"""Whatever policy a webhook has and whatever comes back, the decision keeps to the timetable."""

from __future__ import annotations

import json
import math
import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from deliveries import sentences
from deliveries.reasons import ReasonCode, columns
from deliveries.recording.decisions import RETRY_AFTER_MAX, Dead, Delivered, Retry, RetryPolicy, decide
from deliveries.retries.policy import MAX_ATTEMPTS, MAX_DELAY
from deliveries.transport import ErrorClass
from tests.support.json_strategies import lively
from tests.support.retries import Seen

some = settings(lively, max_examples=200)

options = {"jitter": st.floats(0, 1), "clientErrorsFinal": st.booleans(), "honorRetryAfter": st.booleans()}
plain = st.fixed_dictionaries(
    {"delays": st.lists(st.floats(0, MAX_DELAY), max_size=MAX_ATTEMPTS - 1)}, optional=dict(options)
)
backoff = st.fixed_dictionaries(
    {"maxAttempts": st.integers(1, MAX_ATTEMPTS)},
    optional={"backoffMultiplier": st.floats(1, 100), "initialDelay": st.floats(0, 30_000), **options},
)
policies = st.builds(RetryPolicy.from_dict, plain | backoff)
statuses = st.none() | st.sampled_from([200, 204, 299, 301, 400, 404, 410, 429, 500, 503]) | st.integers(100, 999)
errors = st.none() | st.sampled_from([str(error) for error in ErrorClass])
seen = st.builds(
    Seen,
    status_code=statuses,
    error=errors,
    retry_after=st.none() | st.floats() | st.floats(0, 2 * RETRY_AFTER_MAX),
    permanent=st.booleans(),
)
tries = st.integers(1, MAX_ATTEMPTS + 3)
dice = st.floats(0, 1, exclude_max=True)


@some
@given(policy=policies, outcome=seen, tried=tries, roll=dice)
@example(policy=RetryPolicy(delays=(5.0,)), outcome=Seen(503, "http_error", math.inf), tried=1, roll=0.0)
def test_a_wait_is_never_shorter_than_the_timetable_nor_longer_than_somebody_asked(
    policy: RetryPolicy, outcome: Seen, tried: int, roll: float
) -> None:
    decision = decide(policy, outcome, tried, random=lambda: roll)
    if not isinstance(decision, Retry):
        return
    planned = policy.timetable()[tried - 1]
    jittered = planned * (1 + policy.jitter)
    asked = outcome.retry_after if policy.honor_retry_after else None
    wanted = 0.0 if asked is None or math.isnan(asked) else min(asked, RETRY_AFTER_MAX)
    assert max(planned, wanted) <= decision.delay <= max(jittered, wanted)


@some
@given(policy=policies, outcome=seen, tried=tries)
def test_only_a_2xx_without_an_error_is_delivered(policy: RetryPolicy, outcome: Seen, tried: int) -> None:
    taken = outcome.error is None and outcome.status_code is not None and 200 <= outcome.status_code < 300
    assert isinstance(decide(policy, outcome, tried), Delivered) == taken


@some
@given(policy=policies, outcome=seen, tried=tries)
def test_nothing_is_tried_again_after_the_last_attempt_or_where_it_cannot_help(
    policy: RetryPolicy, outcome: Seen, tried: int
) -> None:
    decision = decide(policy, outcome, tried)
    if tried >= policy.max_attempts or outcome.permanent:
        assert not isinstance(decision, Retry)
    if isinstance(decision, Retry):
        assert decision.reason.values == {"next": tried + 1, "of": policy.max_attempts}
    if isinstance(decision, Dead) and decision.disable_webhook:
        assert outcome.status_code == 410
        assert decision.reason.code == ReasonCode.ENDPOINT_GONE


@some
@given(policy=policies, outcome=seen, tried=tries, roll=dice)
def test_every_decision_can_be_worded_from_what_the_log_keeps_of_it(
    policy: RetryPolicy, outcome: Seen, tried: int, roll: float
) -> None:
    decision = decide(policy, outcome, tried, random=lambda: roll)
    code, values = columns(decision.reason)
    told = sentences.sentence(
        code,
        json.loads(json.dumps(values)),
        status_code=outcome.status_code,
        error=outcome.error or "",
        delay=decision.delay if isinstance(decision, Retry) else None,
    )
    assert told[0].isupper()
    assert told[-1] == "."
    assert sentences.UNKNOWN not in told


@some
@given(policy=policies, outcomes=st.lists(seen, min_size=MAX_ATTEMPTS, max_size=MAX_ATTEMPTS), seed=st.integers())
def test_every_chain_of_attempts_comes_to_an_end_within_the_policy(
    policy: RetryPolicy, outcomes: list[Seen], seed: int
) -> None:
    """Promise 6, beyond a single attempt."""
    roll = random.Random(seed).random
    for tried, outcome in enumerate(outcomes, start=1):
        decision = decide(policy, outcome, tried, random=roll)
        if not isinstance(decision, Retry):
            break
    assert not isinstance(decision, Retry)
    assert tried <= policy.max_attempts
