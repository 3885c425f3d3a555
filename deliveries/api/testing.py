"""`POST webhooks/{id}/test`: a sample event, sent at once, with the full exchange in the answer."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import documents, samples
from deliveries.api.attempts import body_of
from deliveries.db.sessions import borrowed
from subscriptions.api import lookups, webhooks
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe

_TIMES = ("dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "total_ms")


def represent(exchange: samples.Exchange) -> dict[str, Any]:
    """Return an exchange as the API shows it."""
    outcome, trial = exchange.outcome, exchange.trial
    text, encoded = body_of(outcome.body)
    return {
        "delivered": outcome.delivered,
        "verdict": exchange.verdict,
        "event": trial.entry.name,
        "request": {
            "url": trial.request.url,
            "headers": trial.headers,
            "body": trial.request.body.decode(),
        },
        "response": {
            "status_code": outcome.status_code,
            "headers": outcome.headers,
            "body": text,
            "body_base64": encoded,
            "body_truncated": outcome.body_truncated,
        },
        "error": outcome.error or "",
        "detail": outcome.detail,
        "remote_address": outcome.remote_address,
        **{name: getattr(outcome, name) for name in _TIMES},
    }


class WebhookTest(ApiView):
    """The test button."""

    sends = True

    @describe("Test a webhook", request=documents.Trial, responses={200: documents.ExchangeDocument})
    def post(self, request: Request, id: str) -> Response:
        """Send a sample event now and return what was sent and what came back; paused webhooks are tested, too."""
        body = lookups.members(request.data, known=("event",))
        event = lookups.text(body, "event", limit=100)
        with borrowed():  # no connection is held while the endpoint takes its time
            webhook = lookups.one(webhooks.webhooks_of(self.merchant).select_related("merchant"), id)
            prepared = samples.prepare(webhook, event)
        return Response(represent(samples.send(prepared)))
