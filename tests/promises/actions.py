"""What is done to the product and to its model at once, with what must come back; no choices are made here."""

from __future__ import annotations

from typing import Any

from deliveries.models import Job
from deliveries.queueing import claims
from deliveries.recording import outcomes
from deliveries.review import bulk_jobs
from deliveries.worker import scheduler
from subscriptions import services
from tests.promises import invariants
from tests.promises.model import Model
from tests.promises.rows import DEAD, OPEN, ORPHANED_ATTEMPTS_MAX, Answer, Flight, Row
from tests.promises.world import ANSWERS, HALF, OK, World
from tests.support.engine import answered

MANY = 1000


class RowActions:
    """A merchant's webhooks, in the database and in the model."""

    model: Model
    world: World
    sound = True

    def advance(self, steps: int) -> None:
        self.world.pass_time(steps)
        self.model.now += steps

    def sweep(self) -> None:
        scheduler.sweep()
        self.model.take_back_of_paused()
        for webhook in self.model.due_webhooks()[1]:
            self.model.close_open(self.model.hooks[webhook])

    def claim(self, webhooks: list[int], limit: int = MANY) -> list[Flight]:
        hooks = [self.model.hooks[webhook] for webhook in webhooks]
        windows = {hook.key: hook.window for hook in hooks}
        self.model.move_on()
        order = self.world.order()
        batch = claims.claim(webhooks, limit=limit, max_bytes=4 * 1024**2)
        to_send = {row.key: row for row in self.model.claim(hooks, limit, order)}
        assert {each.delivery_id for each in batch.rows} == set(to_send), "claimed what it should, no more and no less"
        flights = []
        for each in batch.rows:
            row = to_send[each.delivery_id]
            row.token = token = each.token
            assert each.event_id == self.model.events[row.event], "one message id for all attempts"
            assert each.webhook.secrets == row.hook.signs_with(self.model.now), "secrets are read at each claim"
            assert (each.attempt, each.tries) == (row.attempts + 1, row.tries)
            window = windows[row.hook.key]
            flights.append(Flight(each, row, token, each.attempt, each.tries, window, self.model.now + 1))
        self.model.flights += flights
        return flights

    def record(self, answered_by: list[tuple[Flight, Answer]]) -> None:
        chunk = [answered(flight.claimed, **ANSWERS[answer]) for flight, answer in answered_by]
        if chunk:
            outcomes.record(chunk)
            self.model.record(answered_by)
            outcomes.record(chunk, again=True)  # the commit's answer was lost on the way: nothing changes

    def release(self, flights: list[Flight], wait: int) -> None:
        claims.release([flight.claimed for flight in flights], delay=wait * HALF)
        self.model.release(flights, wait)

    def decide_on_all(self, what: str) -> None:
        rows = [row for row in self.rows_in({DEAD}) if what == "discard" or self.model.may_replay(row)]
        assert self.start(what, Job.Source.QUEUE, {"all": True}).done == len(rows)
        for row in rows:
            getattr(self.model, what)(row)

    def start(self, what: str, source: str, chosen: dict[str, Any]) -> Job:
        """Make a bulk request, so small that it is carried out at once."""
        return bulk_jobs.start(self.world.merchant, kind=what, source=source, chosen=chosen, by="test", note="")

    def drain(self) -> None:
        """With everything switched on, endpoints that answer and time that passes, every open delivery gets out."""
        for hook in self.model.hooks.values():
            if not hook.deleted:
                services.enable(webhook=self.world.webhook(hook.key))
                services.resume(webhook=self.world.webhook(hook.key), by="test")
                self.model.enable(hook)
                hook.paused = False
        rounds = 10 + sum(len(row.hook.delays) + ORPHANED_ATTEMPTS_MAX for row in self.model.rows.values())
        self.decide_on_all("replay")
        while self.open_rows():
            rounds -= 1
            assert rounds, f"it never drains: {self.open_rows()}"
            self.advance(2)
            self.sweep()
            while flights := self.claim(sorted(self.model.hooks)):
                self.record([(flight, OK) for flight in flights])
            self.decide_on_all("replay")  # those whose workers died once too often hold up their lines
        self.check()

    def check(self) -> None:
        self.sound = False  # until shown: what is found wrong once is told once
        self.model.move_on()
        invariants.check(self.model, self.world.stored())
        found = [set(webhooks) & set(self.model.hooks) for webhooks in claims.due_webhooks()]
        assert found == list(self.model.due_webhooks()), "a sweep finds every webhook with something to do"
        self.sound = True

    def rows_in(self, states: set[str]) -> list[Row]:
        return [row for row in self.model.rows.values() if row.status in states]

    def open_rows(self) -> list[Row]:
        return self.rows_in(OPEN)
