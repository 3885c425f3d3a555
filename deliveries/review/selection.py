"""Selects deliveries and dead letters: one set of filters for lists, bulk requests and the jobs they become.

The API and the admin select by it alike. A selection is stored with its job and evaluated again by the worker, so
nothing here knows REST framework.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Max, Q, QuerySet
from django_filters import FilterSet, filters  # type: ignore[import-untyped]

from deliveries.models import DeadLetter, Delivery, Event, Job
from deliveries.review import search
from deliveries.transport import ErrorClass
from subscriptions import selectors
from subscriptions.filters import (
    EventNameFilter,
    MomentFilter,
    WordFilter,
    in_utc,
    no_such_event,
    no_such_word,
    says_nothing,
    selected,
)
from subscriptions.models import Merchant, Webhook

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
                raise forms.ValidationError(no_such_word("status", word, STATUSES))
            found += STATUSES[word]
        return found


class StatusFilter(filters.CharFilter):
    """Selects by status."""

    field_class = StatusField
    words = STATUSES


STOPPED: Final = (
    "The search stopped early: what was published before {when} was not looked at. "
    "Give that moment as `since`, or select by other filters or ids."
)
"""Why a bulk request by a search is refused that would leave out what it means."""
OUT_OF_ORDER_MAX: Final = 1000
"""Deliveries before the last among which the newest event is looked for."""


class DeliveryFilter(FilterSet):
    """Selects deliveries of a merchant."""

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

    def __init__(
        self,
        *args: Any,
        merchant: Merchant,
        until_row: int | None = None,
        tell: Callable[[datetime], None] | None = None,
        memory: dict[str, list[int]] | None = None,
        **options: Any,
    ) -> None:
        """Select deliveries of a merchant.

        Args:
            args: FilterSet's own.
            merchant: Whose.
            until_row: The last row (key) that a stored selection means; then what it names may have gone since.
            tell: Called with the moment down to which a search read payloads, where it left out older ones. Without it
                such a search is refused.
            memory: What is searched for → keys of the events found. A search writes what it found into it, and one that
                stands there is not made again.
            options: FilterSet's own.
        """
        super().__init__(*args, **options)
        self._merchant, self._until_row, self._tell = merchant, until_row, tell
        self._memory = {} if memory is None else memory

    def by_event(self, rows: QuerySet[Delivery], name: str, value: str) -> QuerySet[Delivery]:
        """Keep one event's, or those of one name. Raises ValidationError where there is neither."""
        stored = selectors.stored_event_name(value)
        if stored is None and self._until_row is None and not self._is_id(value):
            raise ValidationError({name: [no_such_event(value, or_else=", and none of yours with this id")]})
        return rows.filter(Q(event_type=stored or value) | Q(event__public_id=value))

    def _is_id(self, value: str) -> bool:
        return Event.objects.filter(merchant=self._merchant, public_id=value).exists()

    def by_search(self, rows: QuerySet[Delivery], name: str, value: str) -> QuerySet[Delivery]:
        """Keep those that bear the words. Raises ValidationError where it can't tell of all and nobody is told."""
        if value not in self._memory:
            self._memory[value] = self._search(name, value)
        urls = Webhook.objects.filter(merchant=self._merchant, url__istartswith=value).values_list("pk", flat=True)
        found = self._memory[value]
        return rows.filter(Q(public_id=value) | Q(webhook_id__in=list(urls)) | Q(event_id__in=found))

    def _search(self, name: str, value: str) -> list[int]:
        given = self.form.cleaned_data
        since = max((given[one] for one in ("since", "created_at_min") if given[one]), default=None)
        newest = None if self._until_row is None else _newest_event(self._merchant, self._until_row)
        found = search.of_merchant(self._merchant, value, since=since, until=given["until"], newest=newest)
        if found.reached and self._tell:
            self._tell(found.reached)
        elif found.reached and self._until_row is None:
            raise ValidationError({name: [STOPPED.format(when=in_utc(found.reached))]})
        return found.keys

    def by_change(self, rows: QuerySet[Delivery], name: str, value: Any) -> QuerySet[Delivery]:
        """Keep those that something happened to."""
        return rows.filter(Q(created_at__gte=value) | Q(last_attempt_at__gte=value) | Q(closed_at__gte=value))


def _newest_event(merchant: Merchant, until_row: int) -> int:
    """Return a key that no event of the merchant's deliveries up to `until_row` (key) is past."""
    # Keys of both tables grow with time; transactions of the same time may have taken them in another order.
    last = Delivery.objects.filter(merchant=merchant, pk__lte=until_row).order_by("-pk").values("event_id")
    newest: int | None = last[:OUT_OF_ORDER_MAX].aggregate(newest=Max("event_id"))["newest"]
    return newest or 0


class CodeFilter(filters.CharFilter):
    """Selects by HTTP status."""

    field_class = CodeField
    pattern = CodeField.PATTERN


NO_ERROR: Final = "none"
"""Word of `error=` for dead letters without one, such as those whose worker died."""
ERRORS: Final = (*(str(error) for error in ErrorClass), NO_ERROR)
"""The words of `error=`."""


class DeadLetterFilter(FilterSet):
    """Selects dead letters that wait for a person."""

    event = EventNameFilter("delivery__event_type", help_text="Only events of this name.")
    webhook = filters.CharFilter("webhook__public_id", help_text="A webhook's id.")
    error = WordFilter(
        method="by_error",
        what="error",
        words=ERRORS,
        help_text="Only this kind of error, such as response_timeout; `none`: without an error.",
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


def rows(
    merchant: Merchant,
    source: str,
    selection: dict[str, Any],
    *,
    until_row: int | None = None,
    memory: dict[str, list[int]] | None = None,
) -> QuerySet[Any]:
    """Return the merchant's rows that a selection means; see `narrowed`.

    `until_row` is the last row (key) of a selection that was stored, `memory` what its search found; see
    `DeliveryFilter`.
    """
    if source == Job.Source.QUEUE:
        return narrowed(DeadLetter.objects.filter(merchant=merchant), source, selection)
    found = Delivery.objects.filter(merchant=merchant)
    return narrowed(found, source, selection, merchant=merchant, until_row=until_row, memory=memory)


def narrowed(found: QuerySet[Any], source: str, selection: dict[str, Any], **whose: Any) -> QuerySet[Any]:
    """Return those of `found` that a selection means.

    Args:
        found: Deliveries, or dead letters, that whoever selects may change.
        source: Of Job.Source: deliveries of the log, or dead letters that wait for review.
        selection: Filters of DeliveryFilter or DeadLetterFilter by name, and `ids` (at most IDS_MAX); where none is
            given, `all`: True, for all that waits for review. Of the log, without `status` or `ids`, what waits for
            review.
        whose: What DeliveryFilter must know beside these.

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
    return selected(_FILTERS[Job.Source(source)], filters, found, **whose)


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
