"""Publishing and reading events."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import status
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import documents, envelopes, explanations
from deliveries.api.filters import EventFilter
from deliveries.models import Event
from deliveries.publishing import service
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.errors import Conflict
from subscriptions.api.filters import filtered
from subscriptions.api.pagination import PARAMETERS


def represent(event: Event) -> dict[str, Any]:
    """Return an event as the API shows it."""
    return {
        "id": event.public_id,
        "event": event.type,
        "data": json.loads(event.data),
        "resource_id": event.resource_id,
        "occurred_at": event.occurred_at,
        "created_at": event.created_at,
    }


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
    query = (*PARAMETERS, *EventFilter.base_filters)

    @describe("List events", responses={200: documents.EventDocument(many=True)}, pages=True, filters=EventFilter)
    def get(self, request: Request) -> Response:
        """Return a page, the newest first."""
        return self.pages(filtered(EventFilter, request, Event.objects.filter(merchant=self.merchant)), represent)

    @describe(
        "Publish an event",
        request=documents.NewEvent,
        responses={201: documents.PublishedDocument, 200: documents.PublishedDocument},
    )
    def post(self, request: Request) -> Response:
        """Publish one event. An `id` that was published before is answered with 200 and dropped."""
        event = envelopes.single(raw_body(request))
        try:
            [published] = service.publish_many([event], merchant=self.merchant)
        except service.IdTaken as error:
            raise id_taken(error) from None
        except DjangoValidationError as error:
            raise DjangoValidationError(
                {name.removeprefix("events.0."): texts for name, texts in error.message_dict.items()}
            ) from None
        return Response(receipt(published), status.HTTP_200_OK if published.duplicate else status.HTTP_201_CREATED)


class EventBatch(ApiView):
    """Many events at once."""

    scopes = {"POST": "publish"}
    limit_kinds = {"POST": "publish"}

    @describe("Publish events", request=documents.NewBatch, responses={201: documents.BatchDocument})
    def post(self, request: Request) -> Response:
        """Publish up to 1,000 events in one transaction: all, or with an error none."""
        try:
            published = service.publish_many(envelopes.batch(raw_body(request)), merchant=self.merchant)
        except service.IdTaken as error:
            raise id_taken(error) from None
        return Response({"events": [receipt(one) for one in published]}, status.HTTP_201_CREATED)


class EventDetail(ApiView):
    """One event."""

    @describe("Read an event", responses={200: documents.EventDetailDocument})
    def get(self, request: Request, id: str) -> Response:
        """Return it with each webhook's delivery, or the reason why there is none."""
        event = lookups.one(Event.objects.filter(merchant=self.merchant), id)
        return self.answer(represent(event) | {"webhooks": explanations.explain(event)})


def id_taken(error: service.IdTaken) -> Conflict:
    """Return the answer (409) to ids that stand for other events; of a batch it names the first."""
    (place, [text, *_]), *others = error.message_dict.items()
    where = "" if place in {"id", "events.0.id"} and not others else f"{place}: "
    more = f" The same goes for {len(others)} more." if others else ""
    return Conflict(f"{where}{text}{more}", "event_id_taken")


def receipt(published: service.Published) -> dict[str, Any]:
    """Return what is said of a published event."""
    return {
        "id": published.event_id,
        "event": published.event,
        "deliveries": published.deliveries,
        "duplicate": published.duplicate,
    }
