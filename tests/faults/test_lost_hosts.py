"""A worker's host that is frozen, or cut off from the network, amid a transaction: its locks outlive it by seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest
from django.db import connection

from deliveries.reporting import transactions
from tests.faults.stage import Key, Stage, came
from tests.support import apart
from tests.support.processes import Process, wait_for
from tests.support.proxies import Proxy
from tests.support.receiver import TestReceiver

pytestmark = pytest.mark.faults

LOCKS_LAST = 10.0
"""Seconds at most."""
TIMEOUT = 5.0
"""Seconds of the webhook's deadline; a claim lasts 5 s longer."""

_GONE = """
import http.server, sys
class Gone(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(410); self.send_header("Content-Length", "0"); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Gone).serve_forever()
"""


@dataclass
class Place:
    """Where the worker runs, and how it is lost and found."""

    worker: Process
    lose: Callable[[], None]
    find: Callable[[], None]


@pytest.fixture
def receiver() -> Iterator[TestReceiver]:
    """It answers 200, on our host."""
    with TestReceiver() as receiver:
        yield receiver


@pytest.fixture(params=["frozen", "cut off"])
def place(request: pytest.FixtureRequest, stage: Stage, receiver: TestReceiver) -> Iterator[Place]:
    """A worker whose endpoint answers 410, which makes a transaction of several statements."""
    if request.param == "frozen":
        receiver.script(410)
        child = stage.worker()
        yield Place(child, lambda: child.signal(signal.SIGSTOP), lambda: child.signal(signal.SIGCONT))
        return
    if not apart.can_be_made():
        pytest.skip("network namespaces can't be made here")
    with ExitStack() as ends:
        host = ends.enter_context(apart.Host())
        postgres, valkey = (
            ends.enter_context(Proxy(server.port, host.here)) for server in (stage.postgres, stage.valkey)
        )
        there = {
            name: server.url.replace(f"127.0.0.1:{server.port}", f"{host.here}:{proxy.port}")
            for name, server, proxy in (
                ("DATABASE_URL", stage.postgres, postgres),
                ("REDIS_URL", stage.valkey, valkey),
            )
        }
        command = ["ip", "netns", "exec", host.name, sys.executable, "-c", _GONE, str(receiver.port)]
        gone = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield Place(stage.worker(host=host.name, **there), host.pull, host.plug)
        finally:
            gone.kill()
            gone.wait()


def test_a_host_that_is_lost_amid_a_transaction_delays_only_its_own_and_is_named(
    stage: Stage, receiver: TestReceiver, place: Place
):
    web, second = stage.web(), stage.worker()
    os.kill(second.pid, signal.SIGSTOP)  # so that the first one claims
    webhook = stage.webhook(receiver.url, timeout=TIMEOUT)
    with psycopg.connect(stage.postgres.url) as session:
        session.execute("LOCK TABLE webhooks_deliveries_attempt IN EXCLUSIVE MODE")
        stage.publish(1)
        wait_for(lambda: _waits(place.worker), 10, "the recorder's transaction")
        place.lose()
    lost = time.monotonic()
    os.kill(second.pid, signal.SIGCONT)
    oldest = wait_for(_standing, 5, "a transaction that stands still")
    assert f":{place.worker.pid}" in oldest.session
    assert f'{oldest.session}",state="idle in transaction"'.encode() in web.request("GET", "/metrics").content

    other = stage.webhook(f"{receiver.url}/other", window=20)
    stage.publish(5)
    wait_for(lambda: sum(url == other.url for url, _message in came(receiver)) == 5, LOCKS_LAST, "others' deliveries")
    print(f"others came {time.monotonic() - lost:.1f} s after the host was lost")
    with psycopg.connect(stage.postgres.url, options="-c lock_timeout=20s") as session:
        session.execute("SELECT 1 FROM webhooks_subscriptions_webhook WHERE id = %s FOR UPDATE", [webhook.pk])
        print(f"its locks lasted {time.monotonic() - lost:.1f} s")
        assert time.monotonic() - lost < LOCKS_LAST
    first = (webhook.url, stage.accepted[0])
    wait_for(lambda: (first, 200) in _answered(receiver), TIMEOUT + 5 + 2, "the take-over")
    print(f"its claim was taken over {time.monotonic() - lost:.1f} s after the host was lost")
    place.find()
    wait_for(lambda: not stage.in_flight(), 30, "all outcomes")
    for child in (place.worker, second, web):
        assert child.runs, child.tail()


def _answered(receiver: TestReceiver) -> set[tuple[Key, int]]:
    return set(zip(came(receiver), receiver.statuses, strict=False))


def _waits(child: Process) -> bool:
    """Tell whether a session of the worker waits for a lock."""
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND wait_event_type = 'Lock'",
            [f"%:{child.pid}%"],
        )
        return bool(cursor.fetchone()[0])


def _standing() -> transactions.Transaction | None:
    connection.close()
    oldest = transactions.oldest()
    return oldest if oldest is not None and oldest.state == "idle in transaction" else None
