"""What ingesting costs at the least in Django: a plain view that parses JSON and stores rows by the ORM.

No authentication, limits, validation, matching, canonical JSON, idempotency or wake-ups. `bench.ingest` runs it beside
the API, in the same server: `python -m bench.bare_view`, with that server's options.
"""

from __future__ import annotations

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import transaction  # noqa: E402
from django.db.models.functions import Now  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from deliveries.models import Delivery, Event  # noqa: E402
from subscriptions.models import Webhook  # noqa: E402
from webhooks_project.server.__main__ import main  # noqa: E402


@csrf_exempt
def ingest(request: HttpRequest) -> JsonResponse:
    """Store `{"events": […]}`, or one event, each with a delivery to the first webhook."""
    body = json.loads(request.body)
    items = body.get("events", [body])
    webhook = Webhook.objects.order_by("id")[0]
    with transaction.atomic():
        events = Event.objects.bulk_create(
            [
                Event(
                    merchant_id=webhook.merchant_id,
                    type=item["event"],
                    data=(text := json.dumps(item["data"])),
                    size=len(text),
                    occurred_at=timezone.now(),
                )
                for item in items
            ]
        )
        Delivery.objects.bulk_create(
            [
                Delivery(
                    merchant_id=webhook.merchant_id, webhook=webhook, event=event, event_type=event.type, due_at=Now()
                )
                for event in events
            ]
        )
    return JsonResponse({"events": [{"id": event.public_id} for event in events]}, status=201)


urlpatterns = [path("api/ingest", ingest)]

if __name__ == "__main__":
    settings.ROOT_URLCONF = "bench.bare_view"
    sys.exit(main())
