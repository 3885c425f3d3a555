"""Policies are read strictly, keep their timetable, and describe themselves in plain words."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.recording.decisions import DEFAULT_POLICY, Backoff, Dead, Retry, RetryPolicy, decide
from deliveries.retries.policy import duration
from tests.support.retries import LITESTORE, answered


def test_the_default_is_alvas_schedule_of_four_attempts() -> None:
    assert DEFAULT_POLICY.timetable() == [5, 25, 125]
    assert DEFAULT_POLICY.max_attempts == 4
    assert RetryPolicy.from_dict({"delays": [5, 25, 125]}) == DEFAULT_POLICY


def test_litestores_form_waits_two_four_eight_and_sixteen_seconds() -> None:
    assert LITESTORE.timetable() == [2, 4, 8, 16]
    assert LITESTORE.client_errors_final
    assert RetryPolicy.from_dict({"maxAttempts": 5}) == LITESTORE
    assert RetryPolicy.from_backoff(Backoff()) == LITESTORE


def test_litestores_waits_end_at_thirty_seconds() -> None:
    policy = RetryPolicy.from_dict({"maxAttempts": 8, "backoffMultiplier": 3, "initialDelay": 500})
    assert policy.timetable() == [1.5, 4.5, 13.5, 30, 30, 30, 30]


def test_one_attempt_in_all_is_a_policy_too() -> None:
    assert RetryPolicy.from_dict({"maxAttempts": 1}).timetable() == []
    policy = RetryPolicy.from_dict({"delays": []})
    assert isinstance(decide(policy, answered(500), 1), Dead)
    assert policy.describe() == "once, at once; a failure goes to review"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "retry policy: must be an object"),
        ({}, "delays is missing"),
        ({"jitter": 0.5}, "delays is missing"),
        ({"delays": [5], "maxAttempts": 3}, "either delays or maxAttempts"),
        ({"delays": [5], "delay": 3}, "delay is not known. Leave it out; known are clientErrorsFinal, delays"),
        ({"maxAttempts": 3, "max_attempts": 3}, "max_attempts is not known"),
        ({"delays": "5,25"}, "delays: must be a list of seconds like"),
        ({"delays": [5, -1]}, r"delays\[1\]: must be a number from 0 to 604800 \(seconds\), not -1"),
        ({"delays": [float("nan")]}, r"delays\[0\]: must be a number"),
        ({"delays": [float("inf")]}, r"delays\[0\]: must be a number"),
        ({"delays": [True]}, r"delays\[0\]: must be a number"),
        ({"delays": ["5"]}, r"delays\[0\]: must be a number"),
        ({"delays": [604801]}, r"delays\[0\]: must be a number from 0 to 604800"),
        ({"delays": [1] * 20}, "at most 19 retries; 20 are too many"),
        ({"delays": [5], "jitter": 1.5}, r"jitter: must be a number from 0 to 1 \(a share of the delay\)"),
        ({"delays": [5], "jitter": None}, "jitter: must be a number"),
        ({"delays": [5], "clientErrorsFinal": 1}, "clientErrorsFinal: must be true or false, not 1"),
        ({"delays": [5], "honorRetryAfter": "yes"}, "honorRetryAfter: must be true or false"),
        ({"maxAttempts": 0}, "maxAttempts: must be a whole number from 1 to 20, not 0"),
        ({"maxAttempts": 21}, "maxAttempts: must be a whole number"),
        ({"maxAttempts": True}, "maxAttempts: must be a whole number"),
        ({"maxAttempts": 5.0}, "maxAttempts: must be a whole number"),
        ({"backoffMultiplier": 0.5}, "backoffMultiplier: must be a number from 1 to 100"),
        ({"backoffMultiplier": float("nan")}, "backoffMultiplier: must be a number"),
        ({"initialDelay": -1}, r"initialDelay: must be a number from 0 to 30000 \(milliseconds\), not -1"),
        ({"initialDelay": 10**400}, "initialDelay: must be a number"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_field(data: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RetryPolicy.from_dict(data)


plain_forms = st.fixed_dictionaries(
    {"delays": st.lists(st.floats(0, 604800) | st.integers(0, 604800), max_size=19)},
    optional={"jitter": st.floats(0, 1), "clientErrorsFinal": st.booleans(), "honorRetryAfter": st.booleans()},
)
litestore_forms = st.fixed_dictionaries(
    {"maxAttempts": st.integers(1, 20)},
    optional={
        "backoffMultiplier": st.floats(1, 100),
        "initialDelay": st.integers(0, 30_000),
        "jitter": st.floats(0, 1),
        "clientErrorsFinal": st.booleans(),
        "honorRetryAfter": st.booleans(),
    },
)


@given(form=plain_forms | litestore_forms)
def test_a_policy_survives_its_json_form(form: dict[str, Any]) -> None:
    policy = RetryPolicy.from_dict(form)
    again = RetryPolicy.from_dict(json.loads(json.dumps(policy.to_dict())))
    assert again == policy
    assert again.to_dict() == policy.to_dict()


@given(form=litestore_forms)
def test_litestores_timetable_rises_to_its_ceiling(form: dict[str, Any]) -> None:
    waits = RetryPolicy.from_dict(form).timetable()
    assert len(waits) == form["maxAttempts"] - 1
    assert waits == sorted(waits)
    assert all(0 <= wait <= 30 for wait in waits)


@given(form=plain_forms, seed=st.integers())
def test_a_failing_chain_follows_the_timetable_and_is_never_early(form: dict[str, Any], seed: int) -> None:
    policy = RetryPolicy.from_dict(form)
    dice = random.Random(seed)
    for tries, wait in enumerate(policy.timetable(), start=1):
        decision = decide(policy, answered(500), tries, random=dice.random)
        assert isinstance(decision, Retry)
        assert wait <= decision.delay <= wait * (1 + policy.jitter)
    assert isinstance(decide(policy, answered(500), policy.max_attempts, random=dice.random), Dead)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"delays": [5, 25, 125]}, "at once, then 5 s, 25 s and 125 s after each failure; then it goes to review"),
        ({"delays": [0.5]}, "at once, then 0.5 s after each failure; then it goes to review"),
        (
            {"delays": [300, 7200], "jitter": 0.1},
            "at once, then 5 min and 2 h after each failure; then it goes to review; "
            "waits are up to 10% longer at random",
        ),
        (
            {"maxAttempts": 3},
            "at once, then 2 s and 4 s after each failure; then it goes to review; "
            "an answer below 500 that is not a 2xx is final",
        ),
    ],
)
def test_a_policy_describes_itself_in_plain_words(form: dict[str, Any], words: str) -> None:
    assert RetryPolicy.from_dict(form).describe() == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (9.99961, "10 s"),
        (60, "1 min"),
        (125, "125 s"),
        (317.6, "5 min 18 s"),
        (3600, "1 h"),
        (86400, "24 h"),
        (180_005, "2 d 2 h 5 s"),
        (604800, "7 d"),
    ],
)
def test_durations_are_written_for_people(seconds: float, words: str) -> None:
    assert duration(seconds) == words
