"""How late retries are: 2,000 deliveries whose receivers fail at first, undisturbed and while workers are killed.

python -m tests.support.services --postgres --valkey --fsync -- python -m bench.lateness [--deliveries 2000] [--only
kills]

The retries come after 5 s and 25 s: receivers answer 500 until the third attempt. Lateness is what the log says: from
when an attempt was due, by the database's clock, to when it began. What follows an attempt that was interrupted was in
flight at a kill: the end of its claim said when it was due. It is counted and left aside.
"""

from __future__ import annotations

import argparse
import os
import threading
import time

from bench import rig
from deliveries.management.receiver import Answer, Receiver, Request
from deliveries.models import Attempt, Delivery
from subscriptions.models import Merchant, Webhook
from tests.support.processes import Process, environment, worker

ENDPOINTS = 200
DELAYS = [5, 25, 125]
FAILURES = 2
"""Attempts of each delivery that are answered 500."""
SPREAD = 20.0
"""Seconds over which events are published: retries come due all the time, and not in one burst."""
KILL_EVERY = 10.0
"""Seconds between two kills, of one worker and then of the other."""
AIMS = {"undisturbed": 1.0, "killed": 3.0}
"""Seconds that 99 of 100 attempts stay below."""
OPEN = (Delivery.Status.PENDING, Delivery.Status.SENDING, Delivery.Status.RETRYING)


class FailingReceiver(Receiver):
    """Answers 500 until a message's third attempt."""

    def answer(self, request: Request, times: int, problem: str) -> Answer:
        """Return the answer to an attempt."""
        return Answer(500 if int(request.headers["webhook-attempt"]) <= FAILURES else 200)


class Fleet:
    """Two workers; `kill` one of them, in turn, and another starts."""

    def __init__(self) -> None:
        self.kills = 0
        self._workers = [self._start(wait=True) for _ in range(2)]

    def kill(self) -> None:
        """Kill a worker at once, and start another."""
        place = self.kills % len(self._workers)
        self._workers[place].kill()
        self._workers[place] = self._start(wait=False)
        self.kills += 1

    def stop(self) -> None:
        """End both in peace."""
        for child in self._workers:
            child.stop()

    def _start(self, *, wait: bool) -> Process:
        servers = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
        return worker(environment(**servers), wait=wait)


def publish(merchants: list[Merchant], each: int) -> None:
    """Publish `each` events to every merchant, spread evenly."""
    began = time.monotonic()
    for number in range(total := len(merchants) * each):
        rig.publish_backlog([merchants[number % len(merchants)]], 1)
        time.sleep(max(0.0, began + SPREAD * number / total - time.monotonic()))


def play(deliveries: int, *, killing: bool) -> int:
    """Publish, deliver, and return how many workers were killed meanwhile."""
    rig.prepare()
    with FailingReceiver() as receiver:
        merchants = rig.webhooks(ENDPOINTS, receiver.url)
        Webhook.objects.update(retry_policy={"delays": DELAYS})  # each dialect has defaults of its own
        fleet = Fleet()
        publisher = threading.Thread(target=publish, args=(merchants, deliveries // ENDPOINTS))
        publisher.start()
        try:
            next_kill = time.monotonic() + KILL_EVERY
            while publisher.is_alive() or Delivery.objects.filter(status__in=OPEN).exists():
                if killing and time.monotonic() >= next_kill:
                    fleet.kill()
                    next_kill += KILL_EVERY
                time.sleep(0.2)
        finally:
            publisher.join()
            fleet.stop()
    return fleet.kills


def report(name: str, kills: int) -> None:
    """Print the distribution of lateness of the retries."""
    log = Attempt.objects.values_list("delivery_id", "number", "result", "lateness_ms")
    interrupted = {(delivery, number) for delivery, number, result, _late in log if result == "interrupted"}
    retries = [(delivery, number, late) for delivery, number, _result, late in log if number > 1 and late is not None]
    aside = sum((delivery, number - 1) in interrupted for delivery, number, _late in retries)
    late = sorted(ms / 1000 for delivery, number, ms in retries if (delivery, number - 1) not in interrupted)
    shares = {share: late[min(len(late) - 1, int(len(late) * share))] for share in (0.5, 0.95, 0.99)}
    figures = ", ".join(f"p{share * 100:g} {seconds:.3f}" for share, seconds in shares.items())
    kept = "kept" if shares[0.99] < AIMS[name] else "MISSED"
    delivered = Delivery.objects.filter(status=Delivery.Status.DELIVERED).count()
    print(
        f"{name}: {len(late)} retries of {delivered} deliveries late by {figures}, at most {late[-1]:.3f} s; "
        f"{kills} kills, {len(interrupted)} interrupted, {aside} attempts after those aside; "
        f"the aim, p99 below {AIMS[name]:g} s, was {kept}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deliveries", type=int, default=2000)
    parser.add_argument("--only", choices=list(AIMS))
    options = parser.parse_args()
    for name in AIMS:
        if options.only in {None, name}:
            report(name, play(options.deliveries, killing=name == "killed"))


if __name__ == "__main__":
    main()
