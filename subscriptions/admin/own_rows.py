"""Filters of lists over a relation: they offer the person's own rows, and keep nobody else's."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import FieldListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RelatedDropdownFilter

from subscriptions.admin import declared
from subscriptions.admin.scoping import only

CHOICES_MAX = 200
"""The most rows a filter offers; past that the search finds them."""
KEY_DIGITS = 18
"""Digits that a primary key may have to fit a bigint."""


class OwnRowsFilter(RelatedDropdownFilter):
    """A filter over a relation that offers the person's own rows; with one row or none it hides itself until asked."""

    def has_output(self) -> bool:
        """Tell whether it is of use; one that is asked for must narrow the list."""
        return super().has_output() or bool(self._chosen())

    def problem(self) -> str:
        """Return what is wrong with the value, for eyes."""
        chosen = self._chosen()
        return declared.no_such(self.title, chosen) if chosen and not _is_key(chosen) else ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the chosen one; none for what is no key."""
        chosen = self._chosen()
        if not chosen:
            return queryset
        return only(queryset, self.field.attname, int(chosen)) if _is_key(chosen) else queryset.none()

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        """Return (key, name) of each row on offer."""
        rows = model_admin.related(request, field.remote_field.model)
        return [(row.pk, str(row)) for row in rows.order_by("pk")[:CHOICES_MAX]]

    def _chosen(self) -> str:
        chosen = self.value()
        return str((chosen[0] if isinstance(chosen, list) and chosen else chosen) or "")


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= KEY_DIGITS


def is_scoped_filter(model: type[Model], entry: Any) -> bool:
    """Tell whether an entry of `list_filter` can't leak a foreign row: no plain filter over a relation."""
    name, kind = entry if isinstance(entry, tuple) else (entry, None)
    if isinstance(name, type):
        return not issubclass(name, FieldListFilter)
    if kind is not None and issubclass(kind, OwnRowsFilter):
        return True
    return "__" not in name and not model._meta.get_field(name).is_relation
