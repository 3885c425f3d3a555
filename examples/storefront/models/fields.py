"""Tags: a list of words in one column."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Lookup

TAGS_MAX: Final = 50
TAG_LENGTH_MAX: Final = 50


def check_tags(value: Any) -> None:
    """Raise ValidationError unless the value is a list of short words without commas, each once."""
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise ValidationError('Tags are a list of words, such as ["course", "chapter1"].')
    if len(value) > TAGS_MAX:
        raise ValidationError(f"{len(value)} tags; a file has at most {TAGS_MAX}.")
    for tag in value:
        if not tag.strip() or "," in tag or len(tag) > TAG_LENGTH_MAX:
            raise ValidationError(f"The tag {tag[:60]!r} must have 1 to {TAG_LENGTH_MAX} characters and no comma.")
    if len(set(value)) < len(value):
        raise ValidationError("A tag occurs twice. Keep one.")


class TagsField(models.JSONField):
    """A list of words."""

    default_validators = [check_tags]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"default": list, "blank": True, **kwargs})


@TagsField.register_lookup
class AnyOf(Lookup):
    """`tags__any_of=["course", "premium"]`: the rows that have at least one of these tags."""

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Ask jsonb's own operator."""
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} ?| %s", (*parameters, list(self.rhs))
