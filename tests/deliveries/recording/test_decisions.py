"""Each outcome of an attempt has one consequence, told in a sentence."""

import pytest

from deliveries.recording.decisions import DEFAULT_POLICY, RETRY_AFTER_MAX, Dead, Delivered, Retry, RetryPolicy, decide
from tests.support.retries import LITESTORE, Seen, answered


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    assert decide(LITESTORE, answered(status), 1) == Delivered(f"The endpoint answered {status}.")


def test_a_failure_is_retried_after_the_delay_of_its_turn() -> None:
    delays = [decide(DEFAULT_POLICY, answered(503), tries) for tries in (1, 2, 3)]
    assert delays == [
        Retry(5, "The endpoint answered 503; next try in 5 s (attempt 2 of 4)."),
        Retry(25, "The endpoint answered 503; next try in 25 s (attempt 3 of 4)."),
        Retry(125, "The endpoint answered 503; next try in 125 s (attempt 4 of 4)."),
    ]


@pytest.mark.parametrize("tries", [4, 5, 30])
def test_out_of_attempts_means_review_even_if_the_policy_became_shorter(tries: int) -> None:
    decision = decide(DEFAULT_POLICY, answered(500), tries)
    assert decision == Dead("The endpoint answered 500. That was the last of 4 attempts; it waits for review.")


def test_a_network_error_is_retried_and_named() -> None:
    decision = decide(LITESTORE, Seen(error="connect_timeout"), 1)
    assert decision == Retry(2, "The endpoint did not accept a connection in time; next try in 2 s (attempt 2 of 5).")
    assert decide(DEFAULT_POLICY, Seen(error="gremlins"), 1).reason.startswith("The attempt failed (gremlins); next")
    assert decide(DEFAULT_POLICY, Seen(), 1).reason.startswith("The endpoint gave no answer; next")


def test_an_error_after_the_answers_head_counts_as_the_error() -> None:
    broken = Seen(status_code=200, error="response_timeout")
    assert decide(LITESTORE, broken, 1) == Retry(
        2, "The endpoint did not answer in time; next try in 2 s (attempt 2 of 5)."
    )


@pytest.mark.parametrize("status", [100, 301, 304, 400, 401, 404, 408, 422, 429])
def test_any_answer_below_500_is_final_where_the_policy_says_so(status: int) -> None:
    assert isinstance(decide(DEFAULT_POLICY, answered(status), 1), Retry)
    assert decide(LITESTORE, answered(status, retry_after=9), 1) == Dead(
        f"The endpoint answered {status}, which is final under this webhook's retry policy; it waits for review."
    )


@pytest.mark.parametrize("status", [500, 502, 503, 599, 999])
def test_server_errors_are_retried_under_every_policy(status: int) -> None:
    assert isinstance(decide(LITESTORE, answered(status), 1), Retry)


def test_a_redirect_is_a_failed_attempt() -> None:
    redirect = Seen(302, "redirect")
    assert decide(DEFAULT_POLICY, redirect, 1) == Retry(
        5, "The endpoint answered 302; next try in 5 s (attempt 2 of 4)."
    )
    assert isinstance(decide(LITESTORE, redirect, 1), Dead)


@pytest.mark.parametrize("policy", [DEFAULT_POLICY, LITESTORE])
@pytest.mark.parametrize("permanent", [False, True])
def test_gone_is_dead_and_disables_the_webhook(policy: RetryPolicy, permanent: bool) -> None:
    decision = decide(policy, Seen(410, "http_error", permanent=permanent), 1)
    assert decision == Dead(
        "The endpoint answered 410: it wants no more deliveries, so the webhook was disabled.", disable_webhook=True
    )


def test_an_error_that_never_heals_is_dead_at_once() -> None:
    decision = decide(DEFAULT_POLICY, Seen(error="address_refused", permanent=True), 1)
    assert isinstance(decision, Dead)
    assert not decision.disable_webhook
    assert decision.reason.startswith("The endpoint's address is not allowed as a target. Trying again cannot help")


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
    assert isinstance(decision, Retry)
    assert decision.delay == delay
    assert ("as the endpoint asked" in decision.reason) == (delay != 5)


def test_the_cap_of_retry_after_never_shortens_the_schedule() -> None:
    policy = RetryPolicy(delays=(7200,))
    assert decide(policy, answered(503, 86400), 1) == Retry(
        7200, "The endpoint answered 503; next try in 2 h (attempt 2 of 2)."
    )


def test_retry_after_can_be_ignored() -> None:
    policy = RetryPolicy.from_dict({"delays": [5], "honorRetryAfter": False})
    decision = decide(policy, answered(503, 60), 1)
    assert isinstance(decision, Retry)
    assert decision.delay == 5


def test_jitter_comes_from_the_given_dice() -> None:
    policy = RetryPolicy(delays=(300,), jitter=0.1)
    decision = decide(policy, answered(500), 1, random=lambda: 0.5)
    assert decision == Retry(315, "The endpoint answered 500; next try in 5 min 15 s (attempt 2 of 2).")


def test_counting_attempts_from_zero_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="starts from 1, not 0"):
        decide(DEFAULT_POLICY, answered(500), 0)
