"""Half-open: webhooks that we paused are tried with one delivery at a time, whatever becomes of the worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deliveries.models import Attempt, Delivery, Notice, Watch, WebhookState
from deliveries.notifications import watcher
from deliveries.queueing import ordering
from deliveries.recording import outcomes
from deliveries.worker import probes
from deliveries.worker.engine import Engine
from subscriptions import services
from subscriptions.conf import settings
from subscriptions.models import Webhook
from tests.support.engine import answered, claim, due, due_one, expire, reread
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


class Outlet:
    """Stands where the sender does: keeps what is submitted, so that a test can answer it."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def submit(self, rows: Any) -> None:
        self.rows += rows

    def answer(self, status: int | None) -> None:
        outcomes.record([answered(row, status) for row in self.rows])
        self.rows.clear()


@pytest.fixture
def outlet(monkeypatch: pytest.MonkeyPatch) -> Outlet:
    parts = Engine()
    outlet = Outlet()
    monkeypatch.setattr(parts, "sender", outlet)
    monkeypatch.setattr(probes, "engine", lambda: parts)
    return outlet


@pytest.fixture
def paused(settings: Any) -> Webhook:
    """A webhook that we paused with three deliveries waiting, and whose time for a probe has come."""
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES, settings.WEBHOOKS_AUTO_PAUSE_AFTER = 3, 0.0
    webhook = make_webhook()
    for delivery in due(webhook, 3):
        outcomes.record([answered(row, 503) for row in claim(webhook, limit=1).rows])
        del delivery
    watcher.look()
    Delivery.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    let_its_time_come()
    webhook.refresh_from_db()
    assert webhook.paused_at is not None
    return webhook


def let_its_time_come() -> None:
    Watch.objects.update(probe_at=timezone.now() - timedelta(seconds=1))


def test_a_paused_webhook_is_tried_with_exactly_one_delivery(paused, outlet):
    assert claim(paused).rows == [], "dispatchers claim nothing"
    assert probes.send() == 1
    assert probes.send() == 0
    [row] = outlet.rows
    oldest = Delivery.objects.order_by("due_at", "pk").filter(webhook=paused).exclude(status="sending").count()
    assert oldest == 2
    assert reread(Delivery.objects.get(pk=row.delivery_id)).status == Delivery.Status.SENDING
    paused.refresh_from_db()
    assert paused.paused_at is not None


def test_it_is_not_tried_before_its_time(paused, outlet):
    Watch.objects.update(probe_at=timezone.now() + timedelta(seconds=60))
    assert probes.send() == 0


def test_a_success_resumes_it_and_is_told(paused, outlet):
    probes.send()
    outlet.answer(200)
    assert probes.conclude() == 1
    paused.refresh_from_db()
    assert paused.paused_at is None
    assert claim(paused).rows != [], "deliveries flow again"
    watcher.look()
    assert Notice.objects.filter(kind=Notice.Kind.RECOVERED).count() == 1
    paused.refresh_from_db()
    assert paused.paused_at is None


def test_a_success_resumes_it_though_another_of_the_same_second_was_known(paused, outlet):
    """The state leaves such a success out; the probe's own delivery tells of it."""
    probes.send()
    just_before = Watch.objects.get().probed_at - timedelta(milliseconds=1)
    state = WebhookState.objects.filter(webhook=paused)
    state.update(failures=0, failing_since=None, last_success_at=just_before, window=2)
    outlet.rows[0].window = 1
    outlet.answer(200)
    assert state.get().last_success_at == just_before
    assert probes.conclude() == 1


