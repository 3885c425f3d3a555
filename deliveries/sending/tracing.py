"""Traces by OpenTelemetry: a span an attempt, whose context the endpoint gets as the header `traceparent`.

Off unless WEBHOOKS_TRACING is set, and then nothing of a request changes but this one header, which stands outside
every signature. Which spans are kept and where they go is the project's affair: its SDK, or the service's
(`webhooks_project.telemetry`). Attempts of one event are found by the attribute `webhooks.event_id` (docs/adr/0047).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from deliveries.queueing.claims import Claimed
from deliveries.transport import Outcome, Request
from subscriptions.conf import settings
from subscriptions.webhook_rules import HTTPS

HEADER: Final = "traceparent"
NAMED: Final = 20
"""Events that the span of a request to publish names."""
_NAME: Final = "merchant_webhooks"


class _Published(Protocol):
    @property
    def event_id(self) -> str: ...


def is_on() -> bool:
    """Tell whether spans are made: that is wanted, and OpenTelemetry is installed."""
    return bool(settings.WEBHOOKS_TRACING) and _api() is not None


def begin(row: Claimed, request: Request) -> tuple[Request, Any]:
    """Begin an attempt's span; return the request that carries its context, and the span for `end`.

    Without tracing the request is returned as it is. A header of that name that the webhook has set itself stays.
    """
    if not is_on():
        return request, None
    trace, propagator = _api()  # type: ignore[misc]
    attributes = {f"webhooks.{name}": value for name, value in row.named.items()} | {
        "webhooks.event": row.event_type,
        "webhooks.merchant": row.webhook.merchant,
        "http.request.method": request.method,
        "server.address": urlsplit(request.url).hostname or "",
    }
    span = trace.get_tracer(_NAME).start_span("webhook attempt", kind=trace.SpanKind.CLIENT, attributes=attributes)
    if row.webhook.kind == HTTPS and all(name.lower() != HEADER for name, _value in request.headers):
        carrier: dict[str, str] = {}
        propagator.inject(carrier, context=trace.set_span_in_context(span))
        if HEADER in carrier:
            request = replace(request, headers=(*request.headers, (HEADER, carrier[HEADER])))
    return request, span


def end(span: Any, outcome: Outcome) -> None:
    """End an attempt's span, or nothing where there is none. Quick: the SDK sends on a thread of its own."""
    if span is None:
        return
    trace, _propagator = _api()  # type: ignore[misc]
    if outcome.status_code is not None:
        span.set_attribute("http.response.status_code", outcome.status_code)
    if not outcome.delivered:
        span.set_attribute("error.type", str(outcome.error or outcome.status_code))
        span.set_status(trace.Status(trace.StatusCode.ERROR))
    span.end()


def published(headers: Mapping[str, str], events: Sequence[_Published]) -> None:
    """Note which events came of a request to publish, if its headers name a trace.

    The span is a root with a link to the caller's: whether spans are kept is decided here, not by merchants. The first
    NAMED events are named.
    """
    if HEADER not in headers or not is_on():
        return
    trace, propagator = _api()  # type: ignore[misc]
    root = trace.set_span_in_context(trace.INVALID_SPAN)
    caller = trace.get_current_span(propagator.extract(headers, root)).get_span_context()
    ids = [each.event_id for each in events[:NAMED]]
    attributes = {"webhooks.event_id": ids[0] if len(ids) == 1 else ids, "webhooks.events": len(events)}
    links = [trace.Link(caller)] if caller.is_valid else []
    trace.get_tracer(_NAME).start_span("webhook publish", root, attributes=attributes, links=links).end()


@lru_cache(maxsize=1)
def _api() -> tuple[Any, Any] | None:
    try:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return None  # the check says so (subscriptions.checks)
    return trace, TraceContextTextMapPropagator()
