from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from deliveries.models import Attempt, DeadLetter, Delivery, WebhookState
from deliveries.publishing import publish
from deliveries.queueing import claims
from deliveries.reasons import ReasonCode
from subscriptions import services
from subscriptions.models import SigningSecret
from tests.support.engine import EVENT, claim, claim_one, due, due_one, expire, reread, shift_due, statements, widen
from tests.support.factories import STANDARD_SECRET, make_merchant, make_webhook

pytestmark = pytest.mark.django_db


def test_a_claimed_delivery_is_being_sent_until_its_deadline_and_grace_have_passed() -> None:
    """Promise 4: a row is sent only under a claim that covers its deadline."""
    delivery = due_one(timeout=3)
    row = claim_one(delivery)
    stored = reread(delivery)
    assert stored.status == Delivery.Status.SENDING
    assert stored.claim_token == row.token
    assert stored.due_at is not None
    assert stored.claimed_at is not None
    assert abs(stored.due_at - stored.claimed_at - timedelta(seconds=3 + 5)) < timedelta(seconds=0.1)
    assert row.expires_at == stored.due_at


def test_a_claim_brings_all_that_sending_takes() -> None:
    webhook = make_webhook(
        dialect="standard",
        secret=STANDARD_SECRET,
        headers={"X-Shop": "1"},
        retry_policy={"delays": [1, 2]},
        max_in_flight=7,
        fields=["order.id"],
    )
    publish(EVENT, {"order": {"id": "1045"}}, merchant=webhook.merchant, id="evt_own")
    [row] = claim(webhook).rows
    assert (row.event_id, row.event_type, row.data) == ("evt_own", EVENT, '{"order":{"id":"1045"}}')
    assert (row.attempt, row.tries, row.orphaned_attempts, row.size) == (1, 0, 0, len(row.data))
    told = row.webhook
    assert (told.url, told.dialect, told.timeout, told.cap) == (webhook.url, "standard", 15, 7)
    assert (told.headers, told.fields, told.secrets) == ({"X-Shop": "1"}, ["order.id"], [STANDARD_SECRET])
    assert told.retry_policy is not None
    assert told.retry_policy["delays"] == [1, 2]
    assert (told.merchant, told.domain) == (webhook.merchant.public_id, webhook.merchant.domain)


def test_a_new_webhook_gives_one_delivery_at_a_time() -> None:
    """Promise 5: a webhook that has never answered gets one open request."""
    webhook = make_webhook()
    first, second = due(webhook, 2)
    assert [row.delivery_id for row in claim(webhook).rows] == [first.pk]
    assert claim(webhook).rows == []
    Delivery.objects.filter(pk=first.pk).update(status=Delivery.Status.DELIVERED, due_at=None)
    assert [row.delivery_id for row in claim(webhook).rows] == [second.pk]


def test_one_statement_claims_across_webhooks_each_within_its_own_cap() -> None:
    """Promise 5."""
    merchant = make_merchant()
    narrow, wide, new = make_webhook(merchant, max_in_flight=2), make_webhook(merchant), make_webhook(merchant)
    widen(narrow, wide)
    due(new, 5)  # all three listen to everything
    with statements() as seen:
        batch = claim(narrow, wide, new)
    per_webhook = [
        sum(1 for row in batch.rows if row.webhook.webhook_id == webhook.pk) for webhook in (narrow, wide, new)
    ]
    assert per_webhook == [2, 5, 1]
    assert len(seen) == 3, "turns, claim, and the settings of webhooks that the process did not know"
    assert not batch.full


def test_claims_go_oldest_first_across_webhooks_and_stop_at_the_limit() -> None:
    a, b = make_webhook(), make_webhook()
    widen(a, b)
    late, early, middle = due_one(a), due_one(b), due_one(a)
    shift_due(early, -30)
    shift_due(middle, -20)
    shift_due(late, -10)
    batch = claim(a, b, limit=2)
    assert [row.delivery_id for row in batch.rows] == [early.pk, middle.pk]
    assert batch.full
    assert [row.delivery_id for row in claim(a, b).rows] == [late.pk]


