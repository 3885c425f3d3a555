"""What the log's size does to the pages that people open: the same merchant at 10 thousand and at 5 million rows.

    python -m tests.support.services --postgres --valkey -- python -m bench.growth [--rows 5000000] [--runs 5]

Rows are made inside PostgreSQL: events, one delivery each, one attempt each, every 50th dead and in review. A quiet
merchant has its few rows at the very start of the log, where a page that walks everybody's rows finds them last.
"""

from __future__ import annotations

import argparse
import time

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench import rig
from bench.log_rows import load
from deliveries.models import DeadLetter, Delivery, Event
from subscriptions import services
from subscriptions.models import Membership, Merchant

SMALL = 10_000
QUIET = 200
"""Deliveries of each of the two small merchants."""
WEBHOOKS = 20


def grow(merchant: Merchant, to: int) -> None:
    """Bring the log to `to` deliveries with rows of this merchant."""
    load(merchant, to - Event.objects.count())
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")  # what loading left to write is not the pages' to wait for


def merchant(name: str, webhooks: int) -> Merchant:
    """Make a merchant with an owner `name@example.com` and some webhooks."""
    made = services.create_merchant(name=name, email=f"{name}@example.com").merchant
    for number in range(webhooks):
        services.create_webhook(merchant=made, url=f"http://127.0.0.1:9/{name}/{number}", events=["*"])
    return made


def people(grown: Merchant, quiet: list[Merchant]) -> dict[str, Client]:
    """Return browsers of who opens the pages: the owner, a member of three merchants, staff, the quiet owner."""
    users = get_user_model().objects
    several = users.create_user("several@example.com", is_staff=True)
    for each in (grown, *quiet):
        Membership.objects.create(user=several, merchant=each, role=Membership.Role.DEVELOPER)
    staff = users.create_superuser("staff@example.com")
    owner, quiet_owner = (users.get(email=f"{each.name}@example.com") for each in (grown, quiet[0]))
    found = {"": owner, ", of three merchants": several, ", platform staff": staff, ", a quiet merchant": quiet_owner}
    browsers = {name: Client() for name in found}
    for name, user in found.items():
        browsers[name].force_login(user)
    return browsers


LOG, QUEUE, REQUESTS = (f"/admin/webhooks_deliveries/{model}/" for model in ("delivery", "deadletter", "attempt"))
SHARED = {"log": LOG, "log, failed only": f"{LOG}?outcome=failed", "review": QUEUE, "requests made": REQUESTS}
"""What everybody opens."""


def pages(merchant: Merchant) -> dict[str, str]:
    """Return what the owner opens, by name."""
    event = Event.objects.filter(merchant=merchant).order_by("-id")[1000]
    delivery = Delivery.objects.filter(merchant=merchant).order_by("-id")[1000]
    return {
        "dashboard": "/admin/",
        "dashboard, 7 days": "/admin/?window=7d",
        "dashboard, 30 days": "/admin/?window=30d",
        **SHARED,
        "log, last 24 hours": f"{LOG}?within=24h",
        "log, an order number": f"{LOG}?q=4711",
        "delivery": f"{LOG}{delivery.pk}/change/",
        "events": "/admin/webhooks_deliveries/event/",
        "event": f"/admin/webhooks_deliveries/event/{event.pk}/change/",
        "webhooks": "/admin/webhooks_subscriptions/webhook/",
    }


def measure(client: Client, path: str, runs: int) -> tuple[float, int]:
    """Return the median milliseconds of a page and its queries."""
    took = []
    for _ in range(runs + 1):
        with CaptureQueriesContext(connection) as queries:
            started = time.perf_counter()
            answer = client.get(path, headers={"host": "localhost"})
            took.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
    return rig.median(took[1:]), len(queries)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    rig.prepare()
    grown, quiet = merchant("grown", WEBHOOKS), [merchant("quiet", 2), merchant("hushed", 2)]
    browsers = people(grown, quiet)
    for place, each in enumerate(quiet, 1):
        grow(each, QUIET * place)
    found: dict[str, list[tuple[float, int]]] = {}
    for size in (SMALL, options.rows):
        started = time.monotonic()
        grow(grown, size)
        print(
            f"{size:,} deliveries, {DeadLetter.objects.count():,} in review ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        for who, browser in browsers.items():
            for name, path in (SHARED if who else pages(grown)).items():
                found.setdefault(name + who, []).append(measure(browser, path, options.runs))
    for name, [(small, few), (large, many)] in found.items():
        print(f"{name}: {small:.0f} ms and {few} queries, then {large:.0f} ms and {many}: {large / small:.2f} times")


if __name__ == "__main__":
    main()
