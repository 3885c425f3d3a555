"""The event catalogue over the API."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.pagination import PARAMETERS
from subscriptions.api.serializers import ApiSerializer, JsonObject, eg
from subscriptions.models import EventType


class EventTypeSerializer(ApiSerializer):
    """An entry of the event catalogue."""

    name = eg(serializers.CharField(), "license.created")
    aliases = serializers.ListField(
        child=serializers.CharField(), help_text="Other names under which it can be published and subscribed to."
    )
    group = eg(serializers.CharField(), "license")
    description = eg(serializers.CharField(), "A license was created.")
    schema = eg(
        serializers.DictField(help_text="JSON Schema (2020-12) of `data`."),
        {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    )
    example = eg(JsonObject(help_text="An example of `data`."), {"id": "0e4c5ba4-3ca6-4dcd-9f8f-3ba8b4d1e4a5"})


class EventTypeList(ApiView):
    """What can happen."""

    query = PARAMETERS

    @describe("List event types", answer=EventTypeSerializer, pages=True)
    def get(self, request: Request) -> Response:
        """Return the catalogue of events in pages, in the order it was loaded.

        Only events of the catalogue can be published; each comes with the JSON Schema that its `data` follows and an
        example.
        """
        return self.pages(EventType.objects.filter(is_active=True), EventTypeSerializer, newest_first=False)
