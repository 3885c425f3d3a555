"""Each outcome of an attempt has one consequence, and a reason for it as data."""

import pytest

from deliveries.reasons import Reason, ReasonCode
from deliveries.recording.decisions import DEFAULT_POLICY, RETRY_AFTER_MAX, Dead, Delivered, Retry, RetryPolicy, decide
from tests.support.retries import LITESTORE, Seen, answered


def scheduled(following: int, of: int) -> Reason:
    return Reason(ReasonCode.RETRY_SCHEDULED, {"next": following, "of": of})


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    assert decide(LITESTORE, answered(status), 1) == Delivered(Reason(ReasonCode.DELIVERED))


def test_a_failure_is_retried_after_the_delay_of_its_turn() -> None:
    delays = [decide(DEFAULT_POLICY, answered(503), tries) for tries in (1, 2, 3)]
    assert delays == [
        Retry(5, scheduled(2, of=4)),
        Retry(25, scheduled(3, of=4)),
        Retry(125, scheduled(4, of=4)),
    ]


@pytest.mark.parametrize("tries", [4, 5, 30])
def test_out_of_attempts_means_review_even_if_the_policy_became_shorter(tries: int) -> None:
    decision = decide(DEFAULT_POLICY, answered(500), tries)
    assert decision == Dead(Reason(ReasonCode.ATTEMPTS_EXHAUSTED, {"of": 4}))


@pytest.mark.parametrize("outcome", [Seen(error="connect_timeout"), Seen(error="gremlins"), Seen()])
def test_a_network_error_is_retried_whatever_it_is(outcome: Seen) -> None:
    assert decide(LITESTORE, outcome, 1) == Retry(2, scheduled(2, of=5))


def test_an_error_after_the_answers_head_counts_as_the_error() -> None:
    broken = Seen(status_code=200, error="response_timeout")
    assert decide(LITESTORE, broken, 1) == Retry(2, scheduled(2, of=5))


@pytest.mark.parametrize("status", [100, 301, 304, 400, 401, 404, 408, 422, 429])
def test_any_answer_below_500_is_final_where_the_policy_says_so(status: int) -> None:
    assert isinstance(decide(DEFAULT_POLICY, answered(status), 1), Retry)
    assert decide(LITESTORE, answered(status, retry_after=9), 1) == Dead(Reason(ReasonCode.FINAL_STATUS))


@pytest.mark.parametrize("status", [500, 502, 503, 599, 999])
def test_server_errors_are_retried_under_every_policy(status: int) -> None:
    assert isinstance(decide(LITESTORE, answered(status), 1), Retry)


def test_a_redirect_is_a_failed_attempt() -> None:
    redirect = Seen(302, "redirect")
    assert decide(DEFAULT_POLICY, redirect, 1) == Retry(5, scheduled(2, of=4))
    assert decide(LITESTORE, redirect, 1) == Dead(Reason(ReasonCode.FINAL_STATUS))


@pytest.mark.parametrize("policy", [DEFAULT_POLICY, LITESTORE])
@pytest.mark.parametrize("permanent", [False, True])
def test_gone_is_dead_and_disables_the_webhook(policy: RetryPolicy, permanent: bool) -> None:
    decision = decide(policy, Seen(410, "http_error", permanent=permanent), 1)
    assert decision == Dead(Reason(ReasonCode.ENDPOINT_GONE), disable_webhook=True)


def test_an_error_that_never_heals_is_dead_at_once() -> None:
    decision = decide(DEFAULT_POLICY, Seen(error="address_refused", permanent=True), 1)
    assert decision == Dead(Reason(ReasonCode.PERMANENT_FAILURE), disable_webhook=False)


@pytest.mark.parametrize(
    ("asked", "delay"),
    [
        (60.0, 60.0),
        (2.0, 5.0),
        (-3.0, 5.0),
        (float("nan"), 5.0),
        (86400.0, RETRY_AFTER_MAX),
        (float("inf"), RETRY_AFTER_MAX),
    ],
)
def test_retry_after_lengthens_the_wait_up_to_its_cap(asked: float, delay: float) -> None:
    decision = decide(DEFAULT_POLICY, answered(429, asked), 1)
    code = ReasonCode.RETRY_SCHEDULED if delay == 5 else ReasonCode.RETRY_AFTER_HONOURED
    assert decision == Retry(delay, Reason(code, {"next": 2, "of": 4}))


def test_the_cap_of_retry_after_never_shortens_the_schedule() -> None:
    policy = RetryPolicy(delays=(7200,))
    assert decide(policy, answered(503, 86400), 1) == Retry(7200, scheduled(2, of=2))


def test_retry_after_can_be_ignored() -> None:
    policy = RetryPolicy.from_dict({"delays": [5], "honorRetryAfter": False})
    assert decide(policy, answered(503, 60), 1) == Retry(5, scheduled(2, of=2))


def test_jitter_comes_from_the_given_dice() -> None:
    policy = RetryPolicy(delays=(300,), jitter=0.1)
    decision = decide(policy, answered(500), 1, random=lambda: 0.5)
    assert decision == Retry(315, scheduled(2, of=2))


def test_counting_attempts_from_zero_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="starts from 1, not 0"):
        decide(DEFAULT_POLICY, answered(500), 0)
