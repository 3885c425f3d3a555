"""What people read of each reason. Only these tests, and those of pages, know the sentences."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deliveries import sentences
from deliveries.models import Attempt, DeadLetter, Delivery
from deliveries.reasons import CODE_MAX, Reason, ReasonCode, changes, columns, stored
from deliveries.transport import ErrorClass

ROW = {"status_code": 503, "error": "http_error", "delay": 5.0}
"""What the row of a failed attempt holds besides its reason."""

SENTENCES: list[tuple[ReasonCode, dict[str, Any], str]] = [
    (ReasonCode.DELIVERED, {}, "Your endpoint answered 503."),
    (
        ReasonCode.RETRY_SCHEDULED,
        {"next": 2, "of": 4},
        "Your endpoint answered 503; next try in 5 s (attempt 2 of 4).",
    ),
    (
        ReasonCode.RETRY_AFTER_HONOURED,
        {"next": 2, "of": 4},
        "Your endpoint answered 503; next try in 5 s as your endpoint asked (attempt 2 of 4).",
    ),
    (
        ReasonCode.ATTEMPTS_EXHAUSTED,
        {"of": 4},
        "Your endpoint answered 503. That was the last of 4 attempts; it waits for review.",
    ),
    (
        ReasonCode.ATTEMPTS_EXHAUSTED,
        {"of": 1},
        "Your endpoint answered 503. That was the only attempt; it waits for review.",
    ),
    (
        ReasonCode.FINAL_STATUS,
        {},
        "Your endpoint answered 503, which is final under this webhook's retry policy; it waits for review.",
    ),
    (
        ReasonCode.FINAL_STATUS,
        {"rotated_at": "2026-11-03T09:05:00+01:00"},
        "Your endpoint answered 503, which is final under this webhook's retry policy; it waits for review. "
        "The webhook's secret was rotated on 03 November 2026 at 08:05 UTC: does your endpoint know the one in force?",
    ),
    (
        ReasonCode.ENDPOINT_GONE,
        {},
        "Your endpoint answered 503: it wants no more deliveries, so the webhook was disabled.",
    ),
    (
        ReasonCode.PERMANENT_FAILURE,
        {},
        "Your endpoint answered 503. Trying again cannot help until the webhook is changed; it waits for review.",
    ),
    (
        ReasonCode.DELIVERED_LATE,
        {},
        "Your endpoint answered 503. This was recorded after the attempt had counted as interrupted, so it may have "
        "been sent again.",
    ),
    (
        ReasonCode.SUPERSEDED,
        {},
        "It ended after the delivery had been taken over or closed, so nothing followed from it.",
    ),
    (ReasonCode.SENT_AGAIN, {}, "It is sent again now."),
    (
        ReasonCode.WORKER_DIED,
        {"times": 3},
        "Its worker died 3 times in a row while sending it; it waits for review.",
    ),
    (ReasonCode.DELIVERED_EARLIER, {}, "It is delivered: an earlier attempt's success was recorded late."),
    (
        ReasonCode.DISABLED_AT_PUBLISH,
        {"why": "Moved house."},
        "The webhook was disabled when the event was published: Moved house.",
    ),
    (ReasonCode.DISABLED_AT_PUBLISH, {"why": ""}, "The webhook was disabled when the event was published."),
    (
        ReasonCode.FILTERED,
        {"filter": "data.total > `100`", "result": "false"},
        "Filtered out: the filter 'data.total > `100`' is false for this event.",
    ),
    (
        ReasonCode.FILTER_NOT_EVALUATED,
        {"filter": "length(data.x)", "why": "length() takes string, not missing"},
        "Skipped: the filter 'length(data.x)' can't be evaluated for this event: length() takes string, not missing.",
    ),
    (
        ReasonCode.DEBOUNCED,
        {},
        "Debounced: the chosen fields equal those of the last event sent. "
        "Choose a field that always changes, such as updated_at, to receive every event.",
    ),
    (ReasonCode.WEBHOOK_DELETED, {}, "The webhook was deleted before this could be delivered."),
    (
        ReasonCode.WEBHOOK_DISABLED,
        {"why": "Too many failures."},
        "The webhook was disabled before this could be delivered. Too many failures.",
    ),
    (ReasonCode.WEBHOOK_DISABLED, {"why": ""}, "The webhook was disabled before this could be delivered."),
    (
        ReasonCode.EXPIRED,
        {"age": 93600.2, "limit": 86400},
        "Expired: it was 26 h old when its turn came; what is older than 24 h is not sent to this webhook.",
    ),
    (ReasonCode.CANCELLED, {"by": "Ann"}, "Cancelled by Ann."),
    (ReasonCode.DISCARDED, {"by": "Ann", "note": "a test order"}, "Discarded by Ann. a test order"),
    (ReasonCode.DISCARDED, {"by": "Ann", "note": ""}, "Discarded by Ann."),
    (ReasonCode.EXPUNGED, {"by": "ada"}, "The event's payload was expunged by ada."),
    (ReasonCode.ANSWERED_WITH_SUCCESS, {}, "Delivered; your endpoint answered 503."),
    (ReasonCode.ACKNOWLEDGED, {"by": "ada"}, "It was fetched from the feed and acknowledged by ada."),
    (ReasonCode.FETCHED, {}, "Delivered; it was fetched from the feed and acknowledged."),
    (ReasonCode.AWAITS_FETCH, {}, "It waits in the feed to be fetched."),
    (
        ReasonCode.AWAITS_ACKNOWLEDGEMENT,
        {},
        "It was fetched from the feed; the next request with a cursor behind it acknowledges it.",
    ),
    (
        ReasonCode.PAUSED,
        {"since": "2026-11-03T09:05:00+00:00", "by": "anna"},
        "The webhook was paused on 3 November at 09:05 UTC by anna; the event is sent when somebody resumes it.",
    ),
    (
        ReasonCode.PAUSED,
        {"since": "2026-11-03T09:05:00+00:00", "by": ""},
        "The webhook was paused on 3 November at 09:05 UTC; the event is sent when somebody resumes it.",
    ),
    (
        ReasonCode.PAUSED_BY_ITSELF,
        {"since": "2026-11-03T09:05:00+00:00", "by": "auto-pause: 50 failed attempts in a row"},
        "The webhook was paused on 3 November at 09:05 UTC by auto-pause: 50 failed attempts in a row; from time to "
        "time a delivery is tried, and the event is sent as soon as one succeeds or somebody resumes it.",
    ),
    (
        ReasonCode.AWAITS_AFTER_INTERRUPTION,
        {"attempt": 1},
        "Attempt 1 was interrupted and may have been sent; it is sent again under the same message id.",
    ),
    (ReasonCode.AWAITS_REPLAY, {}, "It was asked for again and is sent in a moment."),
    (ReasonCode.NEXT_IN_ORDER, {}, "It is the next in its line and is sent in a moment."),
    (
        ReasonCode.BEHIND_ANOTHER,
        {"ahead": "dlv_1", "state": "in review"},
        "It waits in line behind dlv_1, which is in review.",
    ),
    (ReasonCode.AWAITS_FIRST_ATTEMPT, {}, "It waits for its first attempt."),
    (ReasonCode.AWAITS_RETRY, {"attempt": 1}, "Attempt 1 failed (503); the next one follows."),
    (ReasonCode.BEING_SENT, {}, "It is being sent right now."),
    (ReasonCode.FILTER_ASKED_FOR, {"found": "data.a is 1"}, "Filtered: data.a is 1."),
    (ReasonCode.WEBHOOK_NEWER, {}, "The webhook was made after the event."),
    (ReasonCode.SUBSCRIBED_LATER, {"pattern": "order.*"}, "It listens to order.* only since after the event."),
    (ReasonCode.SUBSCRIPTION_ENDED, {"pattern": "order.*"}, "It stopped listening to order.* before the event."),
    (ReasonCode.NOT_SUBSCRIBED, {"patterns": "file.*"}, "Not subscribed: it listened to file.*."),
    (ReasonCode.NOT_SUBSCRIBED, {"patterns": ""}, "Not subscribed: it listened to nothing."),
]


@pytest.mark.parametrize(("code", "values", "told"), SENTENCES)
def test_each_reason_is_told_in_a_sentence(code: ReasonCode, values: dict[str, Any], told: str) -> None:
    assert sentences.sentence(code, values, **ROW) == told


def test_no_reason_is_left_without_a_sentence() -> None:
    assert set(sentences.SENTENCES) == set(ReasonCode) == {code for code, _values, _told in SENTENCES}
    assert all(len(code) <= CODE_MAX for code in ReasonCode)


@pytest.mark.parametrize(
    ("status_code", "error", "told"),
    [
        (200, "", "Your endpoint answered 200."),
        (500, "http_error", "Your endpoint answered 500."),
        (302, "redirect", "Your endpoint answered 302."),
        (200, "response_timeout", "Your endpoint did not answer in time."),
        (None, "connect_timeout", "Your endpoint did not accept a connection in time."),
        (None, "gremlins", "The attempt failed (gremlins)."),
        (None, "", "Your endpoint gave no answer."),
    ],
)
def test_what_happened_is_told_from_the_status_or_the_error(status_code: int | None, error: str, told: str) -> None:
    assert sentences.sentence(ReasonCode.DELIVERED, status_code=status_code, error=error) == told


@pytest.mark.parametrize("error", [each for each in ErrorClass if each not in {"http_error", "redirect"}])
def test_every_error_of_the_transport_has_words(error: ErrorClass) -> None:
    assert not sentences.sentence(ReasonCode.DELIVERED, error=error).startswith("The attempt failed (")


def test_without_a_reason_there_is_nothing_to_say() -> None:
    assert sentences.sentence("") == ""


def test_a_code_of_a_newer_release_is_still_readable() -> None:
    assert sentences.sentence("endpoint_on_holiday", {"until": 5}) == "Endpoint on holiday."
    assert stored("endpoint_on_holiday", None) is None


@pytest.mark.parametrize("code", ReasonCode)
def test_a_row_without_the_values_of_its_reason_is_still_readable(code: ReasonCode) -> None:
    told = sentences.sentence(code)
    assert told
    assert not set(told) & set("{}")


def test_what_a_person_wrote_is_told_as_written() -> None:
    note = "{happened} {0.__class__} %s"
    assert sentences.sentence(ReasonCode.DISCARDED, {"by": "{by}", "note": note}) == f"Discarded by {{by}}. {note}"


def test_templates_name_values_only() -> None:
    for template in sentences.SENTENCES.values():
        names = [name for _text, name, _spec, _conversion in string.Formatter().parse(template) if name is not None]
        assert all(name.isidentifier() for name in names), template


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (ReasonCode.SENT_AGAIN, "may have reached your endpoint. It is sent again under the same message id."),
        (ReasonCode.WORKER_DIED, "may have reached your endpoint. It is not sent again."),
        (ReasonCode.EXPIRED, "may have reached your endpoint. It is not sent again."),
        (ReasonCode.WEBHOOK_DELETED, "may have reached your endpoint. It is not sent again."),
        (ReasonCode.DELIVERED_EARLIER, "was recorded; the request may have reached your endpoint."),
    ],
)
def test_an_orphaned_attempt_says_that_it_may_have_arrived_and_what_becomes_of_it(code: str, told: str) -> None:
    attempt = Attempt(result=Attempt.Result.INTERRUPTED, error="interrupted", decision_code=code)
    assert attempt.what_happened.endswith(told)


def test_other_attempts_tell_what_the_transport_saw() -> None:
    attempt = Attempt(result=Attempt.Result.FAILED, detail="Your endpoint answered 500.", decision_code="final_status")
    assert attempt.what_happened == "Your endpoint answered 500."


def test_an_attempt_words_its_decision_from_its_own_row() -> None:
    answered_at = datetime(2026, 11, 3, tzinfo=UTC)
    attempt = Attempt(
        status_code=500,
        error="http_error",
        answered_at=answered_at,
        next_at=answered_at + timedelta(seconds=12.5),
        decision_code="retry_scheduled",
        decision_values={"next": 3, "of": 4},
    )
    assert attempt.decision == "Your endpoint answered 500; next try in 12 s (attempt 3 of 4)."


def test_deliveries_and_dead_letters_word_their_reason_from_their_own_row() -> None:
    reason = changes(Reason(ReasonCode.ATTEMPTS_EXHAUSTED, {"of": 4}))
    told = "Your endpoint answered 500. That was the last of 4 attempts; it waits for review."
    assert Delivery(last_status_code=500, last_error="http_error", **reason).reason == told
    assert DeadLetter(status_code=500, error="http_error", **reason).reason == told
    assert Delivery(**changes(None)).reason == ""


def test_a_reason_survives_its_columns() -> None:
    reason = Reason(ReasonCode.CANCELLED, {"by": "Ann"})
    assert stored(*columns(reason)) == reason
    assert columns(Reason(ReasonCode.DEBOUNCED)) == ("debounced", None)
    assert columns(None) == ("", None)
    assert stored("", None) is None
