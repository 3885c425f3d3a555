"""Filters that select rows (django-filter), the same for the API's query parameters and for stored selections.

Nothing here knows REST framework, so that the admin and background jobs can select rows without the API.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django_filters import FilterSet, filters  # type: ignore[import-untyped]

from subscriptions import selectors

SHOWN_MAX: Final = 60
"""Characters of a wrong value that are shown."""
_UNSEEN: Final = frozenset(
    map(
        chr,
        [
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),  # joiners, fillers, a braille blank
            *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)),  # variation selectors
        ],
    )
)
"""What shows nothing, though Unicode calls it a letter, a symbol or a mark."""


def says_nothing(text: str) -> bool:
    """Tell whether a filter's text is blank: nothing but white space, controls, zero-width characters and commas.

    Such a value comes from a variable that was never set. Everything that `str.strip` takes off is among these.
    """
    return all(
        one.isspace() or one == "," or one in _UNSEEN or unicodedata.category(one) in {"Cc", "Cf"} for one in text
    )


def in_utc(moment: datetime) -> str:
    """Return a moment as filters take it and the API's answers have it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


class MomentField(forms.CharField):
    """A moment in ISO 8601 with its zone."""

    def clean(self, value: Any) -> datetime | None:
        """Return the moment in UTC. Raises ValidationError for anything else."""
        if value is None:
            return None
        text = super().clean(value)
        try:
            # A plus sign that wasn't escaped in a query arrives as a space.
            moment = datetime.fromisoformat(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
            if moment.tzinfo is None:
                raise ValueError("no zone")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise forms.ValidationError("Give a moment with its zone, such as 2024-01-15T15:30:00Z.") from None


class MomentFilter(filters.IsoDateTimeFilter):
    """Compares with a moment."""

    field_class = MomentField


class FlagField(forms.CharField):
    """`true` or `false`."""

    def clean(self, value: Any) -> bool | None:
        """Return the flag. Raises ValidationError for any other word."""
        text = super().clean(value)
        if text not in {"", "true", "false"}:
            raise forms.ValidationError("Give true or false.")
        return text == "true" if text else None


class FlagFilter(filters.BooleanFilter):
    """Compares with true or false."""

    field_class = FlagField


def no_such_word(what: str, value: str, words: Iterable[str]) -> str:
    """Return the sentence about a word that a filter doesn't know, with those it does."""
    return f"There is no {what} {value[:SHOWN_MAX]!r}. There are: {', '.join(words)}."


class WordField(forms.CharField):
    """One of `words`."""

    def __init__(self, *, what: str, words: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self.what, self.words = what, words

    def clean(self, value: Any) -> str:
        """Return the word. Raises ValidationError naming the words there are, for another."""
        word: str = super().clean(value)
        if word and word not in self.words:
            raise forms.ValidationError(no_such_word(self.what, word, self.words))
        return word


class WordFilter(filters.CharFilter):
    """Selects by one of `words`, which a `what` may be."""

    field_class = WordField

    def __init__(self, *args: Any, what: str, words: Sequence[str], **options: Any) -> None:
        super().__init__(*args, what=what, words=words, **options)
        self.one_of = words


def no_such_event(value: str, *, or_else: str = "") -> str:
    """Return the sentence about what is no event of the catalogue, with the names that look like it."""
    near = difflib.get_close_matches(value, selectors.event_names(), 3)
    advice = f"Did you mean {', '.join(near)}?" if near else "The list of event types names them."
    return f"There is no event {value[:SHOWN_MAX]!r} in the catalogue{or_else}. {advice}"


class EventNameField(forms.CharField):
    """An event's name in the catalogue, or one of its aliases."""

    def clean(self, value: Any) -> str:
        """Return the name that events of this type are stored under. Raises ValidationError for what is none."""
        text: str = super().clean(value)
        name = selectors.stored_event_name(text) if text else ""
        if name is None:
            raise forms.ValidationError(no_such_event(text))
        return name


class EventNameFilter(filters.CharFilter):
    """Selects by an event's name."""

    field_class = EventNameField


def selected(filterset: type[FilterSet], values: dict[str, Any], rows: QuerySet[Model], **whose: Any) -> QuerySet[Any]:
    """Return those of `rows` that a stored selection or the members of a request body mean.

    Args:
        filterset: What can be selected by.
        values: Filter name → text, or a list of words where the filter takes several.
        rows: What is selected from.
        whose: What the filterset must know beside these.

    Raises ValidationError naming each filter whose value is of the wrong type, blank, or makes no sense.
    """
    words = {name for name, one in filterset.base_filters.items() if hasattr(one, "words")}
    texts = {name: _text(value, several=name in words) for name, value in values.items()}
    if wrong := [name for name, text in texts.items() if text is None]:
        raise ValidationError(
            {name: [f"This must be {'a list of words' if name in words else 'text'}, and not blank."] for name in wrong}
        )
    found = filterset(data=texts, queryset=rows, **whose)
    if not found.is_valid():
        raise ValidationError({name: list(errors) for name, errors in found.errors.items()})
    return found.qs


def _text(value: Any, *, several: bool) -> str | None:
    """Return a member of a body as a query would have it; None when it is of the wrong type, or says nothing."""
    if several and isinstance(value, list) and all(isinstance(word, str) for word in value):
        value = ",".join(value)
    return value if isinstance(value, str) and not says_nothing(value) else None
