"""What an answer is written as: JSON, whatever a query parameter `format` or the project's REST_FRAMEWORK says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation


class Negotiation(DefaultContentNegotiation):
    """Looks at the header Accept alone."""

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)
