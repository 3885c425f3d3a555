"""Trying a webhook out: a sample event, made and sent as deliveries are, but at once and without a row.

It leaves the house through the same renderer and the same transport, guard and all, marked with the header
`webhook-test`. The admin's Test button and the API's `POST webhooks/{id}/test` both come here.

The transport's own thread carries it, so a silent endpoint keeps no thread of the web process; how many may be open at
once is bounded, for each merchant and in all.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.core.exceptions import ValidationError

from deliveries.payloads.transformations import NotTransformed
from deliveries.queueing import feed_tests
from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending import carrying, destinations
from deliveries.sending.destinations import TooLarge, sign_in
from deliveries.sending.masking import masked, without_echo
from deliveries.sending.rendering import message_of, request_of
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions import ids
from subscriptions.models import EventType
from subscriptions.webhook_rules import PULL

OF_MERCHANT_MAX: Final = 8
"""Test sends that one merchant may have open at a time in a process."""
OPEN_MAX: Final = 64
"""Test sends that may be open at a time in a process."""


class TooManyTests(Exception):
    """One test send more than may be open at a time; the text says what to do."""


@dataclass(frozen=True, slots=True)
class PreparedSend:
    """A sample request, ready to be sent."""

    entry: EventType
    webhook: WebhookSettings
    request: Request

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The request's headers for eyes: secrets are masked, a token's too, which is fetched when it is sent."""
        headers = self.request.headers
        if self.webhook.sign_in.get("method") == sign_in.OAUTH2:
            headers = sign_in.authorized(headers, "Bearer")
        return list(masked(headers, self.webhook.hidden))


class _Open:
    """Counts test sends that are open, of each merchant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: Counter[int] = Counter()

    def add(self, merchant_id: int) -> None:
        with self._lock:
            if self._of[merchant_id] >= OF_MERCHANT_MAX:
                raise TooManyTests(
                    f"{OF_MERCHANT_MAX} tests of yours wait for an answer already. Try again when one has ended."
                )
            if self._of.total() >= OPEN_MAX:
                raise TooManyTests(f"{OPEN_MAX} tests wait for an answer already. Try again in a few seconds.")
            self._of[merchant_id] += 1

    def remove(self, merchant_id: int) -> None:
        with self._lock:
            self._of[merchant_id] -= 1
            self._of += Counter()  # drops those that have none


_open = _Open()


def prepare(entry: EventType, webhook: WebhookSettings) -> PreparedSend:
    """Return the request that tells `webhook` of the catalogue's example of an event.

    Raises ValidationError when the webhook's settings or secrets don't allow one.
    """
    now = datetime.now(UTC)
    message = message_of(
        webhook,
        event_id=ids.new_id(ids.EVENT),
        event=entry.name,
        occurred_at=now,
        data=entry.example,
        attempt=1,
        sent_at=now,
        test=True,
    )
    try:
        return PreparedSend(entry, webhook, request_of(message, webhook))
    except TooLarge as error:
        raise ValidationError({"event": [str(error)]}) from error
    except NotTransformed as error:
        raise ValidationError({"transform": [str(error)]}) from error
    except ValueError as error:
        raise ValidationError({"secret": [f"The message can't be signed: {error}"]}) from error


def begin(prepared: PreparedSend) -> Future[Outcome]:
    """Send the sample; what comes of it is there when the webhook's timeout is over at the latest.

    A token of OAuth 2 is fetched for it anew, which takes `oauth2.TOKEN_SECONDS` more at most.

    Raises TooManyTests. Show the outcome by `shown` only.
    """
    if prepared.webhook.kind == PULL:
        return _into_feed(prepared)
    merchant = prepared.webhook.merchant_id
    _open.add(merchant)
    future: Future[Outcome] = Future()

    def done(outcome: Outcome, sent: Request | None) -> None:
        _open.remove(merchant)
        future.set_result(without_echo(outcome, sent, ()) if sent else outcome)

    try:
        carrying.submit(prepared.request, prepared.webhook, done, tokens=carrying.Tokens())
    except BaseException:
        _open.remove(merchant)
        raise
    return future


def _into_feed(prepared: PreparedSend) -> Future[Outcome]:
    """Leave the sample for who asks the feed next."""
    future: Future[Outcome] = Future()
    error: ErrorClass | None = ErrorClass.INTERNAL
    if not prepared.webhook.webhook_id:
        detail = "Save the webhook first: then it has a feed."
    elif not feed_tests.put(prepared.webhook.webhook_id, prepared.entry.name):
        detail = "Redis is away, so the sample can't wait in the feed. Try again."
    else:
        error, minutes = None, feed_tests.LIFE // 60
        detail = f"The sample waits in the feed for {minutes} minutes, marked as a test: the next request gets it."
    future.set_result(Outcome(error=error, detail=detail))
    return future


def shown(prepared: PreparedSend, outcome: Outcome) -> Outcome:
    """Return an outcome for eyes, as the destination means it: an answer that repeats our secrets doesn't show them."""
    webhook = prepared.webhook
    return without_echo(destinations.get(webhook.kind).outcome(outcome, webhook), prepared.request, webhook.hidden)
