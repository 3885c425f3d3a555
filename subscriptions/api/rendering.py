"""How answers are written: JSON whose times have one width, so that they sort as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder


class Encoder(JSONEncoder):
    """Writes times in UTC with six digits: `2024-01-15T15:30:00.000000Z`."""

    def default(self, obj: Any) -> Any:
        """Return what stands for a value that JSON doesn't know."""
        if isinstance(obj, datetime) and obj.tzinfo is not None:
            return obj.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        return super().default(obj)


class Renderer(JSONRenderer):
    """JSON as the API writes it."""

    encoder_class = Encoder