def test_claims_stop_at_the_bytes_allowed_but_always_take_one() -> None:
    """Promise 6: bodies are loaded a few megabytes at a time, and one that is larger than that still goes."""
    webhook = make_webhook()
    widen(webhook)
    due(webhook, 3, text="x" * 1000)
    batch = claim(webhook, max_bytes=2500)
    assert len(batch.rows) == 2
    assert batch.full
    batch = claim(webhook, max_bytes=10)
    assert len(batch.rows) == 1
    assert batch.full


def test_what_is_not_due_yet_is_not_claimed() -> None:
    """Promise 3: never early."""
    delivery = due_one()
    shift_due(delivery, 5)
    assert claim(delivery.webhook).rows == []
    shift_due(delivery, -5)
    assert len(claim(delivery.webhook).rows) == 1


def _pause(webhook: object) -> None:
    services.pause(webhook=webhook, by="test")  # type: ignore[arg-type]


def _disable(webhook: object) -> None:
    type(webhook).objects.update(is_enabled=False)  # type: ignore[attr-defined]


def _delete(webhook: object) -> None:
    type(webhook).objects.update(deleted_at=Now())  # type: ignore[attr-defined]


def _block(webhook: object) -> None:
    WebhookState.objects.create(webhook=webhook, blocked_until=timezone.now() + timedelta(hours=1))


@pytest.mark.parametrize("hold", [_pause, _disable, _delete, _block])
def test_a_webhook_that_may_not_send_gives_nothing(hold: object) -> None:
    delivery = due_one()
    hold(delivery.webhook)  # type: ignore[operator]
    batch = claim(delivery.webhook)
    assert (batch.rows, batch.busy) == ([], [])
    assert reread(delivery).status == Delivery.Status.PENDING


def test_a_webhook_that_was_blocked_gives_again_when_the_time_has_come() -> None:
    delivery = due_one()
    WebhookState.objects.create(webhook=delivery.webhook, blocked_until=timezone.now() - timedelta(seconds=1))
    assert len(claim(delivery.webhook).rows) == 1


def test_url_and_secrets_are_read_at_each_claim() -> None:
    webhook = make_webhook(secret=STANDARD_SECRET)
    due_one(webhook)
    services.update_webhook(webhook=webhook, url="https://new.example.com/hook")
    new = services.rotate_secret(webhook=webhook)
    [row] = claim(webhook).rows
    assert row.webhook.url == "https://new.example.com/hook"
    assert row.webhook.secrets == [STANDARD_SECRET, new]


def test_an_expired_secret_signs_no_more() -> None:
    webhook = make_webhook(secret=STANDARD_SECRET)
    due_one(webhook)
    new = services.rotate_secret(webhook=webhook)
    SigningSecret.objects.filter(expires_at__isnull=False).update(
        created_at=timezone.now() - timedelta(hours=2), expires_at=timezone.now() - timedelta(hours=1)
    )
    assert claim(webhook).rows[0].webhook.secrets == [new]


def test_one_secret_that_cannot_be_decrypted_does_not_hold_up_the_neighbours() -> None:
    """Promise 5: your neighbour's outage is not yours."""
    broken, sound = due_one(), due_one()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE webhooks_subscriptions_signingsecret SET value = 'lost' WHERE webhook_id = %s", [broken.webhook_id]
        )
    assert SigningSecret.objects.filter(webhook=broken.webhook).count() == 1
    assert sound.pk in {row.delivery_id for row in claim(broken.webhook, sound.webhook).rows}


def test_a_claim_that_ran_out_is_logged_as_interrupted_and_claimed_again() -> None:
    """Promise 4: it shows in the log, costs none of the policy's attempts, and goes out under the same message id."""
    delivery = due_one()
    first = claim_one(delivery)
    expire(delivery)
    again = claim_one(delivery)
    assert again.event_id == first.event_id
    assert (first.attempt, again.attempt) == (1, 2)
    assert (again.tries, again.orphaned_attempts) == (0, 1)
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.result, attempt.error) == (1, Attempt.Result.INTERRUPTED, "interrupted")
    assert attempt.decision_code == ReasonCode.SENT_AGAIN
    assert attempt.url == delivery.webhook.url
    stored = reread(delivery)
    assert (stored.attempt_count, stored.tries, stored.orphaned_attempts) == (1, 0, 1)


