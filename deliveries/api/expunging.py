"""Taking an event's payload out on request, as privacy laws ask for it."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from deliveries.api import documents
from deliveries.api.dead_letters import NOTE_MAX
from deliveries.maintenance import expunging
from deliveries.models import Event, ExpungedPayload
from subscriptions.api import lookups
from subscriptions.api.base import ApiView
from subscriptions.api.describing import describe


def represent(trace: ExpungedPayload) -> dict[str, Any]:
    """Return the trace that an expunction leaves: everything but what was taken out."""
    return {
        "id": trace.event_id,
        "event": trace.event_type,
        "by": trace.by,
        "note": trace.note,
        "attempts": trace.attempts,
        "cancelled": trace.cancelled,
        "expunged_at": trace.created_at,
    }


class EventExpunge(ApiView):
    """The end of an event's payload."""

    def check_permissions(self, request: Request) -> None:
        """Raise PermissionDenied (403) for members who aren't owners, too: what is taken out can't be brought back."""
        super().check_permissions(request)
        if not self.credential.may_manage_keys:
            raise PermissionDenied("Only an owner may expunge an event.", code="missing_role")

    @describe("Expunge an event", request=documents.Note, responses={200: documents.ExpunctionDocument})
    def post(self, request: Request, id: str) -> Response:
        """Take its data out of the log for good, with what its attempts hold of requests and answers.

        Type, times, status and sizes stay; so does the trace of who asked, when and why. Deliveries still to be sent
        are cancelled, those in review discarded. Asked again, it takes out what came since. 409 while it is being sent.
        """
        note = lookups.text(lookups.members(request.data, known=("note",)), "note", limit=NOTE_MAX)
        event = lookups.one(Event.objects.filter(merchant=self.merchant), id)
        trace = expunging.expunge(event, by=self.credential.by, note=note)
        trace.refresh_from_db(fields=["created_at"])
        return Response(represent(trace))
