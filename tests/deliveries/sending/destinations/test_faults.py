"""What each destination's faults become: tried again or not, in words that say what happened and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deliveries.admin import labels
from deliveries.management.receiver import Answer
from deliveries.management.receiver.server import HttpServer
from tests.support.clouds import eventbridge_settings, pubsub_settings, sqs_settings
from tests.support.factories import make_webhook
from tests.support.one_attempt import attempt

pytestmark = pytest.mark.django_db(transaction=True)

PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "eventbridge": eventbridge_settings,
    "sqs": lambda url: sqs_settings(f"{url}/123456789012/orders"),
    "pubsub": pubsub_settings,
}


class Cloud:
    """Answers what a test says."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.url = ""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    found = Cloud()
    with HttpServer(lambda _request: found.answer) as server:
        found.url = server.url
        yield found


def answer(status: int, document: Any, **headers: str) -> Answer:
    return Answer(status, json.dumps(document).encode(), tuple(headers.items()))


def failed(code: str, text: str = "") -> Answer:
    """Return EventBridge's answer about an entry that it didn't take."""
    return answer(200, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": text}]})


def aws(status: int, kind: str, text: str = "") -> Answer:
    return answer(status, {"__type": kind, "message": text})


def google(code: int, status: str) -> Answer:
    return answer(code, {"error": {"code": code, "status": status, "message": "Something."}})


PERMANENT = [
    ("eventbridge", failed("NotAuthorizedForSourceException"), "access_denied"),
    ("eventbridge", failed("NotAuthorizedForDetailTypeException"), "access_denied"),
    ("eventbridge", failed("InvalidArgument", "Event bus orders does not exist."), "destination_missing"),
    ("eventbridge", failed("InvalidArgument", "Parameter Detail is not valid."), "destination_refused"),
    ("eventbridge", failed("MalformedDetail"), "destination_refused"),
    ("eventbridge", aws(400, "ResourceNotFoundException"), "destination_missing"),
    ("eventbridge", aws(400, "AccessDeniedException"), "access_denied"),
    ("eventbridge", aws(400, "UnrecognizedClientException"), "access_denied"),
    ("eventbridge", aws(403, "ExpiredTokenException"), "access_denied"),
    ("eventbridge", aws(400, "ValidationException", "Total size of the entries in the request is over."), "too_large"),
    ("eventbridge", aws(413, "RequestEntityTooLargeException"), "too_large"),
    ("sqs", aws(400, "com.amazonaws.sqs#QueueDoesNotExist"), "destination_missing"),
    ("sqs", aws(400, "com.amazon.coral.service#InvalidSecurity"), "destination_refused"),
    ("sqs", aws(403, "com.amazon.coral.service#AccessDeniedException"), "access_denied"),
    ("sqs", aws(400, "AWS.SimpleQueueService.NonExistentQueue"), "destination_missing"),
    ("sqs", aws(400, "InvalidParameterValue", "Reason: Message must be shorter than 262144 bytes."), "too_large"),
    ("sqs", aws(400, "com.amazonaws.sqs#InvalidMessageContents"), "destination_refused"),
    ("sqs", answer(400, {}, **{"x-amzn-errortype": "AccessDeniedException:http://x/"}), "access_denied"),
    ("pubsub", google(401, "UNAUTHENTICATED"), "access_denied"),
    ("pubsub", google(403, "PERMISSION_DENIED"), "access_denied"),
    ("pubsub", google(404, "NOT_FOUND"), "destination_missing"),
    ("pubsub", google(400, "INVALID_ARGUMENT"), "destination_refused"),
    ("pubsub", google(413, "INVALID_ARGUMENT"), "too_large"),
]
PASSING = [
    ("eventbridge", failed("ThrottlingException"), "throttled"),
    ("eventbridge", failed("InternalFailure"), "destination_failed"),
    ("eventbridge", failed("what is this? \x07"), "destination_failed"),
    ("eventbridge", aws(400, "ThrottlingException"), "throttled"),
    ("eventbridge", aws(500, "InternalException"), "http_error"),
    ("eventbridge", aws(400, "SomethingNew"), "http_error"),
    ("eventbridge", aws(403, "InvalidSignatureException", "Signature expired: 2026 is now earlier"), "http_error"),
    ("eventbridge", Answer(200, b"ok"), "destination_failed"),
    ("eventbridge", answer(200, {"FailedEntryCount": 0, "Entries": []}), "destination_failed"),
    ("eventbridge", Answer(200, b"[" * 4000), "destination_failed"),
    ("sqs", aws(400, "com.amazon.coral.service#RequestThrottled"), "throttled"),
    ("sqs", aws(400, "ThrottlingException"), "throttled"),
    ("sqs", aws(503, "ServiceUnavailable"), "http_error"),
    ("sqs", Answer(200, b"{}"), "destination_failed"),
    ("pubsub", google(429, "RESOURCE_EXHAUSTED"), "throttled"),
    ("pubsub", google(503, "UNAVAILABLE"), "http_error"),
    ("pubsub", google(500, "INTERNAL"), "http_error"),
    ("pubsub", Answer(404, b"<html>a proxy's own page</html>"), "http_error"),
    ("pubsub", Answer(200, b'{"messageIds":[]}'), "destination_failed"),
    *((kind, Answer(503, b""), "http_error") for kind in PLACES),
    *((kind, Answer(429, b"{}"), "http_error" if kind == "pubsub" else "throttled") for kind in PLACES),
    *((kind, Answer(301, b"", (("Location", "https://elsewhere.example/"),)), "redirect") for kind in PLACES),
    *((kind, Answer(200, b"", delay=1.5), "response_timeout") for kind in PLACES),
]


@pytest.mark.parametrize(("kind", "said", "error"), PERMANENT, ids=lambda each: str(each)[:60])
def test_what_trying_again_cannot_mend_goes_to_review_at_once(
    cloud: Cloud, kind: str, said: Answer, error: str
) -> None:
    cloud.answer = said
    delivery, logged = attempt(make_webhook(**PLACES[kind](cloud.url)))
    assert (delivery.status, logged.error) == ("dead", error)
    assert "Trying again cannot help until the webhook is changed; it waits for review." in delivery.reason
    assert labels.advice(logged.error, logged.status_code)


@pytest.mark.parametrize(("kind", "said", "error"), PASSING, ids=lambda each: str(each)[:60])
def test_what_may_pass_is_tried_again(cloud: Cloud, kind: str, said: Answer, error: str) -> None:
    cloud.answer = said
    delivery, logged = attempt(make_webhook(**PLACES[kind](cloud.url), timeout=1))
    assert (delivery.status, logged.error, logged.result) == ("retrying", error, "failed")
    assert "next try in" in logged.decision
    assert "\x07" not in logged.detail
    assert "what is this" not in logged.detail, "a destination's own text stays in the answer's body"


def test_a_throttled_queue_is_asked_again_when_it_says(cloud: Cloud) -> None:
    cloud.answer = Answer(429, b'{"__type":"ThrottlingException"}', (("Retry-After", "60"),))
    _delivery, logged = attempt(make_webhook(**PLACES["sqs"](cloud.url)))
    assert "The destination takes no more messages at the moment; next try in 1 min as your endpoint asked" in (
        logged.decision
    )
