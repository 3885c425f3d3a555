"""The delivery log over the API: deliveries with their attempts, retried and cancelled by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import following
from deliveries.api.attempts import AttemptSerializer
from deliveries.api.envelopes import EXAMPLE_DATA
from deliveries.models import Attempt, Delivery
from deliveries.queueing import ordering
from deliveries.review import manual_actions
from deliveries.review.selection import DeliveryFilter
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import EXAMPLE_LATER, EXAMPLE_MOMENT, ApiSerializer, JsonObject, eg
from subscriptions.filters import in_utc
from subscriptions.models import Merchant

ATTEMPTS_SHOWN = 200
"""The latest attempts of one delivery that its page carries."""
SEARCH_REACHED = "Search-Reached"
"""The header of a list whose search left out payloads: the moment before which it didn't look."""


class DeliverySerializer(ApiSerializer):
    """A delivery: one event on its way to one webhook."""

    id = eg(serializers.CharField(source="public_id"), "dlv_01HA4XCG6Y0M2QW8JX5T7VBN3K")
    event_id = eg(serializers.CharField(source="event.public_id"), "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A")
    event = eg(serializers.CharField(source="event_type"), "order.created")
    resource_id = eg(serializers.CharField(source="event.resource_id", allow_blank=True), "order-1045")
    webhook = eg(serializers.CharField(source="webhook.public_id"), "wbh_01HA4XCG60CT4G3EWF4CKYM1MF")
    url = eg(serializers.CharField(source="webhook.url"), "https://accounting.example.com/hooks/orders")
    status = eg(serializers.ChoiceField(choices=Delivery.Status.values), "retrying")
    reason = serializers.CharField(allow_blank=True, help_text="Why it was skipped, cancelled, or put into review.")
    attempt_count = eg(serializers.IntegerField(help_text="Attempts so far, interrupted ones included."), 1)
    retry_count = eg(serializers.IntegerField(help_text="Attempts after the first."), 0)
    replays = eg(serializers.IntegerField(help_text="How often it was started anew by hand."), 0)
    is_held = serializers.BooleanField(help_text="It waits in line behind another delivery (`ordering`).")
    next_attempt_at = eg(
        serializers.DateTimeField(allow_null=True, help_text="Null while it is sent, held or closed."),
        "2024-01-15T15:30:05Z",
    )
    last_attempt_at = eg(serializers.DateTimeField(allow_null=True), EXAMPLE_MOMENT)
    last_status_code = eg(serializers.IntegerField(allow_null=True), 500)
    last_error = eg(serializers.CharField(allow_blank=True), "http_error")
    response_ms = eg(serializers.FloatField(allow_null=True, help_text="Of the last attempt."), 87.2)
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)

    def show_retry_count(self, delivery: Delivery) -> int:
        """Return the attempts after the first."""
        return max(0, delivery.attempt_count - 1)

    def show_next_attempt_at(self, delivery: Delivery) -> datetime | None:
        """Return when it is tried next; while it is sent or held, `due_at` means something else."""
        return None if delivery.status == Delivery.Status.SENDING or delivery.is_held else delivery.due_at


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with its event's data and its attempts."""

    # The context's `ahead` is the delivery that this one waits for, or None.

    waits_for = serializers.CharField(allow_null=True, help_text="The delivery it waits in line behind.")
    data = eg(  # type: ignore[assignment]
        JsonObject(source="event.data", allow_null=True, help_text="Null: it was expunged."), EXAMPLE_DATA
    )
    attempts = AttemptSerializer(many=True, help_text=f"The latest {ATTEMPTS_SHOWN}, the first one first.")

    def show_reason(self, delivery: Delivery) -> str:
        """Return why it is where it is; what a held one waits for, only its own page says."""
        return ordering.why_held(delivery, self.context["ahead"]) or delivery.reason

    def show_waits_for(self, delivery: Delivery) -> str | None:
        """Return the id of the delivery ahead of it."""
        ahead: Delivery | None = self.context["ahead"]
        return ahead.public_id if ahead else None

    def show_attempts(self, delivery: Delivery) -> list[Attempt]:
        """Return the latest attempts."""
        return list(delivery.attempts.order_by("-id")[:ATTEMPTS_SHOWN])[::-1]


