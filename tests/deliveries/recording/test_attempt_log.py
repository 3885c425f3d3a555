"""What the log keeps of an attempt, and what it never shows."""

from __future__ import annotations

import json
import time

import pytest

from deliveries import dialects, sentences
from deliveries.models import Attempt
from deliveries.reasons import ReasonCode
from deliveries.recording import outcomes
from deliveries.sending.masking import MASKED
from deliveries.sending.rendering import render
from deliveries.sending.sender import Sent
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions.models import Webhook
from tests.support.engine import answered, claim_one, due_one, expire
from tests.support.factories import PLAIN_SECRET

pytestmark = pytest.mark.django_db


def test_a_secret_that_is_sent_as_a_header_is_masked_in_the_log() -> None:
    """Promise 10: Shopery's documents send the secret itself."""
    delivery = due_one(dialect="shopery", secret=PLAIN_SECRET)
    row = claim_one(delivery)
    request = render(row, row.data, delivery.created_at)
    assert PLAIN_SECRET in dict(request.headers).values()
    outcomes.record([answered(row, request=request)])
    attempt = Attempt.objects.get()
    assert PLAIN_SECRET not in attempt.request_headers
    logged = {name.lower(): value for name, value in attempt.sent_headers}
    assert logged["x-shopery-secret"] == MASKED
    assert logged["webhook-id"] == row.event_id


@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_no_dialect_leaves_its_secret_in_the_log(dialect: str) -> None:
    """Promise 10."""
    delivery = due_one(dialect=dialect)
    row = claim_one(delivery)
    [secret] = row.webhook.secrets
    outcomes.record([answered(row, request=render(row, row.data, delivery.created_at))])
    assert secret not in json.dumps(
        Attempt.objects.values_list("request_headers", "detail", "decision_values", "url")[0]
    )


def test_a_failure_that_came_too_late_promises_no_next_attempt() -> None:
    """Promise 9: another worker had taken the delivery over, so what this one would have decided never holds."""
    delivery = due_one()
    late = claim_one(delivery)
    expire(delivery)
    present = claim_one(delivery)
    recorded = outcomes.record([answered(late, 500)])
    assert recorded.countdowns == {}
    attempt = Attempt.objects.get(result="failed")
    assert attempt.next_at is None
    assert attempt.decision_code == ReasonCode.SUPERSEDED
    outcomes.record([answered(present, 500)])
    attempt = Attempt.objects.filter(result="failed").latest("pk")
    assert attempt.next_at is not None
    assert attempt.decision_code == ReasonCode.RETRY_SCHEDULED


def test_any_bytes_of_an_answer_survive_in_the_log() -> None:
    """Promise 6."""
    raw = bytes(range(256))
    headers = (("X-Odd", "a\\x00b"), ("X-Latin", "\xe9"))
    outcomes.record([answered(claim_one(due_one()), body=raw, headers=headers, body_truncated=True)])
    attempt = Attempt.objects.get()
    assert bytes(attempt.response_body) == raw
    assert attempt.answer_headers == list(headers)
    assert attempt.response_truncated


def test_a_request_that_could_not_be_made_is_logged_with_the_reason() -> None:
    """Promise 9."""
    row = claim_one(due_one())
    outcome = Outcome(error=ErrorClass.INTERNAL, detail="The request could not be made: why.", total_ms=0.0)
    now = time.monotonic()
    outcomes.record([Sent(row, None, outcome, now, now)])
    attempt = Attempt.objects.get()
    assert (attempt.error, attempt.detail, attempt.digest) == ("internal", outcome.detail, "")


def test_a_dialect_that_this_release_does_not_know_ends_in_the_log_and_not_in_silence() -> None:
    """Promise 9: a webhook of a newer release, or one that was taken out."""
    delivery = due_one()
    Webhook.objects.filter(pk=delivery.webhook_id).update(dialect="morse")
    row = claim_one(delivery)
    outcome = Outcome(error=ErrorClass.INTERNAL, detail="The request could not be made: morse.", permanent=True)
    now = time.monotonic()
    outcomes.record([Sent(row, None, outcome, now, now)])
    assert Attempt.objects.count() == 1


def test_the_digest_in_the_log_is_of_the_body_as_sent() -> None:
    request = Request("https://shop.example.com/hook", [("webhook-id", "x")], b"abc", 1.0, 1.0)
    outcomes.record([answered(claim_one(due_one()), request=request)])
    attempt = Attempt.objects.get()
    assert attempt.request_size == 3
    assert attempt.digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_digest_is_kept_in_bytes_and_those_of_earlier_releases_are_read_as_they_were() -> None:
    request = Request("https://shop.example.com/hook", [("webhook-id", "x")], b"abc", 1.0, 1.0)
    outcomes.record([answered(claim_one(due_one()), request=request)])
    attempt = Attempt.objects.get()
    told, kept = attempt.digest, bytes(attempt.request_sha256 or b"")
    assert (attempt.request_digest, kept) == ("", bytes.fromhex(told))
    Attempt.objects.update(request_sha256=None, request_digest=told)
    assert Attempt.objects.get().digest == told


@pytest.mark.parametrize("status", [200, 204, 299])
def test_what_the_status_of_a_success_tells_is_not_kept_besides(status: int) -> None:
    said = sentences.answered(status)
    outcomes.record([answered(claim_one(due_one()), status, detail=said)])
    attempt = Attempt.objects.get()
    assert attempt.detail == ""
    assert attempt.what_happened == said


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, "Your endpoint answered 200 OK. It sent more than 64 KiB."),
        (201, "Your endpoint answered 200 OK."),
        (500, "Your endpoint answered 500 Internal Server Error."),
        (None, "It didn't answer."),
    ],
)
def test_what_says_more_is_kept(status: int | None, said: str) -> None:
    outcomes.record([answered(claim_one(due_one()), status, detail=said)])
    attempt = Attempt.objects.get()
    assert attempt.detail == attempt.what_happened == said
