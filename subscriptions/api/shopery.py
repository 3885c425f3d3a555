"""Shopery's door: `POST /company/webhooks` exactly as its document has it, with the rest in the same manner.

Members are `name`, `url`, `events` and `isEnabled`; webhooks made here speak the dialect shopery. The secret comes back
once, beside the documented id.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import selectors, services
from subscriptions.api import documents, lookups, webhooks
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.models import Merchant, Webhook

NAMES: Final = {"name": "name", "url": "url", "events": "events", "isEnabled": "is_enabled"}


def represent(webhook: Webhook) -> dict[str, Any]:
    """Return a webhook under Shopery's names."""
    return {
        "id": webhook.public_id,
        "name": webhook.name,
        "url": webhook.url,
        "events": selectors.patterns_of(webhook),
        "isEnabled": webhook.is_enabled,
    }


def settings_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body's members under our names."""
    return {NAMES[name]: value for name, value in body.items()}


@contextmanager
def shoperys_names() -> Iterator[None]:
    """Let errors name the members as the caller wrote them."""
    try:
        yield
    except ValidationError as error:
        theirs = {ours: name for name, ours in NAMES.items()}
        problems = {theirs.get(name, name): texts for name, texts in error.message_dict.items()}
        raise ValidationError(problems) from None


def rows_of(merchant: Merchant) -> QuerySet[Webhook]:
    """Return the merchant's webhooks of this dialect."""
    return webhooks.webhooks_of(merchant).filter(dialect="shopery")


class CompanyWebhooks(ApiView):
    """A company's webhooks."""

    query = PARAMETERS

    @describe("List company webhooks", responses={200: documents.CompanyWebhookDocument(many=True)}, pages=True)
    def get(self, request: Request) -> Response:
        """Return a page, the newest first."""
        return self.pages(rows_of(self.merchant), represent)

    @describe(
        "Create a company webhook",
        request=documents.CompanyWebhookSettings(),
        required=("url", "events"),
        responses={201: documents.NewCompanyWebhookDocument},
    )
    def post(self, request: Request) -> Response:
        """Create one, as documented; the answer holds its id, and its secret this once."""
        body = lookups.members(request.data, known=NAMES, required=("url", "events"))
        with shoperys_names():
            made = services.create_webhook(merchant=self.merchant, dialect="shopery", **settings_of(body))
        return Response({"id": made.webhook.public_id, "secret": made.secret}, status.HTTP_201_CREATED)


class CompanyWebhook(ApiView):
    """One of a company's webhooks."""

    @describe("Read a company webhook", responses={200: documents.CompanyWebhookDocument})
    def get(self, request: Request, id: str) -> Response:
        """Return it."""
        return self.answer(represent(lookups.one(rows_of(self.merchant), id)))

    @describe(
        "Change a company webhook",
        request=documents.CompanyWebhookSettings(),
        required=(),
        responses={200: documents.CompanyWebhookDocument},
    )
    def patch(self, request: Request, id: str) -> Response:
        """Change the settings given."""
        webhook = lookups.one(rows_of(self.merchant), id)
        body = lookups.members(request.data, known=NAMES)
        with shoperys_names():
            services.update_webhook(webhook=webhook, **settings_of(body))
        return Response(represent(lookups.one(rows_of(self.merchant), id)))

    @describe(
        "Replace a company webhook",
        request=documents.CompanyWebhookSettings(),
        required=("url", "events"),
        responses={200: documents.CompanyWebhookDocument},
    )
    def put(self, request: Request, id: str) -> Response:
        """Set all four; those left out become empty, or enabled."""
        webhook = lookups.one(rows_of(self.merchant), id)
        body = lookups.members(request.data, known=NAMES, required=("url", "events"))
        with shoperys_names():
            services.update_webhook(webhook=webhook, **settings_of({"name": "", "isEnabled": True} | body))
        return Response(represent(lookups.one(rows_of(self.merchant), id)))

    @describe("Delete a company webhook", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Delete it."""
        services.delete_webhook(webhook=lookups.one(rows_of(self.merchant), id))
        return Response(status=status.HTTP_204_NO_CONTENT)
