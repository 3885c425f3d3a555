"""Fields that several documents share."""

from __future__ import annotations

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from deliveries.models import Event


def data_of(event: Event) -> Any:
    """Return an event's data as it is shown: its numbers are doubles that every JSON reader takes alike."""
    return json.loads(event.data)


@extend_schema_field({"type": "object", "additionalProperties": True})
class Data(serializers.JSONField):
    """An event's data: an object."""


@extend_schema_field(
    {"type": "array", "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}}
)
class Pairs(serializers.JSONField):
    """Headers as pairs, since a name may stand twice."""
