"""A feed whose consumer dies again and again while publishers commit late: nothing is missing, all of it in order."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from django.db import connections, transaction

from deliveries.models import Attempt, Delivery
from deliveries.publishing import publish
from tests.faults.stage import Stage
from tests.support.factories import make_api_key, make_webhook
from tests.support.processes import Process, wait_for

PUBLISHERS = 20


class Publishers:
    """Threads that publish, each in transactions one after the other that stay open for a while."""

    def __init__(self, merchant: object, *, transactions: int, events: int, seconds: float, seed: int) -> None:
        self._merchant, self._transactions, self._events, self._seconds = merchant, transactions, events, seconds
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(number, random.Random(seed * 1000 + number)))
            for number in range(PUBLISHERS)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def run(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _run(self, number: int, chance: random.Random) -> None:
        try:
            count = 0
            for _ in range(self._transactions):
                length = chance.uniform(0, self._seconds)
                with transaction.atomic():
                    for _ in range(self._events):
                        publish("order.created", {"n": count}, merchant=self._merchant, id=f"p{number}_{count}")
                        count += 1
                        time.sleep(length / self._events)
        except BaseException as error:  # noqa: BLE001 - raised where the test waits
            self._errors.append(error)
        finally:
            connections.close_all()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        assert not self._errors, self._errors


def played(stage: Stage, folder: Path, *, transactions: int, events: int, seconds: float, seed: int) -> None:
    """Publish so, kill the consumer at random meanwhile, and check what it wrote down."""
    chance = random.Random(seed)
    webhook = make_webhook(stage.merchant, kind="pull", url="")
    key = make_api_key(stage.merchant, scopes=["receive"]).text
    web = stage.web(WEBHOOKS_FEED_RATE_HOUR=10**6, WEBHOOKS_FEED_RATE_MINUTE=10**6)
    file = folder / "came"
    file.touch()

    def consumer() -> Process:
        command = ["-m", "tests.faults.consumer", str(web.port), key, webhook.public_id, str(file)]
        return Process(*command, variables=stage.variables())

    publishers = Publishers(stage.merchant, transactions=transactions, events=events, seconds=seconds, seed=seed)
    wanted = {f"p{number}_{count}" for number in range(PUBLISHERS) for count in range(transactions * events)}
    kills = 0
    while publishers.run:
        child = consumer()
        time.sleep(chance.uniform(0.4, 3))
        assert child.runs, child.tail()
        child.kill()
        child.stop()
        kills += 1
    publishers.join()
    with consumer() as child:
        wait_for(lambda: not child.runs or wanted <= set(file.read_text().split()), 120, "all events", pause=0.2)
        assert child.runs, child.tail()
        wait_for(lambda: stage.statuses() == {"delivered": len(wanted)}, 60, "all acknowledged", pause=0.2)

    lines = file.read_text().split()
    twice = sum(Counter(lines).values()) - len(set(lines))
    print(f"{len(wanted)} events, {kills} kills, {twice} came twice")
    assert kills > 1
    assert set(lines) == wanted
    firsts = defaultdict(list)
    for line in dict.fromkeys(lines):
        publisher, number = line.split("_")
        firsts[publisher].append(int(number))
    for publisher, numbers in firsts.items():
        assert numbers == sorted(numbers), f"{publisher}'s events came out of order"
    places = list(Delivery.objects.order_by("feed_position").values_list("feed_position", flat=True))
    assert places == list(range(1, len(wanted) + 1)), "a place each, and none left out"
    assert Attempt.objects.filter(result="delivered").count() == len(wanted), "recorded once each"
    stage.log_agrees()


@pytest.mark.faults
@pytest.mark.parametrize("seed", [1])
def test_a_consumer_killed_at_random_receives_each_event_of_late_transactions(stage: Stage, tmp_path: Path, seed: int):
    played(stage, tmp_path, transactions=6, events=5, seconds=2.5, seed=seed)


@pytest.mark.slow
def test_twenty_thousand_events_of_transactions_of_up_to_eight_seconds(stage: Stage, tmp_path: Path):
    played(stage, tmp_path, transactions=25, events=40, seconds=8, seed=1)
