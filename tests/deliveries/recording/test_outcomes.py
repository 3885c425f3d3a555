from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from deliveries.models import Attempt, DeadLetter, Delivery
from deliveries.publishing import publish
from deliveries.reasons import DISABLED_AS_GONE, ReasonCode
from deliveries.recording import outcomes
from subscriptions import services
from subscriptions.models import Webhook
from tests.support.engine import EVENT, answered, claim, claim_one, due, due_one, expire, reread, statements, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


def test_a_2xx_closes_the_delivery_and_logs_the_attempt() -> None:
    delivery = due_one()
    row = claim_one(delivery)
    recorded = outcomes.record([answered(row, 204, body=b"thanks", body_bytes_read=6, remote_address="127.0.0.1")])
    stored = reread(delivery)
    assert (stored.status, stored.due_at, stored.claim_token) == (Delivery.Status.DELIVERED, None, None)
    assert stored.closed_at is not None
    assert (stored.tries, stored.attempt_count, stored.last_status_code) == (1, 1, 204)
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.result, attempt.status_code) == (1, Attempt.Result.DELIVERED, 204)
    assert (bytes(attempt.response_body), attempt.response_size) == (b"thanks", 6)
    assert attempt.public_id.startswith("att_")
    assert attempt.answered_at is not None
    assert attempt.started_at <= attempt.answered_at
    assert (recorded.still_due, recorded.countdowns) == ([], {})


@pytest.mark.parametrize(("tries", "delay"), [(0, 5), (1, 25), (2, 125)])
def test_a_failure_is_due_again_exactly_its_delay_after_the_answer(tries: int, delay: int) -> None:
    """Promise 3: 5 s, 25 s and 125 s after each failure, counted from the answer, not from the recording."""
    delivery = due_one(dialect="alva")
    Delivery.objects.filter(pk=delivery.pk).update(tries=tries)
    sent = answered(claim_one(delivery), 500)
    recorded = outcomes.record([sent])
    stored = reread(delivery)
    assert stored.status == Delivery.Status.RETRYING
    assert stored.last_attempt_at is not None
    assert stored.due_at == stored.last_attempt_at + timedelta(seconds=delay)
    attempt = Attempt.objects.get()
    assert (attempt.answered_at, attempt.next_at) == (stored.last_attempt_at, stored.due_at)
    assert attempt.decision_code == ReasonCode.RETRY_SCHEDULED
    assert attempt.decision_values == {"next": tries + 2, "of": 4}
    assert recorded.countdowns == {float(delay): [delivery.webhook_id]}


def test_a_retry_beyond_the_horizon_is_left_to_the_sweep() -> None:
    """Promise 3: a countdown longer than the broker's visibility timeout would be delivered again and again."""
    delivery = due_one(retry_policy={"delays": [151]})
    assert outcomes.record([answered(claim_one(delivery), 500)]).countdowns == {}
    assert reread(delivery).status == Delivery.Status.RETRYING


def test_a_jittered_delay_shares_the_next_quarter_second_and_is_never_early() -> None:
    """Promise 3."""
    delivery = due_one(retry_policy={"delays": [10], "jitter": 1})
    recorded = outcomes.record([answered(claim_one(delivery), 500)])
    stored = reread(delivery)
    assert stored.due_at is not None
    assert stored.last_attempt_at is not None
    wait = (stored.due_at - stored.last_attempt_at).total_seconds()
    [countdown] = recorded.countdowns
    assert 10 <= wait <= countdown < wait + 0.25
    assert countdown * 4 == int(countdown * 4)


def test_the_last_failure_opens_a_dead_letter() -> None:
    delivery = due_one(retry_policy={"delays": []})
    outcomes.record([answered(claim_one(delivery), 503)])
    stored = reread(delivery)
    assert (stored.status, stored.due_at) == (Delivery.Status.DEAD, None)
    assert (stored.reason_code, stored.reason_values) == (ReasonCode.ATTEMPTS_EXHAUSTED, {"of": 1})
    dead_letter = DeadLetter.objects.get()
    assert (dead_letter.delivery_id, dead_letter.webhook_id, dead_letter.merchant_id) == (
        delivery.pk, delivery.webhook_id, delivery.merchant_id,
    )  # fmt: skip
    assert (dead_letter.status_code, dead_letter.error) == (503, "http_error")
    assert (dead_letter.reason_code, dead_letter.reason_values) == (stored.reason_code, stored.reason_values)
    assert dead_letter.reason == stored.reason == Attempt.objects.get().decision