def test_a_failure_keeps_it_paused_costs_no_try_and_doubles_the_wait(paused, outlet):
    probes.send()
    [row] = outlet.rows
    outlet.answer(503)
    assert probes.conclude() == 0
    delivery = Delivery.objects.get(pk=row.delivery_id)
    assert (delivery.status, delivery.tries, delivery.attempt_count) == (Delivery.Status.RETRYING, 1, 2)
    assert Attempt.objects.filter(delivery=delivery).count() == 2, "the log shows it"
    paused.refresh_from_db()
    assert paused.paused_at is not None
    state = Watch.objects.get()
    assert state.probe_wait == 2 * settings.WEBHOOKS_PROBE_WAIT
    assert state.probe_at is not None
    assert state.probe_at > timezone.now() + timedelta(seconds=1.9 * settings.WEBHOOKS_PROBE_WAIT)


def test_probes_never_end_a_chain_of_attempts(paused, outlet):
    Delivery.objects.update(tries=50)  # the next failure would be the last
    for _ in range(6):
        let_its_time_come()
        Delivery.objects.filter(status="retrying").update(due_at=timezone.now() - timedelta(minutes=1))
        assert probes.send() == 1
        outlet.answer(503)
        probes.conclude()
    assert Delivery.objects.filter(status=Delivery.Status.RETRYING, tries=50).count() == 3
    assert Watch.objects.get().probe_wait == settings.WEBHOOKS_PROBE_WAIT_MAX


def test_a_probe_without_an_outcome_yet_is_waited_for(paused, outlet):
    probes.send()
    assert probes.conclude() == 0
    assert Watch.objects.get().probe_delivery == outlet.rows[0].delivery_id


def test_a_webhook_that_a_person_paused_is_not_tried(outlet):
    webhook = make_webhook()
    due_one(webhook)
    services.pause(webhook=webhook, by="ada")
    assert probes.send() == 0


def test_resumed_and_paused_again_by_a_person_it_is_theirs(paused, outlet):
    probes.send()
    services.resume(webhook=paused, by="ada")
    services.pause(webhook=paused, by="ada")
    outlet.answer(200)
    assert probes.conclude() == 0
    paused.refresh_from_db()
    assert paused.paused_by == "ada"


def test_a_disabled_or_deleted_webhook_is_not_tried(paused, outlet):
    services.disable(webhook=paused)
    assert probes.send() == 0


def test_with_nothing_to_send_nothing_is_tried(paused, outlet):
    Delivery.objects.update(status="cancelled", due_at=None)
    assert probes.send() == 0


@pytest.fixture
def paused_in_order(settings: Any) -> Webhook:
    """A webhook that keeps an order, which we paused with its first delivery failing and others held behind it."""
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES, settings.WEBHOOKS_AUTO_PAUSE_AFTER = 1, 0.0
    webhook = make_webhook(ordering="webhook")
    due(webhook, 3)
    ordering.heal()
    outcomes.record([answered(row, 503) for row in claim(webhook, limit=1).rows])
    watcher.look()
    webhook.refresh_from_db()
    assert webhook.paused_at is not None
    Delivery.objects.filter(status="retrying").update(due_at=timezone.now() - timedelta(minutes=1))
    let_its_time_come()
    return webhook


@pytest.mark.parametrize("which", ["paused", "paused_in_order"])
@pytest.mark.parametrize("died", [1, 2])
def test_a_probe_whose_worker_died_is_tried_again_when_its_claim_has_run_out(which, died, outlet, request):
    webhook = request.getfixturevalue(which)
    for _ in range(died):
        assert probes.send() == 1
        [row] = outlet.rows
        outlet.rows.clear()  # killed
        probes.conclude()
        assert Watch.objects.get().probe_delivery == row.delivery_id, "its claim is in force"
        expire(Delivery.objects.get(pk=row.delivery_id))
        probes.conclude()
        delivery = Delivery.objects.get(pk=row.delivery_id)
        assert (delivery.status, delivery.claim_token) == (Delivery.Status.RETRYING, None)
        assert delivery.tries == 1, "it costs none"
        assert Attempt.objects.filter(delivery=delivery, result=Attempt.Result.INTERRUPTED).exists()
    assert Watch.objects.get().probe_wait == settings.WEBHOOKS_PROBE_WAIT, "that was no failure of the endpoint's"
    assert probes.send() == 1
    outlet.answer(200)
    assert probes.conclude() == 1
    webhook.refresh_from_db()
    assert webhook.paused_at is None


