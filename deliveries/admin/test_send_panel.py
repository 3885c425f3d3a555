"""Trying a webhook out: what a sample event looks like on the wire, and what the receiver answers to it.

Works on what stands in the form, saved or not; `deliveries.sending.test_sends` makes and sends the sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.http import QueryDict

from deliveries import dialects
from deliveries.admin import labels, payload_display
from deliveries.queueing.webhook_settings import WebhookSettings, settings_of
from deliveries.recording.decisions import RetryPolicy
from deliveries.sending import destinations, previews, test_sends, webhook_advice
from deliveries.sending.previews import Preview
from deliveries.transport import ErrorClass, Outcome
from subscriptions import validators, webhook_rules
from subscriptions.admin import destination_fields, sign_in_fields, text_settings
from subscriptions.models import Merchant, Webhook
from subscriptions.selectors import event_type_named, signing_secrets
from subscriptions.services import secrets

NEWEST = "newest"
"""Value of `sign_with`: sign by the saved webhook's newest secret alone."""
SLOW_MS = 3000.0
"""An answer slower than this gets a word of warning."""


@dataclass(frozen=True)
class Draft:
    """A sample of what stands in the form.

    `secret_is_own`: it is signed with the webhook's secret or the one typed. `is_of_newest`: of the saved webhook's
    secrets, only the newest signs it.
    """

    prepared: test_sends.PreparedSend
    secret_is_own: bool
    previews: list[Preview] = field(default_factory=list)
    is_of_newest: bool = False

    @property
    def headers(self) -> str:
        """Return the request's headers, a line each, secrets masked."""
        return payload_display.as_lines(self.prepared.headers)

    @property
    def body(self) -> str:
        """Return the exact body."""
        return self.prepared.request.body.decode()

    @property
    def policy(self) -> str:
        """Return the retry policy in words."""
        webhook = self.prepared.webhook
        if webhook.kind == webhook_rules.PULL:
            return "Nothing is sent: it waits in the feed until your program has fetched and acknowledged it."
        own = webhook.retry_policy
        policy = RetryPolicy.from_dict(own) if own else dialects.get(webhook.dialect).default_policy
        text = policy.describe()
        return text[:1].upper() + text[1:] + "."


def prepare(form: QueryDict, *, webhook: Webhook | None, merchant: Merchant | None) -> Draft:
    """Return the sample request that the form's values make. Raises ValidationError naming what is wrong there."""
    entry = event_type_named(form.get("sample") or "order.created")
    if entry is None:
        raise ValidationError({"sample": ["Choose an event of the catalogue."]})
    draft = _draft(form, webhook, merchant)
    typed = form.get("secret") or ""
    if typed:
        validators.check_secret(draft.dialect, typed)
    known = [typed] if typed else _own_secrets(draft, webhook)
    is_of_newest = form.get("sign_with") == NEWEST and bool(known) and not typed
    signs = known[-1:] if is_of_newest else known or [webhook_rules.rules().make_secret(draft.dialect)]
    target = settings_of(draft, signs)
    prepared = test_sends.prepare(entry, target)
    previewed = _previews(form, draft, target)
    return Draft(prepared, secret_is_own=bool(known), previews=previewed, is_of_newest=is_of_newest)


def _previews(form: QueryDict, draft: Webhook, target: WebhookSettings) -> list[Preview]:
    """Return what the form's filter, fields and transformation would do with events that it listens to; often none."""
    if not (draft.filter or draft.fields or draft.transform):
        return []
    listens_to = [*form.getlist("events"), *text_settings.words_of(form.get("patterns", ""))]
    return previews.previews(target, draft.filter, webhook_advice.samples_for(draft.merchant_id, listens_to))


def diagnosis(outcome: Outcome, kind: str = webhook_rules.HTTPS) -> tuple[str, str]:
    """Return a tone and what the answer means, in plain words; `kind` is the webhook's."""
    if kind == webhook_rules.PULL:
        return ("danger" if outcome.error else "success"), outcome.detail
    took = labels.milliseconds(outcome.total_ms)
    if not outcome.delivered:
        what = labels.advice(str(outcome.error or ErrorClass.HTTP_ERROR), outcome.status_code)
        return "danger", f"{outcome.detail} {what}".strip()
    if kind != webhook_rules.HTTPS:
        return "success", f"It works: {destinations.get(kind).label} took the message, in {took}."
    if (outcome.total_ms or 0) > SLOW_MS:
        return "warning", (
            f"It works, but your endpoint took {took}. Answer first and do the work afterwards: an answer that comes "
            "after the timeout counts as a failure, and the event is sent again."
        )
    if outcome.status_code != 200:
        return "success", (
            f"It works: your endpoint answered {outcome.status_code} in {took}. Any 2xx counts as delivered; some "
            "platforms' documents ask for exactly 200."
        )
    return "success", f"It works: your endpoint answered 200 in {took}."