def test_410_ends_the_chain_and_disables_the_webhook_with_what_else_was_open() -> None:
    webhook = make_webhook()
    gone, other = due(webhook, 2)
    outcomes.record([answered(claim(webhook).rows[0], 410)])
    assert reread(gone).status == Delivery.Status.DEAD
    stored = Webhook.objects.get(pk=webhook.pk)
    assert not stored.is_enabled
    assert stored.disabled_reason == DISABLED_AS_GONE
    assert reread(other).status == Delivery.Status.SKIPPED
    assert reread(other).reason_code == ReasonCode.WEBHOOK_DISABLED
    assert reread(other).reason_values == {"why": DISABLED_AS_GONE}
    assert reread(gone).reason_code == ReasonCode.ENDPOINT_GONE


def test_410_from_a_webhook_that_was_deleted_meanwhile_is_recorded_like_any_other() -> None:
    """Promise 9: nothing vanishes."""
    delivery = due_one()
    row = claim_one(delivery)
    services.delete_webhook(webhook=delivery.webhook)
    outcomes.record([answered(row, 410)])
    assert reread(delivery).status == Delivery.Status.DEAD
    assert Attempt.objects.count() == 1


# --- the fence --------------------------------------------------------------------------------------------------------


def test_a_late_failure_is_logged_and_changes_nothing() -> None:
    """Promise 4: the claim token is the fence."""
    delivery = due_one()
    late = claim_one(delivery)
    expire(delivery)
    present = claim_one(delivery)
    outcomes.record([answered(late, 500)])
    stored = reread(delivery)
    assert (stored.status, stored.claim_token) == (Delivery.Status.SENDING, present.token)
    assert (stored.tries, stored.attempt_count, stored.last_status_code) == (0, 1, None)
    assert list(Attempt.objects.values_list("number", "result")) == [(1, Attempt.Result.FAILED)]


def test_a_late_last_failure_opens_no_dead_letter() -> None:
    """Promise 4."""
    delivery = due_one(retry_policy={"delays": []})
    late = claim_one(delivery)
    expire(delivery)
    claim_one(delivery)
    outcomes.record([answered(late, 500)])
    assert reread(delivery).status == Delivery.Status.SENDING
    assert not DeadLetter.objects.exists()


def test_a_late_success_closes_the_delivery_and_the_second_one_is_only_logged() -> None:
    """Promise 4: at least once; the endpoint has it, so nobody need send it again."""
    delivery = due_one()
    late = claim_one(delivery)
    expire(delivery)
    present = claim_one(delivery)
    outcomes.record([answered(late, 200)])
    closed = reread(delivery)
    assert (closed.status, closed.due_at, closed.claim_token) == (Delivery.Status.DELIVERED, None, None)
    outcomes.record([answered(present, 500)])
    stored = reread(delivery)
    assert (stored.status, stored.closed_at) == (Delivery.Status.DELIVERED, closed.closed_at)
    log = Attempt.objects.filter(delivery=delivery).order_by("id").values_list("number", "result")
    assert list(log) == [(1, "delivered"), (2, "failed")]


@pytest.mark.parametrize("delays", [[], [60]])
@pytest.mark.parametrize("late_first", [True, False])
def test_a_late_success_and_a_failure_in_one_chunk_close_the_delivery(delays: list[int], late_first: bool) -> None:
    """Promise 4: a process that stood still for longer than its claim sends again, and records both at once."""
    delivery = due_one(retry_policy={"delays": delays})
    late = claim_one(delivery)
    expire(delivery)
    chunk = [answered(late, 200), answered(claim_one(delivery), 500)]
    outcomes.record(chunk if late_first else chunk[::-1])
    assert (reread(delivery).status, reread(delivery).attempt_count) == (Delivery.Status.DELIVERED, 2)
    assert not DeadLetter.objects.exists()
    log = Attempt.objects.filter(delivery=delivery).values_list("number", "result")
    assert sorted(log) == [(1, "delivered"), (2, "failed")]


