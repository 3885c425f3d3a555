"""Shopery's own address, `POST /company/webhooks`, exactly as its document has it, with the rest in the same manner.

Members are `name`, `url`, `events` and `isEnabled`; webhooks made here speak the dialect shopery. The secret comes back
once, beside the documented id.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions import selectors, services
from subscriptions.api import formats, lookups, shaping, webhooks
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import ApiSerializer, eg
from subscriptions.models import Merchant, Webhook


class CompanyWebhookSerializer(ApiSerializer):
    """A webhook under Shopery's names."""

    null_means_empty = frozenset({"name", "secret"})

    id = eg(serializers.CharField(source="public_id", read_only=True), "wbh_01HA4XCG60CT4G3EWF4CKYM1MF")
    name = eg(formats.Line(max_length=200, allow_blank=True, required=False), "webhook test")
    url = eg(formats.Address(), "https://test.com/wh")
    events = eg(serializers.ListField(child=formats.Pattern(), min_length=1, max_length=100), ["order-created"])
    isEnabled = eg(serializers.BooleanField(source="is_enabled", required=False), True)

    secret = formats.Secret(
        required=False,
        write_only=True,
        help_text="Left out, one is made, or the present one stays. Another URL needs one, since it is sent there.",
    )

    def show_events(self, webhook: Webhook) -> list[str]:
        """Return the names and patterns subscribed to."""
        return selectors.patterns_of(webhook)


class MadeCompanyWebhookSerializer(ApiSerializer):
    """What Shopery answers, and the secret: shown this once."""

    id = eg(serializers.CharField(source="webhook.public_id"), "wbh_01HA4XCG60CT4G3EWF4CKYM1MF")
    secret = eg(serializers.CharField(), "Zk8x2PqT7vWm4RbN9cLd")


_THEIR_NAMES: Final = {"is_enabled": "isEnabled"}


@contextmanager
def shoperys_names() -> Iterator[None]:
    """Let errors name the members as the caller wrote them."""
    try:
        yield
    except ValidationError as error:
        problems = {_THEIR_NAMES.get(name, name): texts for name, texts in error.message_dict.items()}
        raise ValidationError(problems) from None


def rows_of(merchant: Merchant) -> QuerySet[Webhook]:
    """Return the merchant's webhooks of this dialect."""
    return webhooks.webhooks_of(merchant).filter(dialect="shopery")


class CompanyWebhooks(ApiView):
    """A company's webhooks."""

    query = PARAMETERS

    @describe("List company webhooks", answer=CompanyWebhookSerializer, pages=True)
    def get(self, request: Request) -> Response:
        """Return the merchant's webhooks of the dialect shopery in pages, the newest first, under Shopery's names."""
        return self.pages(rows_of(self.merchant), CompanyWebhookSerializer)

    @describe(
        "Create a company webhook", body=CompanyWebhookSerializer, answer=MadeCompanyWebhookSerializer, codes=(201,)
    )
    def post(self, request: Request) -> Response:
        """Create a webhook of the dialect shopery, as Shopery's document has it.

        The answer holds its id, and its secret, which is not shown again. 422 names each member that is wrong.
        """
        body = self.body(CompanyWebhookSerializer)
        with shoperys_names():
            made = services.create_webhook(merchant=self.merchant, dialect="shopery", **body)
        return Response(MadeCompanyWebhookSerializer(made).data, status.HTTP_201_CREATED)


class CompanyWebhook(ApiView):
    """One of a company's webhooks."""

    @describe("Read a company webhook", answer=CompanyWebhookSerializer)
    def get(self, request: Request, id: str) -> Response:
        """Return a webhook of the dialect shopery under Shopery's names, without its secret."""
        return self.answer(CompanyWebhookSerializer(lookups.one(rows_of(self.merchant), id)).data)

    @describe(
        "Change a company webhook",
        body=CompanyWebhookSerializer,
        answer=CompanyWebhookSerializer,
        etag=True,
        sent={"isEnabled": False},
        shown={"isEnabled": False},
    )
    def patch(self, request: Request, id: str) -> Response:
        """Change the members given, and leave the others as they are. 422 names each that is wrong.

        Another `url` needs a `secret` along with it, which replaces the present one: requests carry the secret itself.
        With If-Match, the change is made only when nobody changed the webhook in between: else 412.
        """
        return self._change(id, self.body(CompanyWebhookSerializer, partial=True))

    @describe("Replace a company webhook", body=CompanyWebhookSerializer, answer=CompanyWebhookSerializer, etag=True)
    def put(self, request: Request, id: str) -> Response:
        """Set all four members: a name that is left out becomes empty; left out, `isEnabled` is true.

        422 names each member that is wrong. With If-Match, only when nobody changed the webhook in between: else 412.
        """
        return self._change(id, {"name": "", "is_enabled": True} | self.body(CompanyWebhookSerializer))

    @describe("Delete a company webhook", answer=None, codes=(204,), etag=True)
    def delete(self, request: Request, id: str) -> Response:
        """Delete a webhook for good: its open deliveries are cancelled, the log of what was sent stays.

        With If-Match, it is deleted only when nobody changed it in between: else 412.
        """
        with transaction.atomic():
            services.delete_webhook(webhook=self._locked(id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _change(self, public_id: str, changes: dict[str, Any]) -> Response:
        with transaction.atomic(), shoperys_names():
            services.update_webhook(webhook=self._locked(public_id), **changes)
        data = CompanyWebhookSerializer(lookups.one(rows_of(self.merchant), public_id)).data
        return Response(data, headers={"ETag": shaping.etag_of(data)})

    def _locked(self, public_id: str) -> Webhook:
        """Return the webhook, locked until the transaction ends, if it is as the caller's If-Match says."""
        webhook = lookups.one(rows_of(self.merchant).select_for_update(no_key=True, of=("self",)), public_id)
        shaping.check_match(self.request, CompanyWebhookSerializer(webhook).data)
        return webhook
