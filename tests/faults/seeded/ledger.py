"""The ledger: what the publisher was told, what the receivers saw and what the log says must tell one story."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from django.db import connection

from deliveries import models
from deliveries.models import Attempt, DeadLetter, Delivery, Event
from deliveries.reasons import ReasonCode
from tests.faults.seeded import order
from tests.faults.seeded.manners import RETRY_AFTER, Request
from tests.faults.seeded.round import DELAYS, ORDERINGS, TIMEOUT, WEBHOOKS, Round
from tests.faults.stage import Key

CLOCK_STEP = 0.001
"""Seconds that two readings of one clock may disagree by rounding."""
CLOCK_OFF = 60.0
"""Seconds between a signature's time and the receiver's clock: receivers refuse 300, a busy machine takes a few."""
LATE = 5.0
"""Seconds; the round's figures count what was later, and its output tells the story of some."""
STORIES = 2


_COLUMNS = (
    "id",
    "webhook__url",
    "event__public_id",
    "status",
    "attempt_count",
    "tries",
    "webhook__ordering",
    "ordering_group",
)


class Ledger:
    """Reads the log after a round; each `check` fails with what doesn't fit."""

    def __init__(self, played: Round) -> None:
        connection.close()
        self.played = played
        self.deliveries: dict[Key, dict[str, Any]] = {
            (row.pop("webhook__url"), row.pop("event__public_id")): row for row in Delivery.objects.values(*_COLUMNS)
        }
        keys = {row["id"]: key for key, row in self.deliveries.items()}
        self.log: dict[Key, list[Attempt]] = defaultdict(list)
        for attempt in Attempt.objects.order_by("pk"):
            self.log[keys[attempt.delivery_id]].append(attempt)
        self.seen: dict[Key, list[Request]] = defaultdict(list)
        for request in played.receiver.seen:
            self.seen[request.key].append(request)

    def check(self) -> dict[str, Any]:
        """Run every check and return the round's figures."""
        self.check_nothing_is_lost()
        self.check_every_end_is_an_end()
        self.check_the_log_knows_every_request()
        self.check_each_attempt_stands_once_in_the_log()
        self.check_counters_equal_rows()
        self.check_faults_cost_no_try()
        self.check_duplicates_are_explained()
        self.check_interruptions_are_within_what_was_in_flight()
        self.check_nothing_was_early()
        self.check_signatures_tell_the_right_time()
        order.check(self)
        return self.figures()

    def check_nothing_is_lost(self) -> None:
        """Every accepted event has a delivery to every webhook; what was refused has all or none."""
        ids = Counter(Event.objects.values_list("public_id", flat=True))
        assert set(ids.values()) <= {1}, "a request that was repeated stored its event twice"
        stored = set(ids)
        assert not set(self.played.accepted) - stored, "accepted events are not stored"
        assert stored <= set(self.played.accepted) | set(self.played.refused)
        fanned = Counter(message for _url, message in self.deliveries)
        assert set(fanned) == stored
        assert all(fanned[message] == _webhooks(message) for message in stored), "an event has some of its deliveries"

    def check_every_end_is_an_end(self) -> None:
        """Delivered means that the receiver took it; otherwise a dead letter waits for review."""
        dead_letters = set(DeadLetter.objects.filter(resolved_at=None).values_list("delivery_id", flat=True))
        for key, row in self.deliveries.items():
            ends = {"delivered", "discarded"} if row["webhook__ordering"] else {"delivered", "dead"}
            assert row["status"] in ends, (key, row)
            assert (row["status"] == "dead") == (row["id"] in dead_letters), (key, row)
            if row["status"] == "delivered":
                assert any(request.accepted for request in self.seen[key]), f"{key} never arrived"

    def check_the_log_knows_every_request(self) -> None:
        """Each request seen is an attempt of that number; only one that got no answer may be made twice."""
        for key, requests in self.seen.items():
            numbers = {attempt.number for attempt in self.log[key]}
            assert {request.attempt for request in requests} <= numbers, self.story(key)
            for number, times in Counter(request.attempt for request in requests).items():
                resent = sum(request.unanswered for request in requests if request.attempt == number)
                assert times <= 1 + min(1, resent), self.story(key)

    def check_each_attempt_stands_once_in_the_log(self) -> None:
        """A number has one line: its outcome, or that none came."""
        for key, row in self.deliveries.items():
            numbers = sorted(attempt.number for attempt in self.log[key])
            assert numbers == list(range(1, row["attempt_count"] + 1)), self.story(key)

    def check_counters_equal_rows(self) -> None:
        """Whatever is counted stands in the log as often, webhook by webhook, by five minutes and by the hour."""
        rows = Counter((each.webhook_id, each.result) for attempts in self.log.values() for each in attempts)
        skipped = Delivery.objects.filter(status="skipped").values_list("webhook_id", flat=True)
        rows += Counter((webhook, "skipped") for webhook in skipped)
        for cells in (models.Counter, models.HourCounter):
            counted: Counter[tuple[int, str]] = Counter()
            for cell in cells.objects.exclude(result="lateness"):
                counted[cell.webhook_id, "failed" if cell.result == "dead" else cell.result] += cell.count
            differ = {key: (counted[key], rows[key]) for key in counted | rows if counted[key] != rows[key]}
            assert not differ, f"{cells.__name__}: (webhook, result) → (counted, rows): {differ}"

    def check_faults_cost_no_try(self) -> None:
        """The policy counts what was answered, or got no answer from the endpoint: no fault of ours among it."""
        for key, row in self.deliveries.items():
            told = [attempt for attempt in self.log[key] if attempt.result != "interrupted"]
            superseded = sum(attempt.decision_code == ReasonCode.SUPERSEDED for attempt in told)
            late = sum(attempt.decision_code == ReasonCode.DELIVERED_LATE for attempt in told)
            assert len(told) - superseded - late <= row["tries"] <= len(told), self.story(key)
            if row["status"] in {"dead", "discarded"}:
                assert row["tries"] == len(DELAYS) + 1 or self._ends_early(key), self.story(key)

    def _ends_early(self, key: Key) -> bool:
        ends = {ReasonCode.FINAL_STATUS, ReasonCode.PERMANENT_FAILURE, ReasonCode.WORKER_DIED}
        return any(attempt.decision_code in ends for attempt in self.log[key])

    def check_duplicates_are_explained(self) -> None:
        """After a 2xx no request follows, unless the log says why it didn't know: interrupted, or the answer broke."""
        for key, requests in self.seen.items():
            last = max(request.attempt for request in requests)
            for request in requests:
                if request.accepted and request.attempt < last:
                    lines = [attempt for attempt in self.log[key] if attempt.number == request.attempt]
                    words = {word for attempt in lines for word in (attempt.result, attempt.decision_code)}
                    assert words & {"interrupted", "failed", ReasonCode.DELIVERED_LATE}, self.story(key)

    def check_interruptions_are_within_what_was_in_flight(self) -> None:
        """No delivery was interrupted more often than it was in flight when something died.

        Attempts that a late success overtook were interrupted by nothing. Nor were those whose outcome was recorded
        after their claim had run out: their worker lived, on a machine that had no time for it.
        """
        for key, attempts in self.log.items():
            told = {attempt.number for attempt in attempts if attempt.result != "interrupted"}
            lost = [attempt for attempt in attempts if attempt.result == "interrupted" and attempt.number not in told]
            times = sum(attempt.decision_code != ReasonCode.DELIVERED_EARLIER for attempt in lost)
            assert times <= self.played.exposed[key], f"in flight {self.played.exposed[key]} times; {self.story(key)}"

    def check_nothing_was_early(self) -> None:
        """No attempt began before it was due, by the log's clock and by the receivers'."""
        for key, attempts in self.log.items():
            outcomes = sorted((each for each in attempts if each.result != "interrupted"), key=lambda each: each.number)
            for before, after in pairwise(outcomes):
                if before.next_at is not None:
                    assert after.started_at >= before.next_at, self.story(key)
            arrived = {request.attempt: request for request in self.seen[key]}
            for number, request in arrived.items():
                following = arrived.get(number + 1)
                if following is not None and request.manner in {"500", "429, seconds", "429, date"}:
                    least = min(DELAYS) if request.manner == "500" else RETRY_AFTER
                    mine = [each for each in attempts if each.number == number]
                    interrupted = any(each.result == "interrupted" for each in mine)
                    # Of a request that was given up before the receiver came to read it, only the log's clock tells.
                    heard = any(each.status_code is not None for each in mine)
                    assert interrupted or not heard or following.at - request.at >= least - CLOCK_STEP, self.story(key)

    def check_signatures_tell_the_right_time(self) -> None:
        """However wrong the clock of the sending host."""
        for key, requests in self.seen.items():
            assert all(abs(request.clock_off) < CLOCK_OFF for request in requests), self.story(key)

    def late_stories(self) -> list[str]:
        """Return the stories of some deliveries with an attempt that was later than LATE."""
        late = [key for key, log in self.log.items() if any((each.lateness_ms or 0) > LATE * 1000 for each in log)]
        return [self.story(key) for key in late[:STORIES]]

    def figures(self) -> dict[str, Any]:
        """Return what a round came to."""
        attempts = [attempt for log in self.log.values() for attempt in log]
        late = sorted(attempt.lateness_ms / 1000 for attempt in attempts if attempt.lateness_ms is not None)
        extra = sum(max(0, sum(request.accepted for request in requests) - 1) for requests in self.seen.values())
        return {
            "took": self.played.took,
            "events": len(self.played.accepted),
            "refused": len(self.played.refused),
            "posted": len(self.played.poster.accepted),
            "repeated": self.played.poster.repeated,
            "clocks_off": self.played.fleet.clocks,
            "deliveries": len(self.deliveries),
            "lost": self.lost(),
            "in_order": sum(bool(row["webhook__ordering"]) for row in self.deliveries.values()),
            "dead": sum(row["status"] in {"dead", "discarded"} for row in self.deliveries.values()),
            "requests": sum(map(len, self.seen.values())),
            "in_flight_at_faults": sum(self.played.exposed.values()),
            "interrupted": sum(attempt.result == "interrupted" for attempt in attempts),
            "came_twice": extra,
            "late_p50": round(late[len(late) // 2], 3),
            "late_p99": round(late[int(len(late) * 0.99)], 3),
            "late_max": round(late[-1], 3),
            "late": sum(seconds > LATE for seconds in late),
        }

    def lost(self) -> int:
        """Return how many accepted events miss a delivery, and deliveries an end: none, or a check has failed."""
        whole = Counter(message for _url, message in self.deliveries)
        events = sum(whole[message] < _webhooks(message) for message in self.played.accepted)
        return events + sum(row["status"] in {"pending", "sending", "retrying"} for row in self.deliveries.values())

    def story(self, key: Key) -> str:
        """Return all that is known of a delivery."""
        began = self.seen[key][0].at if self.seen[key] else 0.0
        lines = [f"{key} is {self.deliveries.get(key)}; timeout {TIMEOUT:g} s", "the receiver saw:"]
        lines += [f"  {each.at - began:7.3f} s attempt {each.attempt}: {each.manner}" for each in self.seen[key]]
        lines.append("the log says:")
        for each in sorted(self.log[key], key=lambda each: (each.number, each.pk)):
            times = f"started {each.started_at:%T.%f}, answered {each.answered_at}, next {each.next_at}"
            lines.append(f"  {each.number} {each.result} {each.status_code} {each.error}; {times}; {each.worker}")
        return "\n".join(lines)


def _webhooks(message: str) -> int:
    """Return how many webhooks an event is for."""
    return WEBHOOKS + (len(ORDERINGS) if message.startswith("o") else 0)