def test_a_late_success_does_not_reopen_what_a_person_closed() -> None:
    delivery = due_one()
    late = claim_one(delivery)
    Delivery.objects.filter(pk=delivery.pk).update(status="discarded", due_at=None, claim_token=None)
    outcomes.record([answered(late, 200)])
    assert reread(delivery).status == "discarded"
    assert Attempt.objects.get().result == Attempt.Result.DELIVERED


def test_an_answer_ends_the_run_of_interruptions() -> None:
    delivery = due_one()
    claim_one(delivery)
    expire(delivery)
    outcomes.record([answered(claim_one(delivery), 500)])
    assert reread(delivery).orphaned_attempts == 0
    assert reread(delivery).attempt_count == 2


@pytest.mark.parametrize(("status", "stays_enabled"), [(410, False), (404, True), (500, True), (200, True)])
def test_an_endpoint_that_is_gone_is_disabled_in_the_transaction_that_frees_its_place(
    status, stays_enabled, monkeypatch
) -> None:
    """Another process may claim as soon as the outcome is committed."""
    delivery = due_one()
    seen = []

    def noting(fetch: Callable[..., object]) -> Callable[..., object]:
        def noted(*arguments: object) -> object:
            seen.append(len(connection.savepoint_ids))
            return fetch(*arguments)

        return noted

    def disable(**arguments: object) -> object:
        seen.append(len(connection.savepoint_ids))
        return services_disable(**arguments)

    services_disable = outcomes.services.disable
    depth = len(connection.savepoint_ids)
    for name in ("fetch", "fetch_in_turn"):
        monkeypatch.setattr(outcomes, name, noting(getattr(outcomes, name)))
    monkeypatch.setattr(outcomes.services, "disable", disable)
    outcomes.record([answered(claim_one(delivery), status, permanent=status == 410)])
    assert seen == ([depth] if stays_enabled else [depth + 1, depth + 1])
    delivery.webhook.refresh_from_db()
    assert delivery.webhook.is_enabled is stays_enabled


def test_a_410_that_comes_after_its_claim_ran_out_is_the_deliverys_outcome_all_the_same() -> None:
    """Disabling the webhook closes what is open with such a claim; the outcome in hand must be written before."""
    delivery, other = due_one(), None
    row = claim_one(delivery)
    expire(delivery)
    other = due(delivery.webhook, 1)[0]
    outcomes.record([answered(row, 410, permanent=True)])
    assert reread(delivery).status == Delivery.Status.DEAD
    assert [each.result for each in Attempt.objects.filter(delivery=delivery)] == [Attempt.Result.FAILED]
    assert reread(other).status == Delivery.Status.SKIPPED


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_hundred_outcomes_take_as_many_statements_as_one() -> None:
    webhooks = [make_webhook() for _ in range(4)]
    widen(*webhooks)
    for webhook in webhooks:
        due(webhook, 26)
    rows = claim(*webhooks).rows
    with statements() as one:
        outcomes.record([answered(rows[0])])
    with statements() as hundred:
        outcomes.record([answered(row, 200 if position % 2 else 500) for position, row in enumerate(rows[1:101])])
    assert len(hundred) == len(one) <= 5


def test_one_delivery_alone_takes_at_most_eleven_statements_from_publish_to_record() -> None:
    webhook = make_webhook()
    with statements() as seen:
        publish(EVENT, {"n": 1}, merchant=webhook.merchant)
        [row] = claim(webhook).rows
        outcomes.record([answered(row)])
    assert Delivery.objects.get().status == Delivery.Status.DELIVERED
    assert len(seen) <= 11, "\n".join(seen)  # it claims in three, counts in two


def test_a_chunk_whose_commit_went_through_unanswered_is_not_written_twice() -> None:
    """Promise 9: the log tells of each request once, whatever the database's connection did."""
    delivery = due_one(dialect="alva")
    sent = answered(claim_one(delivery), 500)
    first = outcomes.record([sent])
    assert outcomes.record([sent], again=True).countdowns == first.countdowns
    assert Attempt.objects.count() == 1
    assert (reread(delivery).attempt_count, reread(delivery).tries) == (1, 1)


def test_a_chunk_whose_commit_did_not_go_through_is_written_when_tried_again() -> None:
    outcomes.record([answered(claim_one(due_one()), 200)], again=True)
    assert Attempt.objects.count() == 1
