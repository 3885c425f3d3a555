"""What a hostile tenant costs a normal one: 40 events a second over REST, alone and beside hostile connections in turn.

    python -m tests.support.services --postgres --valkey --fsync -- python -m bench.hostile \
        [--seconds 10] [--rounds 3] [--attacks slow,monster,test,regex,export,list] [--connections 64]

The hostile tenant, all the while: heads and bodies that don't come, events through filters that cost what they may,
test sends to a silent endpoint, regex lookups of the admin, exports of the log, its list. /health/live is asked beside
them. A figure of a round is p99 over all its events, from the moment each was due; shown are the medians of the rounds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import threading
import time

from django.contrib.auth import get_user_model
from django.test import Client

from bench import clients, rig
from bench.hostile_tenant import Plan
from deliveries.models import Attempt
from subscriptions import services
from subscriptions.services import NewMerchant

KINDS = ("slow", "monster", "test", "regex", "export", "list")
RATE = 40
"""Events a second of the normal tenant."""
SENDERS = 8
"""Its connections, each with every eighth event: a late answer delays no other event's request."""
LOGGED = 5_000
"""Deliveries in the hostile tenant's log, so that an export has something to read."""
MONSTERS = (
    "join(to_string(@), [to_string(@),to_string(@),to_string(@),to_string(@)]) == 'x'",
    "sort_by(values(data.order), &to_string(@)) | [?contains(to_string(@), to_string(@))]",
    "data.*.*.*[] | [?to_string(to_array(to_array(@))) == 'x']",
)
NAMES = ("publish p99", "delivery p99", "worst /health/live")


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
    body = json.dumps({"event": rig.EVENT, "data": rig.DATA}).encode()
    request = clients.request(clients.SINGLE, body, shop.api_key)
    began = time.monotonic() + 0.1
    took: list[float] = []

    def send(client: clients.Client, sender: int) -> None:
        for number in range(sender, int(seconds * RATE), SENDERS):
            due = began + number / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            client.post(request)
            took.append(time.monotonic() - due)

    clients.side_by_side(port, SENDERS, send)
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


def shares(kinds: list[str], connections: int) -> dict[str, int]:
    """Return the connections of each kind."""
    return {kind: connections // len(kinds) + (place < connections % len(kinds)) for place, kind in enumerate(kinds)}


def prepare_hostile(shop: NewMerchant, base: str, kinds: list[str]) -> tuple[str, str]:
    """Give the hostile tenant a log, filters and a silent endpoint; return a page's cookie and that webhook's id."""
    plain = services.create_webhook(merchant=shop.merchant, url=f"{base}/ok/h", events=[rig.EVENT]).webhook
    rig.publish_backlog([shop.merchant], LOGGED)
    services.update_webhook(webhook=plain, events=["order.paid"])
    for number, monster in enumerate(MONSTERS if "monster" in kinds else ()):
        services.create_webhook(merchant=shop.merchant, url=f"{base}/ok/m{number}", events=[rig.EVENT], filter=monster)
    silent = services.create_webhook(merchant=shop.merchant, url=f"{base}/hang/1", events=["order.paid"], timeout=10)
    browser = Client()
    browser.force_login(get_user_model().objects.get(pk=shop.user.pk))
    return "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items()), silent.webhook.public_id


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--attacks", default=",".join(KINDS))
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--web", type=int, default=1)
    parser.add_argument("--pages", type=int, default=2)
    options = parser.parse_args()
    kinds = options.attacks.split(",")
    os.environ.update({"WEBHOOKS_API_RATE_HOUR": "0", "WEBHOOKS_API_RATE_MINUTE": "0", "SECURE_SSL_REDIRECT": "false"})
    rig.prepare()
    normal, hostile = shop_of("normal"), shop_of("hostile")
    with rig.receiver() as base:
        services.create_webhook(merchant=normal.merchant, url=f"{base}/ok/1", events=[rig.EVENT])
        cookie, silent = prepare_hostile(hostile, base, kinds)
        with clients.server(processes=options.web, pages=options.pages) as port, rig.workers():
            event = {"event": rig.EVENT, "data": rig.DATA}
            plan = Plan(port, hostile.api_key, cookie, silent, event, shares(kinds, options.connections))
            publish(port, normal, 3)  # warms up
            rig.wait_for(lambda: Attempt.objects.count() >= LOGGED, 60)
            alone, beside = [], []
            for _ in range(options.rounds):
                alone.append(measure(port, normal, options.seconds))
                with rig.process("-m", "bench.hostile_tenant", json.dumps(plan.__dict__)):
                    time.sleep(2)
                    beside.append(measure(port, normal, options.seconds))
                print("  alone {:.1f} {:.1f} {:.1f}  ".format(*alone[-1]), end="")
                print("beside {:.1f} {:.1f} {:.1f} ms".format(*beside[-1]), flush=True)
                time.sleep(1)
    figures = {}
    for place, name in enumerate(NAMES):
        one, other = (rig.median([each[place] for each in runs]) for runs in (alone, beside))
        print(f"{name}: alone {one:.1f} ms, beside {options.connections} {other:.1f} ms: {other / one:.2f} times")
        figures[name] = {"alone_ms": round(one, 1), "beside_ms": round(other, 1)}
    rig.report("hostile", figures)


if __name__ == "__main__":
    main()
