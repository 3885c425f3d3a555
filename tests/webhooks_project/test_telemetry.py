"""Sentry and OpenTelemetry: off unless asked for, loud where they are missing, and silent about data."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.support.processes import environment
from webhooks_project import telemetry


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that keeps what it is sent: Sentry's relay, or OpenTelemetry's collector."""
    taken: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


def run(code: str, **variables: str) -> str:
    given = environment(DJANGO_SETTINGS_MODULE="webhooks_project.settings", **variables)
    ended = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


# (redis-py loads OpenTelemetry where it finds it; no provider of ours is set then, so nothing is recorded)
LOADED = """
from opentelemetry import trace
print({'sentry_sdk', 'opentelemetry.exporter.otlp'} & set(sys.modules), type(trace.get_tracer_provider()).__name__)
"""
SET_UP = "import sys, django; django.setup(); from webhooks_project import telemetry; telemetry.set_up('web'); "


def test_unless_asked_for_nothing_of_them_is_loaded() -> None:
    assert run(SET_UP + "telemetry.flush()\n" + LOADED) == "set() ProxyTracerProvider\n"


def test_an_error_is_reported_by_its_name_and_without_what_it_was_about(collector: Any) -> None:
    pytest.importorskip("sentry_sdk")
    address, taken = collector
    code = SET_UP + (
        "from subscriptions.logs import get_logger\n"
        "log = get_logger('deliveries.test')\n"
        "def fail():\n"
        "    password = 'a-local-' + 'secret'\n"
        "    raise ValueError('it broke')\n"
        "try:\n"
        "    fail()\n"
        "except ValueError:\n"
        "    log.exception('render_failed', delivery='dlv_1')\n"
        "log.info('nothing')\n"
        "telemetry.flush()\n"
    )
    run(code, SENTRY_DSN=f"http://key@{address}/1")
    [event] = [json.loads(line) for _path, body in taken for line in body.splitlines() if b'"exception"' in line]
    assert event["logentry"]["message"] == "render_failed"
    assert event["contexts"]["fact"]["delivery"] == "dlv_1"
    assert event["exception"]["values"][-1]["value"] == "it broke"
    assert event["tags"]["process"] == "web"
    assert "a-local-secret" not in json.dumps(event)


def test_what_a_request_held_is_not_told() -> None:
    kept = {"method": "POST", "url": "https://x/api"}
    more = {"headers": {"Authorization": "Bearer ak"}, "data": "d", "cookies": "c", "query_string": "token=x"}
    assert telemetry._told({"request": kept | more}, {})["request"] == kept


@pytest.mark.parametrize("path", ["/portal/{}/", "/invitations/{}/", "/admin/password_reset/NQ/{}/"])
def test_what_lets_somebody_in_is_not_told(path: str) -> None:
    token = "Zk8x2Pq-T7_v"
    named = path.format(token)
    event = {
        "request": {"method": "GET", "url": f"https://hooks.example.com{named}"},
        "logentry": {"message": "%s: %s", "params": ("Internal Server Error", named)},
        "transaction": named,
        "exception": {"values": [{"type": "ValueError", "value": f"at {named}"}]},
        "extra": {"path": named, "status": 500},
    }
    record = type("Record", (), {"msg": {"event": f"failed {named}", "path": named}})
    for hint in ({}, {"log_record": record}):
        told = telemetry._told(dict(event), hint)
        assert token not in json.dumps(told)
        assert told["request"]["url"] == f"https://hooks.example.com{path.format('…')}"
        assert told["extra"]["status"] == 500


def test_an_error_of_a_page_is_reported_without_the_token_of_its_address(collector: Any) -> None:
    pytest.importorskip("sentry_sdk")
    address, taken = collector
    code = SET_UP + (
        "from wsgiref.util import setup_testing_defaults\n"
        "from subscriptions import services\n"
        "def fail(token): raise ValueError(f'no {token[:0]}link')\n"
        "services.find_portal_link = fail\n"
        "from django.conf import settings\n"
        "settings.ALLOWED_HOSTS = ['*']\n"
        "asked = {'PATH_INFO': '/portal/Zk8x2Pq-T7_v/', 'HTTP_HOST': 'hooks.example.com'}\n"
        "setup_testing_defaults(asked)\n"
        "from webhooks_project.wsgi import application\n"
        "list(application(asked, lambda status, headers: print(status)))\n"
        "telemetry.flush()\n"
    )
    assert run(code, SENTRY_DSN=f"http://key@{address}/1") == "500 Internal Server Error\n"
    sent = b"".join(body for _path, body in taken).decode()
    assert "ValueError" in sent
    assert "hooks.example.com/portal/" in sent
    assert "Zk8x2Pq" not in sent


def test_spans_go_to_the_collector(collector: Any) -> None:
    pytest.importorskip("opentelemetry.sdk")
    address, taken = collector
    code = SET_UP + (
        "from types import SimpleNamespace\n"
        "from deliveries.sending import tracing\n"
        "parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'\n"
        "tracing.published({'traceparent': parent}, [SimpleNamespace(event_id='evt_1')])\n"
        "telemetry.flush()\n"
    )
    run(code, WEBHOOKS_TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}")
    [(path, body)] = taken
    assert path == "/v1/traces"
    assert b"webhook publish" in body
    assert b"evt_1" in body
    assert b"merchant-webhooks-web" in body


@pytest.mark.parametrize(
    ("variable", "module", "extra"), [("SENTRY_DSN", "sentry_sdk", "sentry"), ("TRACING", "opentelemetry", "otel")]
)
def test_what_is_asked_for_and_missing_stops_the_start_with_how_to_install_it(
    variable: str, module: str, extra: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(telemetry.logs, "take_over", lambda: None)
    if variable == "TRACING":
        settings.WEBHOOKS_TRACING = True
    else:
        settings.SENTRY_DSN = "http://key@127.0.0.1:1/1"
    with pytest.raises(ImproperlyConfigured, match=rf"{variable}.*merchant-webhooks\[{extra}\]"):
        telemetry.set_up("web")
