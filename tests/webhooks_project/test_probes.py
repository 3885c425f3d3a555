"""Probes answer as load balancers ask: by address, without a proxy's headers, and soon, whatever hangs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from django.test import Client

from tests.support.processes import environment, wait_for, web
from tests.support.proxies import Proxy

pytestmark = pytest.mark.django_db(transaction=True)
PATHS = ["/health/live", "/health/ready", "/metrics"]
HOSTS = ["10.1.2.3:8000", "[fd00::1]:8000", "web-7f9c.internal", "localhost", "a..b", "x" * 300]
SOON = 2.0
"""Seconds within which a probe is answered."""


@pytest.fixture
def production(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["hooks.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    settings.DEBUG = False


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", PATHS)
def test_a_probe_is_answered_to_any_host_and_over_http(production: None, path: str, host: str) -> None:
    answer = Client().get(path, headers={"Host": host})
    assert answer.status_code == 200, answer.content
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/", "/admin/", "/api/v1/webhooks", "/health/", "/health/live/", "/metrics/", "/healthy"]
)
def test_nothing_else_is_answered_to_a_foreign_host(production: None, path: str) -> None:
    assert Client().get(path, headers={"Host": "10.1.2.3:8000"}).status_code in {301, 400}
    assert Client().get(path, headers={"Host": "10.1.2.3", "X-Forwarded-Proto": "https"}).status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_a_probe_only_reads(production: None, path: str) -> None:
    assert Client().head(path).status_code == 200
    assert Client().post(path).status_code == 405


def database_url(port: int | None = None) -> str:
    given = connection.settings_dict
    place = f"127.0.0.1:{port}" if port else f"{given['HOST']}:{given['PORT']}"
    return f"postgres://{given['USER']}:{given['PASSWORD']}@{place}/{given['NAME']}"


def variables(url: str) -> dict[str, str]:
    return environment(DATABASE_URL=url, REDIS_URL=project.MERCHANT_WEBHOOKS["REDIS_URL"], DEBUG="true")


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield server.getsockname()[1]


def timed(child: Any, path: str) -> tuple[int, float]:
    began = time.monotonic()
    status = child.request("GET", path, timeout=20).status
    return status, time.monotonic() - began


def live_at_once(child: Any) -> float:
    """Return the least seconds of a few requests at once: what they wait for shows there, a busy machine hardly."""
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: timed(child, "/health/live"), range(4)))
    assert {status for status, _took in answers} == {200}
    return min(took for _status, took in answers)


def test_a_database_that_accepts_and_keeps_silent_makes_it_unready_within_two_seconds(silent: int) -> None:
    with web(variables(database_url(silent))) as child:
        for _ in range(6):  # also the second time, while the first look still hangs
            status, took = timed(child, "/health/ready")
            assert (status, took < SOON) == (503, True), took
            assert live_at_once(child) < 0.5


def test_a_database_that_falls_silent_makes_it_unready_and_ready_again_once_it_speaks() -> None:
    port = int(connection.settings_dict["PORT"])
    with Proxy(port) as proxy, web(variables(database_url(proxy.port))) as child:
        assert timed(child, "/health/ready")[0] == 200
        proxy.silence(new=False)
        status, took = timed(child, "/health/ready")
        assert (status, took < SOON) == (503, True), took
        asked = [threading.Thread(target=timed, args=(child, "/health/ready")) for _ in range(8)]
        began = time.monotonic()
        for thread in asked:
            thread.start()
        assert live_at_once(child) < 0.5
        for thread in asked:
            thread.join()
        assert time.monotonic() - began < SOON  # they share a look
        status, took = timed(child, "/metrics")
        assert (status, took < 5) == (200, True), took
        proxy.heal()
        wait_for(lambda: timed(child, "/health/ready")[0] == 200, 20, "readiness")


def test_a_database_that_only_reads_makes_it_unready() -> None:
    options = "?options=-c%20default_transaction_read_only%3Don"
    with web(variables(database_url() + options)) as child:
        answer = child.request("GET", "/health/ready")
        assert (answer.status, b'"read-only"' in answer.content) == (503, True)  # type: ignore[attr-defined]


def test_a_database_that_refuses_makes_it_unready(silent: int) -> None:
    with web(variables(database_url(1))) as child:
        status, took = timed(child, "/health/ready")
        assert (status, took < SOON) == (503, True), took
