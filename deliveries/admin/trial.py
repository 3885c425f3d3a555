"""Trying a webhook out: what a sample event looks like on the wire, and what the receiver answers to it.

Works on what stands in the form, saved or not. A sample leaves the house the way deliveries do, guard and all; it is
marked with the header `webhook-test` and not stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.http import QueryDict

from deliveries import dialects
from deliveries.admin import payloads, words
from deliveries.dialects import Message
from deliveries.egress import transport
from deliveries.outcomes import MASKED
from deliveries.rendering import request_of
from deliveries.retry import RetryPolicy
from deliveries.targets import Target, target_of_webhook
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions import ids, validators, wire
from subscriptions.admin import plain
from subscriptions.models import EventType, Merchant, Webhook
from subscriptions.selectors import event_type_named, signing_secrets

SLOW_MS = 3000.0
"""An answer slower than this gets a word of warning."""

SENDS_SECRET = frozenset({"shopery"})
"""Dialects whose header is the secret itself."""


@dataclass
class Trial:
    """A sample request. `headers` and `body` are for eyes: secrets are masked."""

    entry: EventType
    target: Target
    request: Request
    secret_is_own: bool

    @property
    def headers(self) -> str:
        """Return the request's headers, a line each."""
        secrets = self.target.secrets
        return payloads.as_lines(
            (name, MASKED if any(secret in value for secret in secrets) else value)
            for name, value in self.request.headers
        )

    @property
    def body(self) -> str:
        """Return the exact body."""
        return self.request.body.decode()

    @property
    def policy(self) -> str:
        """Return the retry policy in words."""
        own = self.target.retry_policy
        policy = RetryPolicy.from_dict(own) if own else dialects.get(self.target.dialect).default_policy
        text = policy.describe()
        return text[:1].upper() + text[1:] + "."


def prepare(form: QueryDict, *, webhook: Webhook | None, merchant: Merchant | None) -> Trial:
    """Return the sample request that the form's values make. Raises ValidationError naming what is wrong there."""
    entry = event_type_named(form.get("sample") or "order.created")
    if entry is None:
        raise ValidationError({"sample": ["Choose an event of the catalogue."]})
    draft = _draft(form, webhook, merchant)
    typed = form.get("secret") or ""
    if typed:
        validators.check_secret(draft.dialect, typed)
    known = [typed] if typed else _own_secrets(draft, webhook)
    secrets = known or [wire.rules().make_secret(draft.dialect)]
    target = target_of_webhook(draft, secrets)
    now = datetime.now(UTC)
    message = Message(
        event_id=ids.new_id(ids.EVENT),
        event=entry.name,
        occurred_at=now,
        data=entry.example,
        shop=target.domain,
        api_version=target.api_version,
        attempt=1,
        sent_at=now,
        body_style=target.body_style,
        test=True,
    )
    try:
        request = request_of(message, target)
    except ValueError as error:
        raise ValidationError({"secret": [f"The message can't be signed: {error}"]}) from error
    return Trial(entry, target, request, secret_is_own=bool(known))


def send(trial: Trial) -> Outcome:
    """Send the sample and return what came of it; takes as long as the webhook's timeout at most."""
    return transport().send(trial.request)


def diagnosis(outcome: Outcome) -> tuple[str, str]:
    """Return a tone and what the answer means, in plain words."""
    took = words.milliseconds(outcome.total_ms)
    if not outcome.delivered:
        what = words.advice(str(outcome.error or ErrorClass.HTTP_ERROR), outcome.status_code)
        return "danger", f"{outcome.detail} {what}".strip()
    if (outcome.total_ms or 0) > SLOW_MS:
        return "warning", (
            f"It works, but your server took {took}. Answer first and do the work afterwards: an answer that comes "
            "after the timeout counts as a failure, and the event is sent again."
        )
    if outcome.status_code != 200:
        return "success", (
            f"It works: your server answered {outcome.status_code} in {took}. Any 2xx counts as delivered; some "
            "platforms' documents ask for exactly 200."
        )
    return "success", f"It works: your server answered 200 in {took}."


def _own_secrets(draft: Webhook, webhook: Webhook | None) -> list[str]:
    """Return the saved webhook's secrets, unless a test could carry them to an address they were not meant for."""
    if webhook is None:
        return []
    is_elsewhere = (draft.url, draft.dialect) != (webhook.url, webhook.dialect)
    return [] if draft.dialect in SENDS_SECRET and is_elsewhere else signing_secrets([webhook.pk])[webhook.pk]


def _draft(form: QueryDict, webhook: Webhook | None, merchant: Merchant | None) -> Webhook:
    """Return an unsaved webhook with the form's values over the saved one's."""
    owner = webhook.merchant if webhook else merchant
    if owner is None:
        raise ValidationError({"merchant": ["Choose the merchant first."]})
    values: dict[str, Any] = {
        "url": form.get("url", ""),
        "dialect": form.get("dialect", "standard"),
        "body_style": form.get("body_style") or Webhook.BodyStyle.COMPACT.value,
        "api_version": form.get("api_version") or "2024-01",
        "headers": _read("headers", plain.headers_of, form.get("headers", "")),
        "fields": plain.words_of(form.get("chosen_fields", "")),
        "retry_policy": _read("retry_policy", plain.policy_of, form.get("retry_policy", "")),
        "timeout": _read("timeout", lambda text: float(text) if text else None, form.get("timeout", "")),
    }
    cleaned = validators.clean_webhook(values, dialect=values["dialect"])
    return Webhook(merchant=owner, public_id=webhook.public_id if webhook else "", **cleaned)


def _read(field: str, parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise ValidationError({field: [str(error)]}) from error
