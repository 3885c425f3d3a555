"""The database's side of the promises, also for changes in mid-flight, in every order a machine can think of.

The engine's own functions work on the real database, stage by stage, against the model of tests/promises/model.py:
after each step every row is what was promised. Crashes are claims whose outcomes never come, or come too late.
PROMISES_EXAMPLES makes it think of more; with PROMISES_SHRINK=no it tells what it found at once, however long that is
(`--hypothesis-seed` begins elsewhere).
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deliveries.maintenance import expunging
from deliveries.models import Delivery, Event, Job
from deliveries.models.events import EXPUNGED
from deliveries.publishing import service
from deliveries.review import manual_actions
from deliveries.review.manual_actions import StateConflict
from subscriptions import services
from tests.promises import world
from tests.promises.actions import MANY, RowActions
from tests.promises.model import Model
from tests.promises.rows import CLOSED, DEAD, Answer, Flight, Hook, Number, Refused
from tests.promises.world import BUSY, ERROR, GONE, HALF, KINDS, OK, REFUSED, SILENT, World
from tests.support.engine import EVENT
from tests.support.json_strategies import lively

EXAMPLES = int(os.environ.get("PROMISES_EXAMPLES", "30"))
PHASES = [phase for phase in Phase if phase is not Phase.shrink or os.environ.get("PROMISES_SHRINK") != "no"]
STEPS = 40
EVENTS_MAX = 6
"""Events at a time: few, so that much happens to each."""
answers = st.sampled_from([OK, OK, OK, ERROR, ERROR, BUSY, SILENT, REFUSED, GONE])
fates = st.sampled_from([OK, ERROR, BUSY, SILENT, None, None])
contents = st.tuples(st.sampled_from(["", "a", "a", "b"]), st.sampled_from([1, 1, 2, 2, "x", "x", None]))
"""Of events: the resource, and the number in their data."""
NOTHING = ["", " ", "\n", "\u3000", "\u200b", ",", " , ", [], [""], [" ", "\u2003"], None]
"""What variables that were never set leave in a bulk request."""
changes = st.sampled_from(["pause", "resume", "resume", "disable", "enable", "enable", "enable", "delete"])


class Promises(RowActions, RuleBasedStateMachine):
    """One merchant's webhooks, workers that die, and people who change their minds."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.began = False
        self.numbers = 0

    @initialize(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=3, unique=True))
    def begin(self, kinds: list[str]) -> None:
        self.world, self.began = World(kinds), True
        self.model.hooks = {hook.key: hook for hook in self.world.hooks()}
        self.publish([("", 1), ("a", 2), ("a", "x")])

    # --- events come in -----------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.events) < EVENTS_MAX)
    @rule(contents=st.lists(contents, min_size=1, max_size=3))
    def publish(self, contents: list[tuple[str, Number]]) -> None:
        named = {self.name(): content for content in contents}
        events = [self.event(name, *content) for name, content in named.items()]
        if len(events) == 1:
            service.publish(**events[0], merchant=self.world.merchant)
            told = {}
        else:
            results = service.publish_many(events, merchant=self.world.merchant)
            told = {each.event_id: each.deliveries for each in results}
        for event in Event.objects.filter(merchant=self.world.merchant, public_id__in=named).order_by("pk"):
            keys = self.world.keys(event.pk)
            sent = self.model.published(event.pk, event.public_id, *named[event.public_id], keys)
            assert told.get(event.public_id, sent) == sent
        known = Event.objects.filter(merchant=self.world.merchant).order_by("pk").first()
        again = self.event(known.public_id, known.resource_id, None) | {"data": json.loads(known.data) or {}}
        assert service.publish_many([again], merchant=self.world.merchant)[0].duplicate
        if known.data != EXPUNGED:  # what it was, nobody knows any more
            with pytest.raises(service.IdTaken):
                service.publish_many([again | {"data": {"n": "another"}}], merchant=self.world.merchant)

    def event(self, name: str, resource: str, number: Number) -> dict[str, Any]:
        data = {"other": 0} if number is None else {"n": number}
        return {"event": EVENT, "data": data, "id": name, "resource_id": resource}

    # --- workers ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.open_rows())
    @rule(steps=st.sampled_from([0, 1, 1, 2]), fates=st.lists(fates, min_size=3, max_size=12))
    def time_passes(self, steps: int, fates: list[Answer | None]) -> None:
        """Claim everywhere again and again, and hear from most of the endpoints; the other requests stay open."""
        self.advance(steps)
        while fates and (claimed := self.claim(sorted(self.model.hooks))):
            heard = list(zip(claimed, fates, strict=False))
            self.record([(flight, fate) for flight, fate in heard if fate is not None])
            fates = fates[len(claimed) :]

    @precondition(lambda self: self.open_rows())
    @rule(data=st.data(), limit=st.sampled_from([1, 2, MANY]))
    def claim_some(self, data: st.DataObject, limit: int) -> None:
        self.claim(data.draw(st.lists(st.sampled_from(sorted(self.model.hooks)), min_size=1, unique=True)), limit)

    @precondition(lambda self: self.model.flights)
    @rule(data=st.data(), what=st.sampled_from(["answer", "answer", "answer", "release", "crash"]))
    def end(self, data: st.DataObject, what: str) -> None:
        """Some requests come to an end: answered in one chunk, long overdue ones too, given back, or never heard of."""
        flights = self.some_flights(data)
        if what == "answer":
            self.record([(flight, data.draw(answers)) for flight in flights])
        elif what == "release":
            self.release(flights, wait=data.draw(st.sampled_from([0, 0, 1])))
        else:
            self.model.flights = [flight for flight in self.model.flights if flight not in flights]
            self.advance(1)

    @precondition(lambda self: self.open_rows())
    @rule(steps=st.sampled_from([0, 1, 1, 1, 2, 3]))
    def pass_time(self, steps: int) -> None:
        """Time passes and the scheduler sweeps; with no time at all it sweeps once more."""
        self.advance(steps)
        if steps != 1:
            self.sweep()

    # --- people -------------------------------------------------------------------------------------------------------

    @rule(data=st.data(), what=changes)
    def change(self, data: st.DataObject, what: str) -> None:
        hook = self.some_hook(data)
        webhook = self.world.webhook(hook.key)
        with world.refused(hook.deleted and what != "delete", ValidationError):
            if what in {"pause", "resume"}:
                getattr(services, what)(webhook=webhook, by="test")
            else:
                getattr(services, {"delete": "delete_webhook"}.get(what, what))(webhook=webhook)
        if what in {"disable", "delete"}:
            getattr(self.model, what)(hook)
        elif not hook.deleted:
            hook.paused = what == "pause" if what in {"pause", "resume"} else hook.paused
            if what == "enable":
                self.model.enable(hook)

    @rule(data=st.data(), switch=st.booleans())
    def rotate(self, data: st.DataObject, switch: bool) -> None:
        hook = self.some_hook(data)
        webhook = self.world.webhook(hook.key)
        with world.refused(hook.deleted, ValidationError):
            if switch:
                services.switch_secret(webhook=webhook)
                hook.secrets = {hook.signs_with(self.model.now)[-1]: None}
            else:
                text = services.rotate_secret(webhook=webhook, overlap=timedelta(seconds=HALF))
                self.model.rotate(hook, text)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), what=st.sampled_from(["replay", "replay", "retry", "discard", "cancel", "all"]))
    def decide(self, data: st.DataObject, what: str) -> None:
        """Somebody decides about a delivery, a dead one where there is one; or about all the dead."""
        dead = self.rows_in({DEAD})
        if what == "all" or (dead and data.draw(st.booleans(), label="one of the dead")):
            rows = dead
        else:
            rows = list(self.model.rows.values())
        if what == "all":
            self.decide_on_all(data.draw(st.sampled_from(["replay", "discard"])))
            return
        row = rows[data.draw(st.integers(0, len(rows) - 1), label="delivery")]
        refusal = False
        try:
            getattr(self.model, what)(row)
        except Refused:
            refusal = True
        with world.refused(refusal, StateConflict):
            getattr(manual_actions, what)(delivery=Delivery.objects.get(pk=row.key), by="test")

    @rule(
        what=st.sampled_from(Job.Kind.values),
        source=st.sampled_from(Job.Source.values),
        name=st.sampled_from(["", "", "webhook", "event", "since", "status", "error", "all", "ids"]),
        blank=st.sampled_from(NOTHING),
        beside=st.booleans(),
    )
    def select_nothing(self, what: str, source: str, name: str, blank: Any, beside: bool) -> None:
        """A bulk request whose filters say nothing is refused, and changes nothing."""
        chosen = {name: blank} if name else {}
        if beside:
            chosen |= {"all": False} if name in {"", "webhook"} else {"webhook": "wbh_1"}
        with pytest.raises(ValidationError):
            self.start(what, source, chosen)

    @precondition(lambda self: self.rows_in(CLOSED))
    @rule(data=st.data(), whats=st.lists(st.sampled_from(["replay", "discard"]), min_size=2, max_size=2))
    def two_decide(self, data: st.DataObject, whats: list[str]) -> None:
        """Two people saw the same; at most one of them decides."""
        rows = self.rows_in({DEAD}) or self.rows_in(CLOSED)
        row = rows[data.draw(st.integers(0, len(rows) - 1), label="delivery")]
        both = [Delivery.objects.get(pk=row.key) for _ in whats]
        is_decided = False
        for what, seen in zip(whats, both, strict=True):
            refusal = is_decided
            try:
                if not is_decided:
                    getattr(self.model, what)(row)
                    is_decided = True
            except Refused:
                refusal = True
            with world.refused(refusal, StateConflict):
                getattr(manual_actions, what)(delivery=seen, by="test")

    @precondition(lambda self: self.model.events)
    @rule(data=st.data(), what=st.sampled_from(["expunge", "purge", "purge"]))
    def take_out(self, data: st.DataObject, what: str) -> None:
        """An event's payload is taken out on request; or what is old and over is purged."""
        places = st.integers(0, len(self.model.events) - 1)
        old = {sorted(self.model.events)[place] for place in data.draw(st.sets(places, min_size=1, max_size=3))}
        if what == "purge":
            self.world.age(old)
            self.model.age(old)
            world.purge()
            self.model.purge()
            return
        rows = [row for row in self.model.rows.values() if row.event == min(old)]
        with world.refused(any(map(self.model.in_flight, rows)), StateConflict):
            expunging.expunge(Event.objects.get(pk=min(old)), by="test")
            self.model.expunge(min(old))

    # --- what holds ---------------------------------------------------------------------------------------------------

    @invariant()
    def everything_is_as_promised(self) -> None:
        if self.began:
            self.check()

    def teardown(self) -> None:
        if not self.began:
            return
        try:
            if self.sound:
                self.drain()
        finally:
            self.world.forget()

    # --- helpers ------------------------------------------------------------------------------------------------------

    def name(self) -> str:
        self.numbers += 1
        return f"evt_{self.numbers}"

    def some_flights(self, data: st.DataObject) -> list[Flight]:
        """Return some requests; or all of one delivery, by workers that don't know of each other."""
        first: dict[int, Flight] = {}
        crowded = [flight for flight in self.model.flights if first.setdefault(flight.row.key, flight) is not flight]
        if crowded and data.draw(st.booleans(), label="all of one delivery"):
            return [flight for flight in self.model.flights if flight.row is crowded[0].row]
        places = st.integers(0, len(self.model.flights) - 1)
        chosen = data.draw(st.lists(places, min_size=1, max_size=4, unique=True), label="requests")
        return [self.model.flights[place] for place in chosen]

    def some_hook(self, data: st.DataObject) -> Hook:
        place = data.draw(st.integers(0, len(self.model.hooks) - 1), label="webhook")
        return list(self.model.hooks.values())[place]


@pytest.mark.django_db(transaction=True)
def test_whatever_happens_in_whatever_order_the_database_keeps_its_promises() -> None:
    """Promises 1, 2, 4 and 9."""
    profile = settings(
        lively, max_examples=EXAMPLES, stateful_step_count=STEPS, report_multiple_bugs=False, phases=PHASES
    )
    run_state_machine_as_test(Promises, settings=profile)