def test_a_probe_that_kills_its_workers_ends_in_review(paused_in_order, outlet):
    for _ in range(settings.WEBHOOKS_ORPHANED_ATTEMPTS_MAX):
        assert probes.send() == 1
        [row] = outlet.rows
        outlet.rows.clear()
        expire(Delivery.objects.get(pk=row.delivery_id))
        probes.conclude()
    assert Delivery.objects.get(pk=row.delivery_id).status == Delivery.Status.DEAD
    assert probes.send() == 0, "it blocks its line until a person decides"


@pytest.mark.parametrize("why", ["deleted", "disabled", "resumed", "nothing to send"])
def test_webhooks_that_cannot_be_tried_do_not_stand_before_others(paused, outlet, monkeypatch, why):
    other = make_webhook(paused.merchant)
    for delivery in due(other, 3):
        outcomes.record([answered(row, 503) for row in claim(other, limit=1).rows])
        del delivery
    if why == "nothing to send":
        Delivery.objects.filter(webhook=paused).update(status="cancelled", due_at=None)
    elif why == "deleted":
        services.delete_webhook(webhook=paused)
    elif why == "disabled":
        services.disable(webhook=paused)
    else:
        services.resume(webhook=paused, by="ada")
        services.pause(webhook=paused, by="ada")
    watch, before = Watch.objects.get(webhook=paused), timezone.now() - timedelta(hours=1)
    watcher.look()
    Watch.objects.filter(webhook=paused).update(paused_at=watch.paused_at, probe_at=before)
    Watch.objects.filter(webhook=other).update(probe_at=before + timedelta(minutes=1))
    Delivery.objects.filter(webhook=other).update(due_at=before)
    monkeypatch.setattr(probes, "BATCH", 1)
    assert [probes.send(), probes.send()] in ([0, 1], [1, 0]), "at most one round is lost to it"


def test_a_probes_success_does_not_resume_what_a_person_is_pausing_at_this_moment(paused, outlet, monkeypatch):
    """Between the look at the webhook and its lock."""
    probes.send()
    outlet.answer(200)
    succeeded = probes._succeeded

    def meanwhile(*given: Any) -> bool:
        services.resume(webhook=Webhook.objects.get(pk=paused.pk), by="ada")
        services.pause(webhook=Webhook.objects.get(pk=paused.pk), by="ada")
        return succeeded(*given)

    monkeypatch.setattr(probes, "_succeeded", meanwhile)
    assert probes.conclude() == 0
    paused.refresh_from_db()
    assert paused.paused_by == "ada"


def test_a_merchants_paused_webhook_does_not_wait_behind_all_of_anothers(paused, outlet, monkeypatch):
    """Whoever has many due, for longer, is tried in turn with the others; within a merchant the oldest comes first."""
    now = timezone.now()
    monkeypatch.setattr(probes, "BATCH", 2)
    crowd = [make_webhook(paused.merchant) for _ in range(4)]
    other = make_webhook()
    for number, webhook in enumerate([*crowd, other]):
        due_one(webhook)
        Webhook.objects.filter(pk=webhook.pk).update(paused_at=now)
        when = now - timedelta(seconds=60 - number)
        Watch.objects.update_or_create(webhook=webhook, defaults={"paused_at": now, "probe_at": when, "probe_wait": 60})
    assert paused.merchant_id != other.merchant_id
    assert probes.send() == 2
    tried = Watch.objects.filter(probe_delivery__isnull=False).values_list("webhook_id", flat=True)
    assert set(tried) == {crowd[0].pk, other.pk}
    while probes.send():
        pass
    assert Watch.objects.filter(probe_delivery__isnull=False).count() == 6, "all have their turn"
