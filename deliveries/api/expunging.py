"""Takes an event's payload out on request, as privacy laws ask for it."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api.dead_letters import NoteSerializer
from deliveries.api.events import EventDetailSerializer
from deliveries.maintenance import expunging
from deliveries.models import Event
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe
from subscriptions.api.serializers import EXAMPLE_LATER, ApiSerializer, eg

_NOTE = "Asked for by the customer, Art. 17."


class ExpunctionSerializer(ApiSerializer):
    """The trace of a payload that was taken out: it holds none of it."""

    id = eg(serializers.CharField(source="event_id", help_text="The event's id."), "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A")
    event = eg(serializers.CharField(source="event_type"), "order.created")
    by = eg(serializers.CharField(help_text="Who asked for it."), "API key ak_live_3hWq9ZpT…")
    note = eg(serializers.CharField(allow_blank=True), _NOTE)
    attempts = eg(serializers.IntegerField(help_text="Attempts whose request and answer went with it."), 2)
    cancelled = eg(serializers.IntegerField(help_text="Deliveries that were still to be sent."), 0)
    expunged_at = eg(serializers.DateTimeField(source="created_at"), EXAMPLE_LATER)


class EventExpunge(ApiView):
    """The end of an event's payload."""

    def check_permissions(self, request: Request) -> None:
        """Raise PermissionDenied (403) for members who aren't owners, too: what is taken out can't be brought back."""
        super().check_permissions(request)
        if not self.credential.may_manage_keys:
            raise PermissionDenied("Only an owner may expunge an event.", code="missing_role")

    @describe("Expunge an event", body=NoteSerializer, answer=ExpunctionSerializer, etag=True, sent={"note": _NOTE})
    def post(self, request: Request, id: str) -> Response:
        """Take an event's data out of the log for good, with what its attempts hold of requests and answers.

        Type, times, status and sizes stay; so does the trace of who asked, when and why. Deliveries still to be sent
        are cancelled, those in review discarded. Asked again, it takes out what came since. 403 for members who aren't
        owners; 409 while it is being sent; 412 when it isn't as If-Match says.
        """
        note = self.body(NoteSerializer)["note"]
        rows = Event.objects.filter(merchant=self.merchant)
        with self.as_read(rows, id, lambda event: EventDetailSerializer(event).data) as event:
            trace = expunging.expunge(event, by=self.credential.by, note=note)
        trace.refresh_from_db(fields=["created_at"])
        return Response(ExpunctionSerializer(trace).data)
