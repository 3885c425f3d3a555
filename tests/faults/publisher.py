"""A publisher in a process of its own: reads orders line by line, answers what became of each and how long it took.

An order is {"merchant": "mch_…", "ids": […], "batch": false} to publish an event with each id, one call each or all in
one, or {"replay": "dlv_…"}. An answer is {"accepted": […], "seconds": […], "errors": […]}.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.processes import Process

EVENT = "order.created"
ORDERED = "order.paid"
RESOURCES = 3


def event(name: str) -> dict[str, Any]:
    """Return the event with this id: an `o…` is for webhooks that keep an order, and concerns one of a few orders."""
    if name.startswith("o"):
        return {"event": ORDERED, "data": {"n": name}, "id": name, "resource_id": f"r{int(name[1:]) % RESOURCES}"}
    return {"event": EVENT, "data": {"n": name}, "id": name}


@dataclass
class Receipt:
    """What a publisher says: ids that were accepted, seconds each call took, errors of those that were not."""

    accepted: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Publisher(Process):
    """The child, from the side of the test."""

    def __init__(self, variables: dict[str, str], *, wait: bool = True) -> None:
        super().__init__(
            "-m", "tests.faults.publisher", variables=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if wait:
            self.wait_until_it_reads()

    def wait_until_it_reads(self) -> None:
        """Wait for its first word, once."""
        self._read()

    def publish(self, merchant: Any, ids: Sequence[str], *, batch: bool = False) -> Receipt:
        """Publish an event with each of these ids."""
        self.send(merchant, ids, batch=batch)
        return self.receipt()

    def send(self, merchant: Any, ids: Sequence[str], *, batch: bool = False) -> None:
        """Order so and go on; `receipt` waits for the answer."""
        self._order({"merchant": merchant.public_id, "ids": list(ids), "batch": batch})

    def receipt(self) -> Receipt:
        """Wait for the answer to the oldest order that has none yet."""
        return Receipt(**self._read())

    def replay(self, delivery: Any) -> None:
        """Replay a dead delivery."""
        self._order({"replay": delivery.public_id})
        assert self._read()["errors"] == []

    def _order(self, order: dict[str, Any]) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(json.dumps(order).encode() + b"\n")
        self.popen.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, f"the publisher ended:\n{self.tail()}"
        return json.loads(line)


def _serve() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webhooks_project.settings")
    django.setup()
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(vars(_carry_out(json.loads(line)))), flush=True)


def _carry_out(order: dict[str, Any]) -> Receipt:
    from django.db import close_old_connections

    from deliveries.models import Delivery
    from deliveries.publishing import publish, publish_many
    from deliveries.review import manual_actions

    close_old_connections()  # as Django does at each request: one that was cut is replaced
    receipt = Receipt()
    calls: list[tuple[list[str], Any]] = []
    if "replay" in order:
        delivery = Delivery.objects.get(public_id=order["replay"])
        calls = [([delivery.public_id], lambda: manual_actions.replay(delivery=delivery, by="test"))]
    elif order["batch"]:
        events = [event(name) for name in order["ids"]]
        calls = [(order["ids"], lambda: publish_many(events, merchant=order["merchant"]))]
    else:
        calls = [([name], _one(publish, order["merchant"], name)) for name in order["ids"]]
    for names, call in calls:
        started = time.monotonic()
        try:
            call()
        except Exception as error:  # noqa: BLE001 - told to the test
            receipt.errors.append(f"{type(error).__name__}: {error}"[:300])
        else:
            receipt.accepted += names
        receipt.seconds.append(time.monotonic() - started)
    return receipt


def _one(publish: Any, merchant: str, name: str) -> Any:
    values = event(name)
    return lambda: publish(values.pop("event"), values.pop("data"), merchant=merchant, **values)


if __name__ == "__main__":
    _serve()
