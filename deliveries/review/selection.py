"""Selects deliveries and dead letters: one set of filters for lists, bulk requests and the jobs they become.

The API and the admin select by it alike. A selection is stored with its job and evaluated again by the worker, so
nothing here knows REST framework.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django_filters import FilterSet, filters  # type: ignore[import-untyped]

from deliveries.models import DeadLetter, Delivery, Job
from deliveries.review import text_search
from subscriptions.filters import MomentFilter, says_nothing, selected
from subscriptions.models import Merchant

STATUSES: Final[dict[str, list[str]]] = {
    **{str(status): [str(status)] for status in Delivery.Status.values},
    **{word: [str(status) for status in statuses] for word, statuses in Delivery.STATUS_GROUPS.items()},
}
"""Word of `status=` → the statuses it means."""


class CodeField(forms.CharField):
    """An HTTP status."""

    PATTERN = "^[1-5][0-9]{2}$"

    def clean(self, value: Any) -> int | None:
        """Return the status. Raises ValidationError for what is none."""
        if value is None:
            return None
        if not re.fullmatch(self.PATTERN, super().clean(value)):
            raise forms.ValidationError("Give an HTTP status, such as 503.")
        return int(value)


class StatusField(forms.CharField):
    """Statuses, separated by commas; `failed`, `open` and `undelivered` stand for several."""

    def clean(self, value: Any) -> list[str]:
        """Return the statuses named. Raises ValidationError naming the one there isn't."""
        found: list[str] = []
        for word in (word.strip() for word in super().clean(value).split(",") if word.strip()):
            if word not in STATUSES:
                raise forms.ValidationError(f"There is no status {word[:30]!r}. There are: {', '.join(STATUSES)}.")
            found += STATUSES[word]
        return found


class StatusFilter(filters.CharFilter):
    """Selects by status."""

    field_class = StatusField
    words = STATUSES


class DeliveryFilter(FilterSet):
    """Selects deliveries."""

    status = StatusFilter("status", "in", help_text="Statuses separated by commas, or `failed`, `open`, `undelivered`.")
    event = filters.CharFilter(method="by_event", help_text="An event's name, or its id.")
    webhook = filters.CharFilter("webhook__public_id", help_text="A webhook's id.")
    since = MomentFilter("created_at", "gte", help_text="Made then or later.")
    until = MomentFilter("created_at", "lt", help_text="Made before.")
    search = filters.CharFilter(
        method="by_search",
        help_text="An id of delivery, event or resource; the start of a URL or, in any case, text of the payload.",
    )
    created_at_min = MomentFilter("created_at", "gte", help_text="The same as since.")
    updated_at_min = MomentFilter(method="by_change", help_text="Made, tried or closed then or later.")

    class Meta:
        model = Delivery
        fields: list[str] = []

    def by_event(self, rows: QuerySet[Delivery], name: str, value: str) -> QuerySet[Delivery]:
        """Keep one event's, or those of one name."""
        return rows.filter(Q(event_type=value) | Q(event__public_id=value))

    def by_search(self, rows: QuerySet[Delivery], name: str, value: str) -> QuerySet[Delivery]:
        """Keep those that bear the words."""
        exact = Q(public_id=value) | Q(event__public_id=value) | Q(event__resource_id=value)
        by_url = Q(webhook__url__istartswith=value)
        return rows.filter(exact | by_url | text_search.in_payload(value, "event__data"))

    def by_change(self, rows: QuerySet[Delivery], name: str, value: Any) -> QuerySet[Delivery]:
        """Keep those that something happened to."""
        return rows.filter(Q(created_at__gte=value) | Q(last_attempt_at__gte=value) | Q(closed_at__gte=value))


class CodeFilter(filters.CharFilter):
    """Selects by HTTP status."""

    field_class = CodeField
    pattern = CodeField.PATTERN


NO_ERROR: Final = "none"
"""Word of `error=` for dead letters without one, such as those whose worker died."""


class DeadLetterFilter(FilterSet):
    """Selects dead letters that wait for a person."""

    event = filters.CharFilter("delivery__event_type", help_text="Only events of this name.")
    webhook = filters.CharFilter("webhook__public_id", help_text="A webhook's id.")
    error = filters.CharFilter(
        method="by_error", help_text="Only this kind of error, such as response_timeout; `none`: without an error."
    )
    status_code = CodeFilter(help_text="Only this last HTTP status, such as 503.")
    since = MomentFilter("created_at", "gte", help_text="Given up then or later.")
    until = MomentFilter("created_at", "lt", help_text="Given up before.")
    created_at_min = MomentFilter("created_at", "gte", help_text="The same as since.")

    class Meta:
        model = DeadLetter
        fields: list[str] = []

    def by_error(self, rows: QuerySet[DeadLetter], name: str, value: str) -> QuerySet[DeadLetter]:
        """Keep those that died of this error."""
        return rows.filter(error="" if value == NO_ERROR else value)


IDS_MAX: Final = 1000
"""Ids that one selection may name."""
_FILTERS: Final[dict[str, Any]] = {Job.Source.LOG: DeliveryFilter, Job.Source.QUEUE: DeadLetterFilter}


def rows(merchant: Merchant, source: str, selection: dict[str, Any]) -> QuerySet[Any]:
    """Return the merchant's rows that a selection means; see `narrowed`."""
    model: Any = DeadLetter if source == Job.Source.QUEUE else Delivery
    return narrowed(model.objects.filter(merchant=merchant), source, selection)


def narrowed(found: QuerySet[Any], source: str, selection: dict[str, Any]) -> QuerySet[Any]:
    """Return those of `found` that a selection means.

    Args:
        found: Deliveries, or dead letters, that whoever selects may change.
        source: Of Job.Source: deliveries of the log, or dead letters that wait for review.
        selection: Filters of DeliveryFilter or DeadLetterFilter by name, and `ids` (at most IDS_MAX); where none is
            given, `all`: True, for all that waits for review. Of the log, without `status` or `ids`, what waits for
            review.

    Raises ValidationError naming each member that is wrong or blank, and `all` where nothing is given: what a variable
    that was never set leaves of a request must not mean everything.
    """
    filters = {name: value for name, value in selection.items() if name != "all"}
    _check_all(selection.get("all", False), filters)
    if source == Job.Source.QUEUE:
        found, id_field = found.filter(resolved_at=None), "delivery__public_id"
    else:
        id_field = "public_id"
        if "ids" not in filters:
            filters = {"status": Delivery.Status.DEAD.value} | filters
    if "ids" in filters:
        found = found.filter(**{f"{id_field}__in": _ids(filters.pop("ids"))})
    return selected(_FILTERS[Job.Source(source)], filters, found)


def _check_all(everything: Any, filters: dict[str, Any]) -> None:
    if not isinstance(everything, bool):
        raise ValidationError({"all": ["This must be true or false."]})
    if not everything and not filters:
        raise ValidationError(
            {"all": ["Nothing is selected. Give a filter or ids, or all: true for all that waits for review."]}
        )


def _ids(ids: Any) -> list[str]:
    if not isinstance(ids, list) or len(ids) > IDS_MAX or not all(isinstance(one, str) for one in ids):
        raise ValidationError({"ids": [f"This must be a list of at most {IDS_MAX} dlv_… ids."]})
    if all(says_nothing(one) for one in ids):
        raise ValidationError({"ids": ["This names no delivery; give at least one dlv_… id."]})
    return ids
