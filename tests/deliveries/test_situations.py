"""Every sentence about a delivery is true: it is said in the situation that it describes, made by the engine itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from deliveries import sentences
from deliveries.reasons import ReasonCode
from subscriptions.models import Webhook
from tests.support import situations
from tests.support.situations import told

pytestmark = pytest.mark.django_db

SITUATIONS: list[tuple[ReasonCode, Callable[[], Webhook], str]] = [
    (ReasonCode.DELIVERED, situations.delivered, "Your endpoint answered 200."),
    (ReasonCode.RETRY_SCHEDULED, situations.fails_first, r"answered 503; next try in 5\S* s \(attempt 2 of \d+\)\."),
    (ReasonCode.RETRY_AFTER_HONOURED, situations.asks_to_wait, "next try in 1 min as your endpoint asked"),
    (ReasonCode.ATTEMPTS_EXHAUSTED, situations.fails_last, "That was the only attempt; it waits for review."),
    (ReasonCode.FINAL_STATUS, situations.refuses_for_good, "answered 422, which is final under this webhook's"),
    (ReasonCode.ENDPOINT_GONE, situations.says_gone, "answered 410: it wants no more deliveries, so the webhook was"),
    (ReasonCode.PERMANENT_FAILURE, situations.cannot_be_reached_until_changed, "cannot help until the webhook is"),
    (ReasonCode.DELIVERED_LATE, situations.delivers_late, "answered 200. This was recorded after the attempt had"),
    (ReasonCode.SUPERSEDED, situations.answers_late, "It ended after the delivery had been taken over or closed"),
    (ReasonCode.SENT_AGAIN, situations.loses_its_worker, "It is sent again now."),
    (ReasonCode.WORKER_DIED, situations.loses_its_worker_thrice, "Its worker died 3 times in a row"),
    (ReasonCode.DELIVERED_EARLIER, situations.delivers_late, "an earlier attempt's success was recorded late"),
    (ReasonCode.DISABLED_AT_PUBLISH, situations.disabled_before, "disabled when the event was published: Moved house."),
    (ReasonCode.FILTERED, situations.filtered_by_what_no_words_explain, "Filtered out: the filter '`false`' is false"),
    (ReasonCode.FILTER_ASKED_FOR, situations.filtered, "Filtered: data.n is 1, the filter asks for > 5."),
    (
        ReasonCode.FILTER_NOT_EVALUATED,
        situations.not_evaluated,
        r"the filter 'length\(data.nothing\) > `1`' can't",
    ),
    (ReasonCode.DEBOUNCED, situations.debounced, "Debounced: the chosen fields equal those of the last event sent."),
    (ReasonCode.WEBHOOK_DELETED, situations.deleted_after, "The webhook was deleted before this could be delivered."),
    (ReasonCode.WEBHOOK_DISABLED, situations.disabled_after, "disabled before this could be delivered. Moved house."),
    (ReasonCode.EXPIRED, situations.expired, "Expired: it was 2 d old when its turn came; what is older than 1 min"),
    (ReasonCode.CANCELLED, situations.cancelled, "Cancelled by Ann."),
    (ReasonCode.DISCARDED, situations.discarded, "Discarded by Ann. A test order."),
    (ReasonCode.EXPUNGED, situations.expunged, "The event's payload was expunged by ada."),
    (ReasonCode.ANSWERED_WITH_SUCCESS, situations.delivered, "Delivered; your endpoint answered 200."),
    (ReasonCode.AWAITS_FETCH, situations.waits_in_a_feed, "It waits in the feed to be fetched."),
    (ReasonCode.AWAITS_ACKNOWLEDGEMENT, situations.was_fetched, "It was fetched from the feed; the next request with"),
    (ReasonCode.ACKNOWLEDGED, situations.was_acknowledged, "It was fetched from the feed and acknowledged by ada."),
    (ReasonCode.FETCHED, situations.was_acknowledged, "Delivered; it was fetched from the feed and acknowledged."),
    (ReasonCode.PAUSED, situations.paused_by_a_person, "by anna; the event is sent when somebody resumes it."),
    (ReasonCode.PAUSED_BY_ITSELF, situations.paused_by_itself, "by auto-pause: .*as soon as one succeeds or somebody"),
    (ReasonCode.NEXT_IN_ORDER, situations.next_in_line, "It is the next in its line and is sent in a moment."),
    (ReasonCode.BEHIND_ANOTHER, situations.held_in_line, "It waits in line behind dlv_[0-9A-Z]+, which is pending."),
    (ReasonCode.AWAITS_FIRST_ATTEMPT, situations.waits, "It waits for its first attempt."),
    (ReasonCode.AWAITS_RETRY, situations.fails_first, r"Attempt 1 failed \(503\); the next one follows."),
    (ReasonCode.AWAITS_AFTER_INTERRUPTION, situations.loses_its_worker, "Attempt 1 was interrupted and may have been"),
    (ReasonCode.AWAITS_REPLAY, situations.replayed_after_it_was_delivered, "It was asked for again and is sent in a"),
    (ReasonCode.AWAITS_REPLAY, situations.replayed_after_it_was_skipped, "It was asked for again and is sent in a"),
    (ReasonCode.BEING_SENT, situations.being_sent, "It is being sent right now."),
    (ReasonCode.WEBHOOK_NEWER, situations.made_after_the_event, "The webhook was made after the event."),
    (ReasonCode.SUBSCRIBED_LATER, situations.subscribed_after_the_event, r"It listens to order.\* only since after"),
    (ReasonCode.SUBSCRIPTION_ENDED, situations.stopped_before_the_event, r"It stopped listening to order.\* before"),
    (ReasonCode.NOT_SUBSCRIBED, situations.not_subscribed, "Not subscribed: it listened to file.uploaded."),
    (ReasonCode.NOT_SUBSCRIBED, situations.not_subscribed_then, "Not subscribed: it listened to file.uploaded."),
]


@pytest.fixture(autouse=True)
def _pauses_soon(settings: Any) -> None:
    settings.WEBHOOKS_AUTO_PAUSE_FAILURES, settings.WEBHOOKS_AUTO_PAUSE_AFTER = 1, 1.0


@pytest.mark.parametrize(("code", "situation", "sentence"), SITUATIONS)
def test_a_sentence_is_said_in_its_situation(code: ReasonCode, situation: Callable[[], Webhook], sentence: str) -> None:
    found = told(situation())

    matching = [text for text in found if re.search(sentence, text)]
    assert matching, found
    assert any(pattern_of(code).search(text) for text in matching), (sentences.SENTENCES[code], matching)
    for text in found:
        assert text[0].isupper() or text[0].isdigit(), text
        assert text.endswith((".", "?")), text
        assert sentences.UNKNOWN not in text, text
        assert "()" not in text.replace("length()", ""), text
        assert "None" not in text, text


def pattern_of(code: ReasonCode) -> re.Pattern[str]:
    """Return what matches the sentences that a template makes, whatever its values."""
    parts = re.split(r"\{[^}]*\}", sentences.SENTENCES[code])
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL)


def test_there_is_a_situation_for_every_reason() -> None:
    assert {code for code, _situation, _sentence in SITUATIONS} == set(ReasonCode)


ORPHANED = [
    (situations.loses_its_worker, "It is sent again under the same message id."),
    (situations.loses_its_worker_thrice, "It is not sent again."),
    (situations.delivers_late, "It was being sent again when the success of an earlier attempt"),
]


@pytest.mark.parametrize(("situation", "sentence"), ORPHANED)
def test_what_is_said_of_an_interrupted_attempt_is_what_follows(
    situation: Callable[[], Webhook], sentence: str
) -> None:
    assert any(sentence in text and "may have reached your endpoint" in text for text in told(situation()))


def test_a_rotated_secret_is_asked_about_where_the_endpoint_refuses_the_signature() -> None:
    found = told(situations.unauthorized_after_a_rotation())

    assert any(
        re.search(r"secret was rotated on .* UTC: does your endpoint know the one in force\?$", each) for each in found
    )
