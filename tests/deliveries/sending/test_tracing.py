"""Spans and `traceparent`: there when wanted, and not a byte of difference when not."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from deliveries.sending import tracing
from subscriptions.checks import tracing_is_installed
from tests.support.factories import make_webhook
from tests.support.hostile import HostileServer, answers
from tests.support.one_attempt import attempt

pytestmark = pytest.mark.django_db(transaction=True)
otel = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra `otel` isn't installed")
FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]")  # sampled; and perhaps made at random
DIALECTS = ["alva", "litestore", "cryptlex", "shopery", "standard"]


@pytest.fixture(scope="module")
def exported() -> Any:
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = otel.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)  # once a process; nothing else in the tests has one
    return exporter


@pytest.fixture
def spans(exported: Any, settings: Any) -> Any:
    settings.WEBHOOKS_TRACING = True
    exported.clear()
    return exported


def sent_headers(server: HostileServer) -> dict[str, str]:
    [request] = server.requests
    return dict(request.headers)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_tracing_no_header_is_added(dialect: str) -> None:
    with HostileServer(answers()) as server:
        attempt(make_webhook(url=server.url, dialect=dialect))
    assert tracing.HEADER not in {name.lower() for name in sent_headers(server)}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_with_tracing_the_header_is_all_that_differs(spans: Any, settings: Any, dialect: str) -> None:
    from deliveries.db.sessions import clock
    from deliveries.sending.rendering import render
    from tests.support.engine import claim_one, due_one

    row = claim_one(due_one(dialect=dialect))
    request = render(row, row.data, clock.at(0.0))
    traced, span = tracing.begin(row, request)
    span.end()
    assert traced.body == request.body
    assert list(traced.headers)[:-1] == list(request.headers)
    assert traced.headers[-1][0] == tracing.HEADER
    settings.WEBHOOKS_TRACING = False
    assert tracing.begin(row, request) == (request, None)


def test_an_attempt_is_a_span_and_its_endpoint_gets_its_context(spans: Any) -> None:
    with HostileServer(answers("503 Busy")) as server:
        delivery, logged = attempt(make_webhook(url=server.url))
    [span] = spans.get_finished_spans()
    context = span.get_span_context()
    given = sent_headers(server)[tracing.HEADER]
    assert FORM.fullmatch(given)
    assert given.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    assert span.attributes["webhooks.event_id"] == delivery.event.public_id
    assert span.attributes["webhooks.delivery"] == delivery.public_id
    assert span.attributes["http.response.status_code"] == 503
    assert not span.status.is_ok
    assert given in str(logged.request_headers)


def test_a_header_of_that_name_that_a_webhook_has_set_stays(spans: Any) -> None:
    with HostileServer(answers()) as server:
        attempt(make_webhook(url=server.url, headers={"TraceParent": "mine"}))
    assert {name.lower(): value for name, value in sent_headers(server).items()}[tracing.HEADER] == "mine"


def test_a_failure_without_an_answer_is_a_span_with_its_kind(spans: Any) -> None:
    attempt(make_webhook(url="http://127.0.0.1:1/hook"))
    [span] = spans.get_finished_spans()
    assert span.attributes["error.type"] == "connect_refused"


CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def events(*numbers: int) -> list[SimpleNamespace]:
    return [SimpleNamespace(event_id=f"evt_{number}") for number in numbers]


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_request_to_publish_is_a_trace_of_ours_that_links_to_its_callers(flags: str, spans: Any) -> None:
    trace_id, parent = CALLER
    tracing.published({"traceparent": f"00-{trace_id}-{parent}-{flags}"}, events(1))
    tracing.published({}, events(2))
    [span] = spans.get_finished_spans()
    assert span.parent is None
    assert f"{span.get_span_context().trace_id:032x}" != trace_id
    [link] = span.links
    assert (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") == (trace_id, parent)
    assert span.attributes["webhooks.event_id"] == "evt_1"


@pytest.mark.parametrize("given", ["nonsense", "", f"00-{'0' * 32}-{'0' * 16}-01", f"ff-{CALLER[0]}-{CALLER[1]}-01"])
def test_a_header_that_names_no_trace_links_to_none(given: str, spans: Any) -> None:
    tracing.published({"traceparent": given}, events(3))
    [span] = spans.get_finished_spans()
    assert (span.parent, list(span.links), span.attributes["webhooks.event_id"]) == (None, [], "evt_3")


def test_a_caller_does_not_decide_whether_a_span_is_kept(spans: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

    for each in (trace.get_tracer_provider(), trace.get_tracer(tracing._NAME)):  # the SDK may keep its tracers
        monkeypatch.setattr(each, "sampler", ParentBased(ALWAYS_OFF))
    tracing.published({"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"}, events(1))
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize("count", [2, 20, 21, 1000])
def test_a_span_names_at_most_twenty_events_and_says_how_many_there_are(count: int, spans: Any) -> None:
    tracing.published({"traceparent": f"00-{CALLER[0]}-{CALLER[1]}-01"}, events(*range(count)))
    [span] = spans.get_finished_spans()
    assert list(span.attributes["webhooks.event_id"]) == [f"evt_{number}" for number in range(min(count, 20))]
    assert span.attributes["webhooks.events"] == count


def test_tracing_that_is_wanted_and_not_installed_is_an_error(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subscriptions.checks.find_spec", lambda _name: None)
    assert tracing_is_installed() == []
    settings.WEBHOOKS_TRACING = True
    [error] = tracing_is_installed()
    assert "merchant-webhooks[otel]" in str(error.hint)
