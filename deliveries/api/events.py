"""Events over the API: published one at a time or in batches, listed, and explained webhook by webhook."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django_filters import FilterSet, filters  # type: ignore[import-untyped]
from rest_framework import serializers, status
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import envelopes, following
from deliveries.models import Delivery, Event
from deliveries.publishing import service
from deliveries.reporting import explanations
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.errors import Conflict
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import ApiSerializer, JsonObject, eg
from subscriptions.filters import EventNameFilter, MomentFilter


class PublishedSerializer(ApiSerializer):
    """The receipt of a published event."""

    id = eg(serializers.CharField(source="event_id"), "order-1045-created")
    event = eg(serializers.CharField(), "order.created")
    deliveries = eg(serializers.IntegerField(help_text="To how many webhooks it goes."), 2)
    duplicate = serializers.BooleanField(help_text="True: this id was published before, and nothing was stored.")


class BatchSerializer(ApiSerializer):
    """The receipts, in the order of the request."""

    events = PublishedSerializer(many=True)


class EventSerializer(ApiSerializer):
    """An event."""

    id = eg(serializers.CharField(source="public_id"), "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A")
    event = eg(serializers.CharField(source="type", help_text="Its name in the catalogue."), "order.created")
    data = eg(  # type: ignore[assignment]
        JsonObject(allow_null=True, help_text="Null: it was expunged."), envelopes.EXAMPLE_DATA
    )
    resource_id = eg(serializers.CharField(allow_blank=True), "order-1045")
    occurred_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()


class ExplanationSerializer(ApiSerializer):
    """What became of an event at one webhook, and why."""

    webhook = eg(serializers.CharField(source="webhook.public_id"), "wbh_01HA4XCG60CT4G3EWF4CKYM1MF")
    url = eg(serializers.CharField(source="webhook.url"), "https://accounting.example.com/hooks/orders")
    delivery = eg(
        serializers.CharField(allow_null=True, help_text="Its id; null when there never was one."),
        "dlv_01HA4XCG6Y0M2QW8JX5T7VBN3K",
    )
    status = eg(
        serializers.ChoiceField(choices=[*Delivery.Status.values, explanations.NOT_SENT, explanations.NOT_SUBSCRIBED]),
        "retrying",
    )
    reason = serializers.CharField(source="text", allow_blank=True, help_text="Why, in a sentence.")

    def show_delivery(self, explanation: explanations.Explanation) -> str | None:
        """Return the delivery's id."""
        return explanation.delivery.public_id if explanation.delivery else None


class EventDetailSerializer(EventSerializer):
    """An event, with what became of it at each webhook."""

    webhooks = ExplanationSerializer(many=True)

    def show_webhooks(self, event: Event) -> list[explanations.Explanation]:
        """Return an explanation for each webhook that the merchant had or has."""
        return explanations.explain(event)


class EventFilter(FilterSet):
    """Selects events."""

    event = EventNameFilter("type", help_text="Only events of this name.")
    resource_id = filters.CharFilter(help_text="Only events of this resource.")
    since = MomentFilter("occurred_at", "gte", help_text="Happened then or later.")
    until = MomentFilter("occurred_at", "lt", help_text="Happened before.")
    created_at_min = MomentFilter("created_at", "gte", help_text="Published then or later.")
    updated_at_min = MomentFilter("created_at", "gte", help_text="The same: events don't change.")

    class Meta:
        model = Event
        fields: list[str] = []


def raw_body(request: Request) -> bytes:
    """Return the body's bytes. Raises UnsupportedMediaType (415) when they are announced as anything but JSON."""
    media_type = (request.content_type or "").split(";")[0].strip().lower()
    body = request._request.body
    if media_type != "application/json" and (media_type or body):
        raise UnsupportedMediaType(media_type or "(none)")
    return body


class EventList(ApiView):
    """What happened."""

    scopes = {"POST": "publish"}
    limit_kinds = {"POST": "publish"}
    query = (*PARAMETERS, following.PARAMETER, *EventFilter.base_filters)

    @describe("List events", answer=EventSerializer, pages=True, filterset=EventFilter, parameters=following.PARAMETERS)
    def get(self, request: Request) -> Response:
        """Return the merchant's published events with their data in pages, the newest first.

        `follow` begins a list that goes on for ever, the oldest first, and misses nothing.
        """
        rows = self.filtered(EventFilter, Event.objects.filter(merchant=self.merchant))
        return following.pages(self, rows, EventSerializer)

    @describe("Publish an event", body=envelopes.NewEventSerializer, answer=PublishedSerializer, codes=(201, 200))
    def post(self, request: Request) -> Response:
        """Publish one event to every webhook that subscribes to it.

        201 means that the event and its deliveries are stored: they are sent from then on, and retried by each
        webhook's policy. Give an `id` of your own and repeat the request as often as need be: an id that was published
        before is answered with 200 and `duplicate`, and nothing is stored again. 422 names each member that is wrong,
        such as an event that isn't in the catalogue or data over the platform's limit. Publishing has a rate limit of
        its own.
        """
        event = envelopes.single(raw_body(request))
        try:
            [published] = service.publish_many([event], merchant=self.merchant)
        except service.IdTaken as error:
            raise id_taken(error) from None
        except DjangoValidationError as error:
            raise DjangoValidationError(
                {name.removeprefix("events.0."): texts for name, texts in error.message_dict.items()}
            ) from None
        code = status.HTTP_200_OK if published.duplicate else status.HTTP_201_CREATED
        return Response(receipt(published), code)


class EventBatch(ApiView):
    """Many events at once."""

    scopes = {"POST": "publish"}
    limit_kinds = {"POST": "publish"}

    @describe("Publish events", body=envelopes.NewBatchSerializer, answer=BatchSerializer, codes=(201,))
    def post(self, request: Request) -> Response:
        """Publish up to 1,000 events in one transaction: all of them or, with an error, none.

        The receipts are in the order of the request. Events whose `id` was published before are marked `duplicate`
        and not stored again; where that was another event, the answer is 409. 422 names every wrong event by its place,
        such as `events.3.data`. A batch counts as one request.
        """
        try:
            published = service.publish_many(envelopes.batch(raw_body(request)), merchant=self.merchant)
        except service.IdTaken as error:
            raise id_taken(error) from None
        return Response({"events": [receipt(one) for one in published]}, status.HTTP_201_CREATED)


class EventDetail(ApiView):
    """One event."""

    @describe("Read an event", answer=EventDetailSerializer)
    def get(self, request: Request, id: str) -> Response:
        """Return an event with what became of it at each webhook, or the reason why it wasn't sent there.

        Covers every webhook the merchant had when it was published or has now, up to 1,000: those it went to first.
        """
        event = lookups.one(Event.objects.filter(merchant=self.merchant), id)
        return self.answer(EventDetailSerializer(event).data)


def id_taken(error: service.IdTaken) -> Conflict:
    """Return the answer (409) to ids that stand for other events; of a batch it names the first."""
    (place, [text, *_]), *others = error.message_dict.items()
    where = "" if place in {"id", "events.0.id"} and not others else f"{place}: "
    more = f" The same goes for {len(others)} more." if others else ""
    return Conflict(f"{where}{text}{more}", "event_id_taken")


@cache
def _receipts() -> PublishedSerializer:
    return PublishedSerializer()


def receipt(published: service.Published) -> dict[str, Any]:
    """Return what is said of a published event."""
    return _receipts().to_representation(published)
