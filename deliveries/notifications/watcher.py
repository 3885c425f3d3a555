"""One look at what is new: dead letters, runs of failures, failure rates; webhooks that fail for long are paused.

In one transaction, by one process at a time: notices, events, pauses and the place we got to stand or fall together, so
nothing is told twice by this module and nothing is lost. Events about dead letters have a place of their own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from deliveries.maintenance.turns import turn
from deliveries.models import Attempt, DeadLetter, MaintenanceTask, Notice, Watch, WebhookState
from deliveries.models.attempts import DECISION_COLUMNS
from deliveries.notifications import (
    auto_pause,
    certificates,
    dead_letter_events,
    failure_rates,
    new_dead_letters,
    notices,
    operational_events,
)
from deliveries.notifications.notices import Occurrence
from deliveries.notifications.operational_events import OperationalEvent
from deliveries.reasons import DISABLED_AS_GONE
from deliveries.sentences import counted
from subscriptions.conf import settings
from subscriptions.logs import get_logger
from subscriptions.models import Webhook

log = get_logger(__name__)

WORTH_TELLING = 5
"""Failures in a row after which the end of the run is told, if nothing of it was told before."""
PATIENCE = 5.0
"""Seconds a look goes on with new dead letters, a transaction for each `new_dead_letters.BATCH` of them."""
SLACK = timedelta(minutes=1)
"""By how much moments that different hosts and transactions gave may differ."""

_EVENTS = {
    Notice.Kind.FAILING: "webhook.failing",
    Notice.Kind.RECOVERED: "webhook.recovered",
    Notice.Kind.FAILURE_RATE: "webhook.failure_rate",
    Notice.Kind.DISABLED: "webhook.disabled",
    Notice.Kind.PAUSED: "webhook.paused",
}
_WATCHED = [column.attname for column in Watch._meta.concrete_fields if not column.primary_key]


@dataclass(slots=True)
class Seen:
    """What one look found."""

    occurrences: list[Occurrence] = field(default_factory=list)
    news: list[OperationalEvent] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)

    def tell(self, webhook: Webhook, kind: Notice.Kind, at: datetime, reason: str, *, failed_since: datetime) -> None:
        """Write a notice about a webhook; publish it too, unless only deliveries of such events failed."""
        self.occurrences.append(Occurrence(webhook.merchant_id, webhook.pk, kind, at, at, reason))
        if operational_events.failed_for_others(webhook.pk, failed_since):
            self.news.append(operational_events.about(webhook, _EVENTS[kind], reason, at))


def look() -> int:
    """Look once; return how many notices were added to. Does nothing while another process is at it.

    Dead letters are read until there are no more, for PATIENCE at most: nobody's wait behind another's for a next look.
    """
    until = time.monotonic() + PATIENCE
    added, is_more = _look()
    while is_more and time.monotonic() < until:
        more, is_more = _look_at_dead_letters()
        added += more
    dead_letter_events.publish_new()
    return added


def _look() -> tuple[int, bool]:
    with transaction.atomic():
        place = turn("notices")
        if place is None:
            return 0, False
        seen = Seen()
        certificates.look(seen)
        is_more = _dead_letters(place, seen)
        states = list(_states())
        high = failure_rates.high([state for state in states if _failed_lately(state)])
        for state in states:
            _record_state(state, high.get(state.webhook_id), seen)
        notices.write(seen.occurrences)
        operational_events.publish(seen.news)
        Watch.objects.bulk_create(
            seen.watches, update_conflicts=True, unique_fields=["webhook"], update_fields=_WATCHED, batch_size=500
        )
        place.save()
    return len(seen.occurrences), is_more


def _look_at_dead_letters() -> tuple[int, bool]:
    with transaction.atomic():
        place = turn("notices")
        if place is None:
            return 0, False
        seen = Seen()
        is_more = _dead_letters(place, seen)
        notices.write(seen.occurrences)
        place.save()
    return len(seen.occurrences), is_more


def _dead_letters(place: MaintenanceTask, seen: Seen) -> bool:
    """Tell of the next new dead letters, one occurrence a webhook; return whether there may be more."""
    dead_letter_events.begin_at(place)
    found = new_dead_letters.new(place)
    by_webhook: dict[int, list[new_dead_letters.Row]] = {}
    for row in found:
        by_webhook.setdefault(row.webhook_id, []).append(row)
    newest = DeadLetter.objects.in_bulk([group[-1].pk for group in by_webhook.values()])
    for webhook_id, group in by_webhook.items():
        times, last = [row.created_at for row in group], newest.get(group[-1].pk)
        reason = last.reason if last is not None else ""  # purged in this moment
        kind = Notice.Kind.DEAD
        seen.occurrences.append(
            Occurrence(group[-1].merchant_id, webhook_id, kind, min(times), max(times), reason, count=len(group))
        )
    new_dead_letters.advance(place, found)
    return len(found) == new_dead_letters.BATCH


def _states() -> QuerySet[WebhookState]:
    """Return the states of live webhooks where something may have changed."""
    since = timezone.now() - timedelta(seconds=settings.WEBHOOKS_FAILURE_RATE_WINDOW)
    changed = Q(failing_since__isnull=False) | Q(last_failure_at__gte=since)
    known = Q(webhook__watch__failing_since__isnull=False) | Q(webhook__watch__rate_is_high=True)
    paused = Q(webhook__watch__paused_at__isnull=False)
    untold = Q(webhook__watch__disabled_at=None) | Q(webhook__watch__disabled_at__lt=F("webhook__disabled_at"))
    disabled = Q(webhook__is_enabled=False, webhook__disabled_reason=DISABLED_AS_GONE) & untold
    rows = WebhookState.objects.filter(changed | known | paused | disabled, webhook__deleted_at=None)
    return rows.select_related("webhook__watch").order_by("webhook_id")


def _failed_lately(state: WebhookState) -> bool:
    since = timezone.now() - timedelta(seconds=settings.WEBHOOKS_FAILURE_RATE_WINDOW)
    return state.webhook.is_enabled and state.last_failure_at is not None and state.last_failure_at >= since


def _record_state(state: WebhookState, rate: failure_rates.Rate | None, seen: Seen) -> None:
    watch = getattr(state.webhook, "watch", None) or Watch(webhook=state.webhook)
    before = {name: getattr(watch, name) for name in _WATCHED}
    _run_of_failures(state, watch, seen)
    _rate(state, watch, rate, seen)
    _disabled(state, watch, seen)
    auto_pause.step(state, watch, seen)
    if watch._state.adding or before != {name: getattr(watch, name) for name in _WATCHED}:
        seen.watches.append(watch)


def _run_of_failures(state: WebhookState, watch: Watch, seen: Seen) -> None:
    told = watch.failing_since
    over = told is not None and state.failing_since != told  # it holds through a run; a success empties it
    if told is not None and over and _is_worth_telling(state.webhook_id, told, watch.failures):
        words = f"It failed {counted(watch.failures, 'time')} in a row and was then answered with success."
        seen.tell(state.webhook, Notice.Kind.RECOVERED, state.last_success_at or told, words, failed_since=told)
    if over or state.failing_since is None:
        watch.failing_since, watch.failures = None, 0
    if state.failing_since is None:
        return
    if watch.failing_since is None:
        watch.failing_since = state.failing_since
        reason = reason_of_last_failure(state.webhook_id)
        seen.tell(state.webhook, Notice.Kind.FAILING, state.failing_since, reason, failed_since=state.failing_since)
    watch.failures = max(watch.failures, state.failures)


def _is_worth_telling(webhook_id: int, since: datetime, failures: int) -> bool:
    serious = [Notice.Kind.DEAD, Notice.Kind.FAILURE_RATE, Notice.Kind.PAUSED]
    told = Notice.objects.filter(webhook_id=webhook_id, kind__in=serious, last_at__gte=since - SLACK)
    return failures >= WORTH_TELLING or told.exists()


def _rate(state: WebhookState, watch: Watch, rate: failure_rates.Rate | None, seen: Seen) -> None:
    if rate is not None and not watch.rate_is_high:
        seen.tell(state.webhook, Notice.Kind.FAILURE_RATE, timezone.now(), rate.words(), failed_since=rate.since)
    watch.rate_is_high = rate is not None


def _disabled(state: WebhookState, watch: Watch, seen: Seen) -> None:
    """Tell of a webhook that its endpoint had disabled; what people do themselves is no news to them."""
    webhook = state.webhook
    moment = webhook.disabled_at
    if webhook.is_enabled or moment is None or watch.disabled_at == moment:
        return
    if webhook.disabled_reason != DISABLED_AS_GONE:
        return
    watch.disabled_at = moment
    failed_since = moment - timedelta(seconds=settings.WEBHOOKS_FAILURE_RATE_WINDOW)
    seen.tell(webhook, Notice.Kind.DISABLED, moment, DISABLED_AS_GONE, failed_since=failed_since)


def reason_of_last_failure(webhook_id: int) -> str:
    """Return the decision on the newest failed attempt, a sentence: "The endpoint answered 500; next try in 5 s …"."""
    rows = Attempt.objects.filter(webhook_id=webhook_id).order_by("-id").only("result", *DECISION_COLUMNS)[:50]
    return next((attempt.decision for attempt in rows if attempt.result == Attempt.Result.FAILED), "")
