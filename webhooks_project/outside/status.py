"""The state of the service in words, for people: whether events are taken, sent, and seen at once."""

from __future__ import annotations

from typing import Final

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from deliveries.models import Delivery
from deliveries.queueing import wakeups
from webhooks_project.outside.pages import page

AWAY_MS: Final = 30_000
"""Milliseconds for which no worker may have been heard of; a pause of a busy machine is no disturbance."""
Part = tuple[str, bool, str]
"""Name, whether it works, and what that means for a merchant."""


@never_cache
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Return the page: 200 while everything works, 503 otherwise, for who watches it with a program."""
    parts = [_accepting(), _sending()]
    is_good = all(part[1] for part in parts)
    content = {
        "title": "Service status",
        "summary": "Everything works." if is_good else "Something is disturbed. Events that we took are kept and sent.",
        "parts": parts,
        "at": timezone.now(),
    }
    return page(request, "status", content, status=200 if is_good else 503)


def _accepting() -> Part:
    try:
        Delivery.objects.order_by().values_list("pk").exists()
    except (DatabaseError, InterfaceError):
        return "Events", False, "The API takes no events now; programs should send them again."
    return "Events", True, "The API takes events."


def _sending() -> Part:
    state = wakeups.state(within_ms=AWAY_MS)
    if state is None:
        return "Deliveries", False, "Deliveries go out late: what announces them can't be reached."
    if not state.workers:
        return "Deliveries", False, "Nothing is sent now; deliveries wait and are sent later."
    return "Deliveries", True, "Deliveries are sent."
