"""`POST webhooks/{id}/test`: a sample event, sent at once, with the full exchange in the answer."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import samples
from deliveries.api.attempts import Pairs, base64_of, text_of
from deliveries.api.samples import SampleSent
from deliveries.db.sessions import borrowed
from deliveries.sending import test_sends
from deliveries.sending.test_sends import PreparedSend
from deliveries.transport import Outcome
from subscriptions.api import lookups, webhooks
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.serializers import ApiSerializer, Text, eg
from subscriptions.awaited import AwaitedResponse


class SampleSerializer(ApiSerializer):
    """Which event to send a sample of."""

    event = eg(
        Text(max_length=100, default="", allow_blank=True, help_text="Left out: the first event subscribed to."),
        "order.created",
    )


class SentSerializer(ApiSerializer):
    """A request as it left."""

    url = eg(serializers.CharField(source="request.url"), "https://accounting.example.com/hooks/orders")
    headers = eg(Pairs(help_text="Secrets are masked."), [["webhook-test", "true"]])
    body = eg(serializers.CharField(), '{"event":"order.created"}')

    def show_body(self, prepared: PreparedSend) -> str:
        """Return the body as text; every dialect's is UTF-8."""
        return prepared.request.body.decode()


class AnswerSerializer(ApiSerializer):
    """What came back."""

    status_code = eg(serializers.IntegerField(allow_null=True), 200)
    headers = eg(Pairs(), [["Content-Type", "text/plain"]])
    body = eg(serializers.CharField(allow_blank=True, help_text="U+FFFD for bytes that aren't UTF-8."), "ok")
    body_base64 = serializers.CharField(allow_null=True, help_text="The bytes, when they aren't UTF-8.")
    body_truncated = serializers.BooleanField()

    def show_body(self, outcome: Outcome) -> str:
        """Return what was read of the body, as text."""
        return text_of(outcome.body)

    def show_body_base64(self, outcome: Outcome) -> str | None:
        """Return it in base64 where text would lose something."""
        return base64_of(outcome.body)


class ExchangeSerializer(ApiSerializer):
    """A test: what was sent and what came of it."""

    delivered = eg(serializers.BooleanField(source="outcome.delivered"), True)
    verdict = eg(serializers.CharField(), "Your endpoint answered 200.")
    event = eg(serializers.CharField(source="prepared.entry.name"), "order.created")
    request = SentSerializer(source="prepared")
    response = AnswerSerializer(source="outcome")
    error = serializers.CharField(allow_blank=True, help_text="Its kind, such as `dns_failed`; empty without one.")
    detail = serializers.CharField(source="outcome.detail", allow_blank=True)
    remote_address = eg(serializers.CharField(source="outcome.remote_address", allow_null=True), "203.0.113.7")
    dns_ms = eg(serializers.FloatField(source="outcome.dns_ms", allow_null=True), 1.9)
    connect_ms = eg(serializers.FloatField(source="outcome.connect_ms", allow_null=True), 12.0)
    tls_ms = eg(serializers.FloatField(source="outcome.tls_ms", allow_null=True), 25.3)
    first_byte_ms = eg(serializers.FloatField(source="outcome.first_byte_ms", allow_null=True), 40.1)
    total_ms = eg(serializers.FloatField(source="outcome.total_ms", allow_null=True), 40.6)

    def show_error(self, exchange: SampleSent) -> str:
        """Return the error's kind."""
        return exchange.outcome.error or ""


class TooManyTests(exceptions.Throttled):
    """Too many tests wait for an answer."""

    default_code = "too_many_tests"

    def __init__(self, detail: str) -> None:
        super().__init__(wait=None, detail=detail)
        self.wait = 5  # for Retry-After only: the detail says it in its own words


class WebhookTest(ApiView):
    """The test button."""

    sends = True

    @describe("Test a webhook", body=SampleSerializer, answer=ExchangeSerializer)
    def post(self, request: Request, id: str) -> Response | AwaitedResponse:
        """Send a sample event to a webhook now, and answer what was sent and what came back.

        The sample is the catalogue's example of the event, marked with the header `webhook-test`, signed and sent as
        deliveries are; nothing is stored and nothing is retried. Paused and disabled webhooks are tested, too. The
        answer waits for the endpoint's, at most the webhook's timeout, and is 200 whatever the endpoint said: see
        `delivered`. 422 for an event that isn't in the catalogue; 429 while too many tests wait for an answer.
        """
        event = self.body(SampleSerializer)["event"]
        with borrowed():  # no connection is held while the endpoint takes its time
            webhook = lookups.one(webhooks.webhooks_of(self.merchant).select_related("merchant"), id)
            prepared = samples.prepare(webhook, event)
        try:
            outcome = test_sends.begin(prepared)
        except test_sends.TooManyTests as error:
            raise TooManyTests(str(error)) from error
        return self.answer_of(outcome, lambda found: _shown(prepared, found))


def _shown(prepared: PreparedSend, outcome: Outcome) -> Any:
    return ExchangeSerializer(SampleSent(prepared, test_sends.shown(prepared, outcome))).data
