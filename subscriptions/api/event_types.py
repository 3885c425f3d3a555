"""The event catalogue."""

from __future__ import annotations

import json
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api import documents
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.models import EventType


def represent(entry: EventType) -> dict[str, Any]:
    """Return a catalogue entry as the API shows it."""
    return {
        "name": entry.name,
        "aliases": entry.aliases,
        "group": entry.group,
        "description": entry.description,
        "schema": entry.schema,
        "example": json.loads(entry.example),
    }


class EventTypeList(ApiView):
    """What can happen."""

    query = PARAMETERS

    @describe("List event types", responses={200: documents.EventTypeDocument(many=True)}, pages=True)
    def get(self, request: Request) -> Response:
        """Return a page of the catalogue, in the order it was loaded."""
        return self.pages(EventType.objects.filter(is_active=True), represent, newest_first=False)
