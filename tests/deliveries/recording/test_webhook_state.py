"""What an outcome tells of its webhook: whether more is due, how many requests it may have open, how it fares."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from deliveries.models import Attempt, Counter, Delivery, WebhookState
from deliveries.recording import outcomes, webhook_state
from subscriptions.models import Webhook
from tests.support.engine import answered, claim, due, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


def test_webhooks_with_more_due_are_named_and_those_without_are_not() -> None:
    more, none = make_webhook(), make_webhook()
    due(more, 2)
    due(none, 1)
    rows = claim(more, none).rows
    assert outcomes.record([answered(row) for row in rows]).still_due == [more.pk]


@pytest.mark.django_db(transaction=True)
def test_what_is_still_due_is_asked_after_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 3. Before it, a dispatcher may find the webhook at its cap and leave it to this very question."""
    webhook = make_webhook()
    due(webhook, 2)
    rows = claim(webhook).rows
    order: list[str] = []
    fetch_in_turn = outcomes.fetch_in_turn  # the second of whose statements is asked once the first is committed

    def noted(*asked: Any) -> Any:
        order.extend(f"{statement.split(maxsplit=1)[1][:14]} {connection.in_atomic_block}" for statement, _ in asked)
        return fetch_in_turn(*asked)

    monkeypatch.setattr(outcomes, "fetch_in_turn", noted)
    assert outcomes.record([answered(row) for row in rows]).still_due == [webhook.pk]
    assert order == ["Writes a chunk False", "Those of these False"]


def _window(webhook: Webhook) -> int:
    return WebhookState.objects.get(webhook=webhook).window


def test_each_answer_doubles_the_window_up_to_the_cap() -> None:
    """Promise 5: new webhooks start with one open request."""
    webhook = make_webhook(max_in_flight=5)
    due(webhook, 10)
    windows = []
    for status in (200, 500, 200):  # a 500 is an answer, too
        for row in claim(webhook, limit=1).rows:
            outcomes.record([answered(row, status)])
        windows.append(_window(webhook))
    assert windows == [2, 4, 5]


def test_no_answer_closes_the_window_to_one() -> None:
    """Promise 5."""
    webhook = make_webhook()
    widen(webhook, window=16)
    due(webhook, 1)
    outcomes.record([answered(claim(webhook).rows[0], None)])
    assert _window(webhook) == 1


def test_failures_in_a_row_are_counted_until_a_success() -> None:
    webhook = make_webhook()
    widen(webhook)
    due(webhook, 4)
    rows = claim(webhook).rows
    outcomes.record([answered(rows[0], 500)])
    webhook = WebhookState.objects.get(webhook=webhook)
    since = webhook.failing_since
    assert (webhook.failures, webhook.last_success_at) == (1, None)
    assert since is not None
    outcomes.record([answered(rows[1], None)])
    webhook.refresh_from_db()
    assert (webhook.failures, webhook.failing_since) == (2, since)
    outcomes.record([answered(rows[2], 200)])
    webhook.refresh_from_db()
    assert (webhook.failures, webhook.failing_since) == (0, None)
    assert webhook.last_success_at is not None
    outcomes.record([answered(rows[3], 500)])
    webhook.refresh_from_db()
    assert webhook.failures == 1


def _version(webhook: Webhook) -> str:
    """Return which version of the state's row stands there: each write, and each lock, makes another."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ctid::text, xmin::text, xmax::text FROM webhooks_deliveries_webhookstate WHERE webhook_id = %s",
            [webhook.pk],
        )
        [version] = cursor.fetchall()
    return " ".join(version)


def _faring_well() -> Webhook:
    """Return a webhook whose window is at its cap and whose last outcome, just now, was a success."""
    webhook = make_webhook(max_in_flight=1)
    due(webhook, 4)
    outcomes.record([answered(row) for row in claim(webhook).rows])
    return webhook


def test_one_more_success_of_the_same_second_leaves_the_state_alone() -> None:
    webhook = _faring_well()
    before = _version(webhook)
    outcomes.record([answered(row) for row in claim(webhook).rows])
    assert _version(webhook) == before
    assert Delivery.objects.filter(webhook=webhook, status="delivered").count() == 2


def test_the_time_of_the_last_success_is_at_most_a_second_behind() -> None:
    webhook = _faring_well()
    earlier = timezone.now() - timedelta(seconds=webhook_state.SUCCESS_PRECISION + 0.5)  # clocks may differ by little
    WebhookState.objects.filter(webhook=webhook).update(last_success_at=earlier)
    outcomes.record([answered(row) for row in claim(webhook).rows])
    last = Attempt.objects.filter(webhook=webhook).latest("pk").answered_at
    assert WebhookState.objects.get(webhook=webhook).last_success_at == last


@pytest.mark.parametrize(
    "otherwise",
    [
        {"window": 2},
        {"failures": 1},
        {"failing_since": datetime(2026, 1, 1, tzinfo=UTC)},
        {"last_success_at": None},
    ],
    ids=lambda values: next(iter(values)),
)
def test_a_success_is_written_wherever_it_changes_more(otherwise: dict[str, Any]) -> None:
    """Others may have recorded a failure meanwhile; it isn't left standing, nor is a window."""
    webhook = _faring_well()
    WebhookState.objects.filter(webhook=webhook).update(**otherwise)
    [row] = claim(webhook, limit=1).rows
    row.window = 1
    outcomes.record([answered(row)])
    state = WebhookState.objects.get(webhook=webhook)
    assert (state.window, state.failures, state.failing_since) == (1, 0, None)
    assert state.last_success_at is not None


def test_a_failure_is_never_left_out_though_a_success_follows_it() -> None:
    webhook = _faring_well()
    Webhook.objects.filter(pk=webhook.pk).update(max_in_flight=2)
    widen(webhook, window=2)
    failed, succeeded = claim(webhook).rows[:2]
    first, then = answered(failed, 500), answered(succeeded)
    outcomes.record([first, then])
    assert WebhookState.objects.get(webhook=webhook).last_failure_at is not None


def test_counters_add_up_to_the_attempts() -> None:
    webhook = make_webhook(retry_policy={"delays": [1]})
    widen(webhook)
    deliveries = due(webhook, 6)
    Delivery.objects.filter(pk=deliveries[-1].pk).update(tries=1)
    rows = claim(webhook).rows
    statuses = [200, 200, 200, 500, 500, 500]
    sent = [answered(row, status, total_ms=30.0) for row, status in zip(rows, statuses, strict=True)]
    outcomes.record(sent[:2])
    outcomes.record(sent[2:])
    cells = Counter.objects.filter(webhook=webhook)
    totals = {
        result: sum(cell.count for cell in cells if cell.result == result) for result in {c.result for c in cells}
    }
    assert totals == {"delivered": 3, "failed": 2, "dead": 1, "lateness": 6}
    assert sum(cell.total_ms for cell in cells if cell.result == "delivered") == pytest.approx(90)
