"""Which rows a bulk request means: the filters of the lists, as members of a body."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

from deliveries.api.filters import DeadLetterFilter, DeliveryFilter
from deliveries.models import DeadLetter, Delivery, Job
from subscriptions.api.filters import selected
from subscriptions.models import Merchant

IDS_MAX: Final = 1000
_FILTERS: Final[dict[str, Any]] = {Job.Source.LOG: DeliveryFilter, Job.Source.QUEUE: DeadLetterFilter}


def members(source: str) -> set[str]:
    """Return the members of a body that select rows of this source."""
    return {"ids", *_FILTERS[Job.Source(source)].base_filters}


def rows(merchant: Merchant, source: str, selection: dict[str, Any]) -> QuerySet[Any]:
    """Return the merchant's rows that a selection means.

    Of the log, without `status` or `ids`, what waits for review. Raises ValidationError (422) naming what is wrong.
    """
    if source == Job.Source.QUEUE:
        found: QuerySet[Any] = DeadLetter.objects.filter(merchant=merchant, resolved_at=None)
        id_field = "delivery__public_id"
    else:
        found = Delivery.objects.filter(merchant=merchant)
        id_field = "public_id"
        if not selection.get("ids"):
            selection = {"status": Delivery.Status.DEAD.value} | selection
    ids = selection.get("ids")
    if ids is not None:
        if not isinstance(ids, list) or len(ids) > IDS_MAX or not all(isinstance(one, str) for one in ids):
            raise ValidationError({"ids": [f"This must be a list of at most {IDS_MAX} dlv_… ids."]})
        found = found.filter(**{f"{id_field}__in": ids})
    filters = {name: value for name, value in selection.items() if name != "ids"}
    return selected(_FILTERS[Job.Source(source)], filters, found)