def test_three_interruptions_in_a_row_end_in_review() -> None:
    """Promise 4: a payload that kills its workers stops."""
    delivery = due_one()
    for _ in range(3):
        claim_one(delivery)
        expire(delivery)
    assert claim(delivery.webhook).rows == []
    stored = reread(delivery)
    assert (stored.status, stored.due_at, stored.claim_token) == (Delivery.Status.DEAD, None, None)
    assert (stored.reason_code, stored.reason_values) == (ReasonCode.WORKER_DIED, {"times": 3})
    dead_letter = DeadLetter.objects.get()
    assert (dead_letter.delivery_id, dead_letter.error, dead_letter.resolved_at) == (delivery.pk, "interrupted", None)
    numbers = list(Attempt.objects.filter(delivery=delivery).values_list("number", "result"))
    assert numbers == [(number, Attempt.Result.INTERRUPTED) for number in (1, 2, 3)]


def test_a_webhook_whose_due_rows_went_to_review_is_looked_at_again() -> None:
    webhook = make_webhook()
    poison, behind = due(webhook, 2)
    for _ in range(3):
        claim(webhook)
        expire(poison)
    batch = claim(webhook)
    assert [row.delivery_id for row in batch.rows] == [behind.pk]
    assert reread(poison).status == Delivery.Status.DEAD
    assert batch.full, "more claims may have run out than one look takes back"


def test_a_claim_that_ran_out_gives_its_place_back() -> None:
    webhook = make_webhook()
    first, _second = due(webhook, 2)
    claim(webhook)
    expire(first)
    assert [row.delivery_id for row in claim(webhook).rows] == [first.pk]


def test_due_webhooks_names_each_webhook_once_and_only_those_with_something_due() -> None:
    """Promise 2: what the sweep reads."""
    merchant = make_merchant()
    busy, waiting, empty, paused = (make_webhook(merchant, events=[EVENT]) for _ in range(4))
    due(busy, 3)
    Delivery.objects.filter(webhook=empty).delete()
    Delivery.objects.filter(webhook=waiting).update(due_at=timezone.now() + timedelta(hours=1))
    services.pause(webhook=paused, by="test")
    assert claims.due_webhooks() == ([busy.pk], [])


@pytest.mark.parametrize(("window", "cap", "sent", "has_place"), [(1, None, 1, False), (2, None, 1, True)])
@pytest.mark.parametrize("own", [False, True], ids=["the installation's cap", "its own cap"])
def test_due_webhooks_leaves_out_those_without_a_place_until_their_claims_run_out(
    window: int, cap: int | None, sent: int, has_place: bool, own: bool
) -> None:
    """Two thousand that hang were woken every second, and looked at in vain before those that could send."""
    webhook = make_webhook(**({"max_in_flight": window} if own else {}))
    rows = due(webhook, sent + 1)
    WebhookState.objects.update_or_create(webhook=webhook, defaults={"window": 9 if own else window})
    assert len(claims.claim([webhook.pk], limit=sent, max_bytes=2**20).rows) == sent
    assert claims.due_webhooks() == ([webhook.pk] if has_place else [], [])
    for row in rows:
        expire(row)
    assert claims.due_webhooks() == ([webhook.pk], [])


def test_due_webhooks_tells_apart_the_webhooks_that_are_off() -> None:
    on, off, gone = due_one(), due_one(), due_one()
    type(off.webhook).objects.filter(pk=off.webhook_id).update(is_enabled=False)
    type(off.webhook).objects.filter(pk=gone.webhook_id).update(deleted_at=Now(), paused_at=Now())
    send, close = claims.due_webhooks()
    assert send == [on.webhook_id]
    assert sorted(close) == sorted([off.webhook_id, gone.webhook_id])