def _own_secrets(draft: Webhook, webhook: Webhook | None) -> list[str]:
    """Return the saved webhook's secrets, unless a test could carry them to an address they were not meant for."""
    if webhook is None:
        return []
    if secrets.reaches_new_place(webhook, url=draft.url, dialect=draft.dialect):
        return []
    return signing_secrets([webhook.pk])[webhook.pk]


def _draft(form: QueryDict, webhook: Webhook | None, merchant: Merchant | None) -> Webhook:
    """Return an unsaved webhook with the form's values over the saved one's, whose sign-in serves at its URL only."""
    owner = webhook.merchant if webhook else merchant
    if owner is None:
        raise ValidationError({"merchant": ["Choose the merchant first."]})
    kind = webhook.kind if webhook else form.get("kind") or webhook_rules.HTTPS
    if kind == webhook_rules.PULL:
        return _feed(form, webhook, owner)
    if kind != webhook_rules.HTTPS:
        return _queue(form, webhook, owner, kind)
    values: dict[str, Any] = {
        "url": form.get("url", ""),
        "dialect": form.get("dialect", "standard"),
        "body_style": form.get("body_style") or Webhook.BodyStyle.COMPACT.value,
        "api_version": form.get("api_version") or "2024-01",
        "headers": _read("headers", text_settings.headers_of, form.get("headers", "")),
        "fields": text_settings.words_of(form.get("chosen_fields", "")),
        "filter": form.get("filter") or "",
        "transform": form.get("transform") or "",
        "retry_policy": _read("retry_policy", text_settings.policy_of, form.get("retry_policy", "")),
        "timeout": _read("timeout", lambda text: float(text) if text else None, form.get("timeout", "")),
    }
    values |= sign_in_fields.values_of(form.dict())
    cleaned = validators.clean_webhook(values, dialect=values["dialect"], present=webhook)
    kept = {name: getattr(webhook, name) for name in ("sign_in", "credentials")} if webhook else {}
    return Webhook(merchant=owner, public_id=webhook.public_id if webhook else "", **kept | cleaned)


def _feed(form: QueryDict, webhook: Webhook | None, owner: Merchant) -> Webhook:
    """Return an unsaved feed; a test goes to the saved one, if there is one."""
    values: dict[str, Any] = {
        "kind": webhook_rules.PULL,
        "dialect": form.get("dialect") or "standard",
        "body_style": form.get("body_style") or Webhook.BodyStyle.COMPACT.value,
        "api_version": form.get("api_version") or "2024-01",
        "headers": _read("headers", text_settings.headers_of, form.get("headers", "")),
        "fields": text_settings.words_of(form.get("chosen_fields", "")),
    }
    cleaned = validators.clean_webhook(values, dialect=values["dialect"], present=webhook)
    saved = {"pk": webhook.pk, "public_id": webhook.public_id} if webhook else {}
    return Webhook(merchant=owner, **saved, **cleaned)


def _queue(form: QueryDict, webhook: Webhook | None, owner: Merchant, kind: str) -> Webhook:
    """Return an unsaved queue: the saved one's credentials serve only where the form leads to the same place."""
    place = _read(
        destination_fields.KEY_FILE, lambda _name: destination_fields.values_of(kind, form.dict(), webhook), kind
    )
    values: dict[str, Any] = {
        "kind": kind,
        **place,
        "fields": text_settings.words_of(form.get("chosen_fields", "")),
        "filter": form.get("filter") or "",
        "transform": form.get("transform") or "",
        "ordering": form.get("ordering") or None,
        "retry_policy": _read("retry_policy", text_settings.policy_of, form.get("retry_policy", "")),
        "timeout": _read("timeout", lambda text: float(text) if text else None, form.get("timeout", "")),
    }
    cleaned = validators.clean_webhook(values, dialect="standard", present=webhook)
    kept = {"credentials": webhook.credentials} if webhook else {}
    return Webhook(merchant=owner, public_id=webhook.public_id if webhook else "", **kept | cleaned)


def _read(field: str, parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise ValidationError({field: [str(error)]}) from error
