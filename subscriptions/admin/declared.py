"""What a list may be asked by its address: the filters it declares, with values that can be read.

Django lets an address ask any column by any lookup, so that it would be a way to read a secret letter by letter, or to
keep the database busy with regular expressions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.contrib.admin import FieldListFilter, SimpleListFilter
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter, RelatedDropdownFilter

VALUE_MAX: Final = 1000
"""Characters of a filter's value."""
SHOWN_MAX: Final = 60
"""Characters of a wrong name or value that are shown."""
CHOICES_MAX: Final = 30
"""Values of a filter that the sentence about a wrong one names."""
FACETS: Final = "_facets"
PRESERVED: Final = "_changelist_filters"
_OURS: Final = frozenset(
    {ALL_VAR, ERROR_FLAG, FACETS, IS_POPUP_VAR, ORDER_VAR, PAGE_VAR, SEARCH_VAR, TO_FIELD_VAR, PRESERVED}
)


class WrongQuery(Exception):
    """An address asks what a list doesn't answer; the text says what, for eyes."""


def filter_names(model_admin: Any) -> list[str]:
    """Return the parameters that the filters of a ModelAdmin take."""
    return [name for entry in model_admin.list_filter for name in _names(model_admin.model, entry)]


def check(request: HttpRequest, model_admin: Any, others: frozenset[str]) -> None:
    """Refuse an address with a parameter that is neither a declared filter's nor one of `others`. Raises WrongQuery."""
    declared = filter_names(model_admin)
    for name, values in request.GET.lists():
        if name not in declared and name not in _OURS and name not in others:
            there = ", ".join(declared) or "none"
            raise WrongQuery(
                f"This list has no filter {name[:SHOWN_MAX]}. Take it out of the address. There are: {there}."
            )
        if name != SEARCH_VAR and any(len(value) > VALUE_MAX or "\x00" in value for value in values):
            raise WrongQuery(f"The value of {name} can't be read. Take it out of the address, or give another.")


def problems(specs: list[Any]) -> Iterator[str]:
    """Yield what is wrong with the values that a list's filters were given, where they say; for eyes."""
    for spec in specs:
        if hasattr(spec, "problem"):
            told = spec.problem()
        elif isinstance(spec, SimpleListFilter):
            told = _unknown(spec, [str(key) for key, _label in spec.lookup_choices if key])
        elif isinstance(spec, ChoicesDropdownFilter):
            told = _unknown(spec, [str(key) for key, _label in spec.field.flatchoices])
        else:
            told = ""
        if told:
            yield told


def no_such(what: str, value: str, choices: Sequence[str] = ()) -> str:
    """Return the sentence about a value that a filter doesn't know, with those it does."""
    there = f" There are: {', '.join(choices[:CHOICES_MAX])}{' …' * (len(choices) > CHOICES_MAX)}." if choices else ""
    return f"There is no {what} “{value[:SHOWN_MAX]}”.{there}"


def _unknown(spec: Any, choices: list[str]) -> str:
    value = spec.value()
    return no_such(spec.title, value, choices) if value and value not in choices else ""


def _names(model: Any, entry: Any) -> list[str]:
    if isinstance(entry, type) and not issubclass(entry, FieldListFilter):
        return [entry.parameter_name]  # type: ignore[attr-defined]
    name, kind = entry if isinstance(entry, tuple) else (entry, None)
    if kind is not None and issubclass(kind, RelatedDropdownFilter):
        return [f"{name}__{model._meta.get_field(name).target_field.name}__exact"]
    if kind is not None and issubclass(kind, ChoicesDropdownFilter):
        return [f"{name}__exact"]
    if kind is not None and issubclass(kind, RangeDateTimeFilter):
        return [f"{name}_{end}_{part}" for end in ("from", "to") for part in (0, 1)]
    raise ImproperlyConfigured(f"{model.__name__} has a filter of an unknown kind, {entry!r}: say here what it asks.")
