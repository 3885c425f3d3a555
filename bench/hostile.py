"""What a hostile tenant costs a normal one: 40 events a second over REST, alone and beside 64 hostile connections.

python -m tests.support.services --postgres --valkey --fsync -- python -m bench.hostile [--seconds 30]

The hostile tenant, all the while: bodies that are announced and don't come, events through filters that cost what they
may, test sends to a silent endpoint, regex lookups of the admin, exports of the log. /health/live is asked beside them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import threading
import time
from collections.abc import Callable

from django.contrib.auth import get_user_model
from django.test import Client

from bench import rig
from bench.ingest import server
from deliveries.models import Attempt
from subscriptions import services
from subscriptions.services import NewMerchant

CONNECTIONS = 64
RATE = 40
"""Events a second of the normal tenant."""
MONSTERS = (
    "join(to_string(@), [to_string(@),to_string(@),to_string(@),to_string(@)]) == 'x'",
    "sort_by(values(data.order), &to_string(@)) | [?contains(to_string(@), to_string(@))]",
    "data.*.*.*[] | [?to_string(to_array(to_array(@))) == 'x']",
)
LOG = "/admin/webhooks_deliveries/delivery/"


class Hostile:
    """The hostile tenant, on as many threads as it has connections."""

    def __init__(self, port: int, shop: NewMerchant, silent: str, cookie: str) -> None:
        self._port, self._silent, self._cookie = port, silent, cookie
        self._key = {"Authorization": f"Bearer {shop.api_key}", "Content-Type": "application/json"}
        self.ends = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(each,), daemon=True)
            for each in ([self._slow, self._monster, self._test, self._regex, self._export] * 13)[:CONNECTIONS]
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End."""
        self.ends.set()
        for thread in self._threads:
            thread.join(15)

    def _repeat(self, attack: Callable[[http.client.HTTPConnection], None]) -> None:
        while not self.ends.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=12)
            try:
                attack(connection)
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            self.ends.wait(0.2)

    def _slow(self, connection: http.client.HTTPConnection) -> None:
        connection.putrequest("POST", "/api/v1/events")
        for name, value in (self._key | {"Content-Length": "60000"}).items():
            connection.putheader(name, value)
        connection.endheaders()
        for _ in range(10):
            connection.send(b" ")
            self.ends.wait(1)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: object, **headers: str
    ) -> None:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        connection.getresponse().read()

    def _monster(self, connection: http.client.HTTPConnection) -> None:
        self._ask(connection, "POST", "/api/v1/events", {"event": rig.EVENT, "data": rig.DATA}, **self._key)

    def _test(self, connection: http.client.HTTPConnection) -> None:
        self._ask(connection, "POST", f"/api/v1/webhooks/{self._silent}/test", {}, **self._key)

    def _regex(self, connection: http.client.HTTPConnection) -> None:
        self._ask(connection, "GET", f"{LOG}?event__data__regex=(x%2B)%2By", None, Cookie=self._cookie)

    def _export(self, connection: http.client.HTTPConnection) -> None:
        self._ask(connection, "GET", f"{LOG}export/csv/", None, Cookie=self._cookie)


class Health:
    """Asks /health/live ten times a second."""

    def __init__(self, port: int) -> None:
        self._port, self._ends, self.worst = port, threading.Event(), 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """End, and return the worst answer in seconds."""
        self._ends.set()
        self._thread.join(40)
        return self.worst

    def _run(self) -> None:
        while not self._ends.wait(0.1):
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            connection.request("GET", "/health/live")
            connection.getresponse().read()
            connection.close()
            self.worst = max(self.worst, time.monotonic() - began)


def publish(port: int, shop: NewMerchant, seconds: float) -> list[float]:
    """Publish RATE events a second, each when it is due; return how long each took from then on, in seconds."""
    took: list[float] = []
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {shop.api_key}", "Content-Type": "application/json"}
    for number in range(int(seconds * RATE)):
        due = began + number / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        connection.request("POST", "/api/v1/events", json.dumps({"event": rig.EVENT, "data": rig.DATA}), headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise RuntimeError(f"publishing was answered {answer.status}")
        took.append(time.monotonic() - due)
    return took


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def measure(port: int, shop: NewMerchant, seconds: float) -> tuple[float, float, float]:
    """Return p99 of publishing and of delivery (from due to answered) and the worst /health/live, in ms."""
    before = Attempt.objects.filter(webhook__merchant=shop.merchant).count()
    health = Health(port)
    took = publish(port, shop, seconds)
    worst = health.stop()
    mine = Attempt.objects.filter(webhook__merchant=shop.merchant)
    rig.wait_for(lambda: mine.count() >= before + len(took), 60)
    rows = list(mine.order_by("id").values_list("lateness_ms", "total_ms"))[before:]
    return p99(took) * 1000, p99([(late or 0) + (total or 0) for late, total in rows]), worst * 1000


def shop_of(name: str) -> NewMerchant:
    return services.create_merchant(name=name, email=f"{name}@shop.example", domain=f"{name}.example")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    os.environ.update({"WEBHOOKS_API_RATE_HOUR": "0", "WEBHOOKS_API_RATE_MINUTE": "0", "SECURE_SSL_REDIRECT": "false"})
    rig.prepare()
    normal, hostile = shop_of("normal"), shop_of("hostile")
    with rig.receiver() as base:
        services.create_webhook(merchant=normal.merchant, url=f"{base}/ok/1", events=[rig.EVENT])
        for number, monster in enumerate(MONSTERS):
            services.create_webhook(
                merchant=hostile.merchant, url=f"{base}/ok/m{number}", events=[rig.EVENT], filter=monster
            )
        silent = services.create_webhook(
            merchant=hostile.merchant, url=f"{base}/hang/1", events=["order.paid"], timeout=10
        )
        browser = Client()
        browser.force_login(get_user_model().objects.get(pk=hostile.user.pk))
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
        with server("webhooks_project.server") as port, rig.workers():
            publish(port, normal, 3)  # warms up
            alone = measure(port, normal, options.seconds)
            attack = Hostile(port, hostile, silent.webhook.public_id, cookie)
            attack.start()
            time.sleep(2)
            beside = measure(port, normal, options.seconds)
            attack.stop()
    for name, one, other in zip(("publish p99", "delivery p99", "worst /health/live"), alone, beside, strict=True):
        print(f"{name}: alone {one:.1f} ms, beside {CONNECTIONS} {other:.1f} ms: {other / one:.2f} times")


if __name__ == "__main__":
    main()
