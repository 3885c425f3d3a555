"""The base of every serializer: a class states a resource's shape once, and validates, renders and documents by it.

A member is added in one place, as a field with its help text and its example: requests are checked by it, answers
rendered, and the OpenAPI document says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar, Final, TypeVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import SkipField, empty

F = TypeVar("F", bound=serializers.BaseSerializer[Any] | serializers.Field[Any, Any, Any, Any])

EXAMPLE_MOMENT: Final = "2024-01-15T15:30:00Z"
EXAMPLE_LATER: Final = "2024-01-15T15:32:35.204000Z"


class ApiSerializer(serializers.Serializer[Any]):
    """A resource, the body of a request, or an answer.

    Rendered, a member is the row's attribute of that name (the field's `source`) or, where the class has a method
    `show_<member>(row)`, what that returns.

    Attributes:
        null_means_empty: Members of a request that may be null, which says the same as leaving them empty; answers
            never hold null there.
    """

    null_means_empty: ClassVar[frozenset[str]] = frozenset()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the row's members, in the order in which the fields stand."""
        return {name: shown(instance) for name, shown in self._readers}

    @cached_property
    def _readers(self) -> list[tuple[str, Callable[[Any], Any]]]:
        # REST framework lets each field find and convert its value anew in each row: 2.2 ms for 100 deliveries, with
        # this 0.35 ms. The JSON renderer writes text, numbers, flags and moments just as those fields would.
        return [(name, self._reader(name, field)) for name, field in self.fields.items() if not field.write_only]

    def _reader(self, name: str, field: Any) -> Callable[[Any], Any]:
        read: Callable[[Any], Any] = getattr(self, f"show_{name}", None) or attrgetter(field.source)
        if not isinstance(field, (serializers.BaseSerializer, JsonText)):
            return read

        def converted(row: Any) -> Any:
            value = read(row)
            return None if value is None else field.to_representation(value)

        return converted

    def run_validation(self, data: Any = empty) -> dict[str, Any]:
        """Return a request's members by their `source`; those left out have their default, or are left out.

        Checked fields (Text, Flag, …) are checked here. The values of all others are returned as they came: services
        check them, for the admin and code alike. Raises ValidationError (422) naming every member that is wrong,
        unknown or missing.
        """
        if not isinstance(data, dict):
            raise ValidationError(["The body must be a JSON object."], "not_an_object")
        fields: dict[str, Any] = {name: field for name, field in self.fields.items() if not field.read_only}
        takes = ", ".join(sorted(fields))
        problems: dict[str, Any] = {
            name[:60]: [f"There is no such field here. There are: {takes}."] for name in data if name not in fields
        }
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if field.required and name not in data and not self.partial:
                problems[name] = ["This field is required."]
                continue
            source = field.source
            try:
                if isinstance(field, Checked):
                    values[source] = field.run_validation(data.get(name, empty))
                elif name in data:
                    values[source] = data[name]
            except SkipField:
                pass
            except ValidationError as error:
                problems[name] = error.detail
        if problems:
            raise ValidationError(problems)
        return values


class NoBody(ApiSerializer):
    """The body of requests that take no members."""


# --- fields that check what a request holds: values of their own JSON type only ----------------------------------


class Checked:
    """A field that takes only values of its own JSON type: "5" is no number, and 1 no flag."""

    def run_validation(self, data: Any = empty) -> Any:
        """Return the value or the default. Raises ValidationError (422), SkipField when it is left out without one."""
        if data is None and not self.allow_null:  # type: ignore[attr-defined]
            return self.check(None)
        is_settled, value = self.validate_empty_values(data)  # type: ignore[attr-defined]
        return value if is_settled else self.check(value)

    def check(self, value: Any) -> Any:
        """Return the value as it is used. Raises ValidationError."""
        raise NotImplementedError


class Text(Checked, serializers.CharField):
    """Text of at most `max_length` characters."""

    def check(self, value: Any) -> str:
        """Return the text as it came."""
        if not isinstance(value, str):
            raise ValidationError("This must be text.")
        if self.max_length is not None and len(value) > self.max_length:
            raise ValidationError(f"This has {len(value)} characters; at most {self.max_length} are kept.")
        return value


class Email(Text, serializers.EmailField):
    """An e-mail address; the service that takes it checks its form."""


class Flag(Checked, serializers.BooleanField):
    """True or false."""

    def check(self, value: Any) -> bool:
        """Return the flag."""
        if not isinstance(value, bool):
            raise ValidationError("This must be true or false.")
        return value


class Whole(Checked, serializers.IntegerField):
    """A whole number from `min_value` to `max_value`."""

    def check(self, value: Any) -> int:
        """Return the number."""
        low, high = self.min_value or 0, self.max_value or 0
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValidationError(f"This must be a whole number from {low} to {high}.")
        return value


class Number(Checked, serializers.FloatField):
    """A number from `min_value` to `max_value`."""

    def check(self, value: Any) -> float:
        """Return the number."""
        low, high = self.min_value or 0, self.max_value or 0
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise ValidationError(f"This must be a number from {low:g} to {high:g}.")
        return value


class Moment(Checked, serializers.DateTimeField):
    """A moment in ISO 8601; services refuse one without its zone."""

    def check(self, value: Any) -> datetime:
        """Return the moment, in UTC when its zone is known."""
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment
        except (TypeError, ValueError, OverflowError):
            raise ValidationError("Give a moment with its zone, such as 2030-01-31T00:00:00Z.") from None


# --- fields of answers -------------------------------------------------------------------------------------------


class JsonText(serializers.JSONField):
    """A column that holds JSON as text."""

    def to_representation(self, value: Any) -> Any:
        """Return the value. Its numbers are doubles, which every JSON reader takes alike."""
        return json.loads(value)


@extend_schema_field({"type": "object", "additionalProperties": True})
class JsonObject(JsonText):
    """A column that holds a JSON object as text."""


# --- examples for the OpenAPI document ---------------------------------------------------------------------------


def eg(field: F, example: Any) -> F:
    """Give a field the example that the OpenAPI document shows of it; return the field."""
    field.example = example  # type: ignore[union-attr]
    return field


def example_of(shape: type[ApiSerializer], *, request: bool = False) -> dict[str, Any]:
    """Return the example of an answer or a request, put together from the fields' examples.

    An answer's holds all members; those of a request only members whose field was given an example. Raises TypeError
    for a member of an answer that has none and none that is evident.
    """
    found = {}
    for name, field in shape._declared_fields.items():
        if field.read_only if request else field.write_only:
            continue
        if not request or hasattr(field, "example") or isinstance(field, serializers.BaseSerializer):
            found[name] = _example(f"{shape.__name__}.{name}", field, request=request)
    return found


def _example(place: str, field: Any, *, request: bool) -> Any:
    match field:
        case object(example=example):
            return example
        case serializers.ListSerializer():
            return [example_of(type(field.child), request=request)]  # type: ignore[arg-type]
        case ApiSerializer():
            return example_of(type(field), request=request)
        case object(allow_null=True):
            return None
        case serializers.DateTimeField():
            return EXAMPLE_MOMENT
        case serializers.BooleanField():
            return False
        case serializers.ChoiceField():
            return next(iter(field.choices))
        case serializers.CharField(allow_blank=True):
            return ""
        case serializers.ListField():
            return []
    raise TypeError(f"{place} needs an example: eg(field, value).")
