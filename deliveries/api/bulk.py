"""Replaying and discarding many at once, by the filters of the lists."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from django_filters.rest_framework import FilterSet  # type: ignore[import-untyped]
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries import review
from deliveries.api import dead_letters, deliveries, documents
from deliveries.api.filters import DeadLetterFilter, DeliveryFilter
from deliveries.models import Delivery
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.filters import selected
from subscriptions.api.schema import describe

IDS_MAX: Final = 1000
_OPTIONS: Final = ("ids", "note", "dry_run")


class DeliveryReplay(ApiView):
    """Replays from the log."""

    @describe("Replay deliveries", request=documents.DeliverySelection, responses={200: documents.BulkDocument})
    def post(self, request: Request) -> Response:
        """Send again what the filters select; without `status`, what waits for review. `dry_run` only counts."""
        body = lookups.members(request.data, known=(*_OPTIONS, *DeliveryFilter.base_filters))
        if not body.get("ids"):
            body = {"status": Delivery.Status.DEAD.value} | body
        rows = _rows(body, DeliveryFilter, deliveries.deliveries_of(self.merchant), "public_id")
        return _carry_out(self, body, rows, review.replay_all)


class DeadLettersReplay(ApiView):
    """Second chances by the hundred."""

    @describe("Replay dead letters", request=documents.DeadLetterSelection, responses={200: documents.BulkDocument})
    def post(self, request: Request) -> Response:
        """Send again what the filters select of the review queue; without any, all of it."""
        return _of_queue(self, request, review.replay_all)


class DeadLettersDiscard(ApiView):
    """Closing by the hundred."""

    @describe("Discard dead letters", request=documents.DeadLetterSelection, responses={200: documents.BulkDocument})
    def post(self, request: Request) -> Response:
        """Close for good what the filters select of the review queue; without any, all of it."""
        return _of_queue(self, request, review.discard_all)


def _of_queue(view: ApiView, request: Request, action: Any) -> Response:
    body = lookups.members(request.data, known=(*_OPTIONS, *DeadLetterFilter.base_filters))
    rows = _rows(body, DeadLetterFilter, dead_letters.dead_letters_of(view.merchant), "delivery__public_id")
    return _carry_out(view, body, rows, action)


def _rows(body: dict[str, Any], filterset: type[FilterSet], rows: QuerySet[Any], id_field: str) -> QuerySet[Any]:
    ids = body.get("ids")
    if ids is not None:
        if not isinstance(ids, list) or len(ids) > IDS_MAX or not all(isinstance(one, str) for one in ids):
            raise ValidationError({"ids": [f"This must be a list of at most {IDS_MAX} dlv_… ids."]})
        rows = rows.filter(**{f"{id_field}__in": ids})
    return selected(filterset, {name: value for name, value in body.items() if name not in _OPTIONS}, rows)


def _carry_out(view: ApiView, body: dict[str, Any], rows: QuerySet[Any], action: Any) -> Response:
    dry_run = lookups.flag(body, "dry_run")
    note = lookups.text(body, "note", limit=dead_letters.NOTE_MAX)
    count = action(rows, by=view.credential.by, note=note, dry_run=dry_run)
    return Response({"count": count, "dry_run": dry_run})
