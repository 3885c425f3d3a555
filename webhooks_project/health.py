"""Health for load balancers, numbers for Prometheus. Alive: the process answers. Ready: it can accept events."""

from __future__ import annotations

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from deliveries.reporting.metrics import exposition
from subscriptions import redis_clients
from webhooks_project.readiness import readiness


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200: the process runs. Asks nobody else, so that an outage elsewhere doesn't restart every process."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when events can be stored, 503 when not, within 2 s: a database that hangs or only reads can't either.

    Redis away is reported but keeps the process ready: events are accepted and delivered when it is back.
    """
    database = readiness.database()
    body = {"status": "ok" if database == "ok" else "unavailable", "database": database, "redis": _redis()}
    return JsonResponse(body, status=200 if database == "ok" else 503)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus' text format; with METRICS_TOKEN set, only to `Authorization: Bearer` with it."""
    expected = f"Bearer {settings.METRICS_TOKEN}"
    given = request.headers.get("Authorization", "")
    if settings.METRICS_TOKEN and not constant_time_compare(given, expected):
        return HttpResponse(
            "Give METRICS_TOKEN as a Bearer token.\n", status=401, headers={"WWW-Authenticate": "Bearer"}
        )
    answers = readiness.database() != "unreachable"  # else the scrape would hang with the database, past its deadline
    return HttpResponse(exposition(database=answers), content_type=CONTENT_TYPE_LATEST)


def _redis() -> str:
    try:
        redis_clients.client().ping()
    except redis.RedisError:
        return "unreachable"
    return "ok"