def deliveries_of(merchant: Merchant) -> QuerySet[Delivery]:
    """Return the merchant's deliveries with what DeliverySerializer reads."""
    return (
        Delivery.objects.filter(merchant=merchant)
        .select_related("webhook", "event")
        .defer("event__data", "webhook__headers", "webhook__filter")
    )


class DeliveryList(ApiView):
    """The log."""

    query = (*PARAMETERS, following.PARAMETER, *DeliveryFilter.base_filters)

    @describe(
        "List deliveries",
        answer=DeliverySerializer,
        pages=True,
        filterset=DeliveryFilter,
        parameters=following.PARAMETERS,
        following="https://hooks.example/api/v1/deliveries?cursor=a98",
    )
    def get(self, request: Request) -> Response:
        """Return the delivery log in pages, the newest first.

        `status=failed` selects what failed at least once and wasn't delivered, `status=open` what is still to be sent.
        Rows are kept as long as the platform's retention allows. `follow` begins a list that goes on for ever, the
        oldest first, and misses no delivery; each comes once, as it is then. A `search` reads the payloads of the
        newest 20,000 events (between `since` and `until`, where these are given) and finds 500 of them at most; where
        it left out older ones, the answer's header `Search-Reached` says from when on it looked: give that as `until`
        to look further.
        """
        reached: list[datetime] = []
        rows = self.filtered(DeliveryFilter, deliveries_of(self.merchant), merchant=self.merchant, tell=reached.append)
        response = following.pages(self, rows, DeliverySerializer)
        for moment in reached:
            response[SEARCH_REACHED] = in_utc(moment)
        return response


def shown_to(view: ApiView) -> Callable[[Delivery], Any]:
    """Return what shows a caller one delivery whole."""
    manages = "manage" in view.credential.scopes

    def show(delivery: Delivery) -> Any:
        context = {"ahead": ordering.ahead_of(delivery), "manages": manages}
        return DeliveryDetailSerializer(delivery, context=context).data

    return show


class DeliveryDetail(ApiView):
    """One delivery of the log."""

    @describe("Read a delivery", answer=DeliveryDetailSerializer)
    def get(self, request: Request, id: str) -> Response:
        """Return a delivery with its data and its attempts: what was sent, what came back, what was decided.

        At most the latest 200 attempts are shown. A delivery that waits in line says which one it waits for.
        """
        return self.answer(shown_to(self)(lookups.one(deliveries_of(self.merchant), id)))


class DeliveryRetry(ApiView):
    """A retry by hand."""

    @describe("Retry a delivery", answer=DeliverySerializer, etag=True)
    def post(self, request: Request, id: str) -> Response:
        """Send a delivery again now, with the same message id.

        One that waits for a retry is sent at once; a closed one starts a new chain of attempts, and is taken out of
        review. 409 while it is pending, being sent or in line behind another, and when its webhook is disabled or
        deleted; 412 when it isn't as If-Match says.
        """
        self.body()
        with self.as_read(deliveries_of(self.merchant), id, shown_to(self)) as delivery:
            manual_actions.retry(delivery=delivery, by=self.credential.by)
        return Response(DeliverySerializer(lookups.one(deliveries_of(self.merchant), id)).data)


class DeliveryCancel(ApiView):
    """The end of a delivery that is still open."""

    @describe(
        "Cancel a delivery",
        answer=DeliverySerializer,
        etag=True,
        shown={
            "status": "cancelled",
            "reason": "Cancelled by API key ak_live_3hWq9ZpT….",
            "next_attempt_at": None,
            "closed_at": EXAMPLE_LATER,
        },
    )
    def post(self, request: Request, id: str) -> Response:
        """Stop trying to send a delivery; the log keeps it, with who cancelled it.

        409 while it is being sent, or when it is closed already; 412 when it isn't as If-Match says.
        """
        self.body()
        with self.as_read(deliveries_of(self.merchant), id, shown_to(self)) as delivery:
            manual_actions.cancel(delivery=delivery, by=self.credential.by)
        return Response(DeliverySerializer(lookups.one(deliveries_of(self.merchant), id)).data)
