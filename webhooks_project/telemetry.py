"""What a process reports: all it says to the log; errors to Sentry and spans to a collector where that is set.

Without these settings nothing of Sentry or OpenTelemetry is loaded. Call `set_up` in each process, after it was forked:
both have threads.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from webhooks_project.settings import logs


def set_up(role: str) -> None:
    """Begin to report, as the process `web`, `pages`, `worker` or `beat`.

    Raises ImproperlyConfigured where what is asked for isn't installed.
    """
    if not settings.DEBUG:
        logs.take_over()
    if settings.SENTRY_DSN:
        _sentry(role)
    if settings.MERCHANT_WEBHOOKS["TRACING"]:
        _tracing(role)


def flush(seconds: float = 2.0) -> None:
    """Send what waits, for who ends without Python's own exit."""
    if settings.SENTRY_DSN:
        import sentry_sdk

        sentry_sdk.flush(timeout=seconds)
    if settings.MERCHANT_WEBHOOKS["TRACING"]:
        from opentelemetry import trace

        provider: Any = trace.get_tracer_provider()
        if hasattr(provider, "force_flush"):
            provider.force_flush(round(seconds * 1000))


def _sentry(role: str) -> None:
    try:
        import sentry_sdk
        from sentry_sdk.integrations.logging import ignore_logger
    except ImportError as error:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set, but sentry-sdk is not installed. It expects the extra `sentry`: "
            "pip install 'merchant-webhooks[sentry]'."
        ) from error
    # Nothing of payloads, secrets or people leaves: no local variables, bodies, headers, cookies, earlier lines.
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=_told,
        server_name=None,
    )
    sentry_sdk.set_tag("process", role)
    for name in logs.STRANGERS:
        ignore_logger(name)


def _told(event: Any, hint: dict[str, Any]) -> Any:
    """Return what Sentry is told: a fact of our log by its name, with its values beside, so that it is one issue."""
    request = event.get("request")
    if request:
        event["request"] = {name: request[name] for name in ("method", "url") if name in request}
    record = hint.get("log_record")
    fact = getattr(record, "msg", None)
    if isinstance(fact, dict):
        values = {name: value for name, value in fact.items() if name not in {"event", "exc_info", "timestamp"}}
        event["logentry"] = {"message": str(fact.get("event", "")), "params": []}
        event.setdefault("contexts", {})["fact"] = {name: str(value)[:200] for name, value in values.items()}
        if fact.get("exc_info") and "exception" not in event:
            event |= _exception(fact["exc_info"])
    return logs.without_tokens(event)  # addresses stand in messages and exceptions, too


def _exception(given: Any) -> Any:
    """Return what Sentry makes of an exception that structlog was given; the standard library knows nothing of it."""
    from sentry_sdk import get_client
    from sentry_sdk.utils import event_from_exception

    caught = sys.exc_info() if given is True else given
    made, _hint = event_from_exception(caught, client_options=get_client().options)
    return {"exception": made["exception"]}


def _tracing(role: str) -> None:
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ImproperlyConfigured(
            "WEBHOOKS_TRACING is true, but OpenTelemetry's SDK is not installed. It expects the extra `otel`: "
            "pip install 'merchant-webhooks[otel]'."
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME") or f"merchant-webhooks-{role}"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # OTEL_EXPORTER_OTLP_ENDPOINT and its like
    trace.set_tracer_provider(provider)
