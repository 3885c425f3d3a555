"""What must be true when the story is over, decided from the log and, apart from it, from what the receivers saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.contrib.auth import authenticate

from deliveries.management.demo.cast import Cast, Note, Player
from deliveries.management.demo.processes import Child, Web
from deliveries.management.demo.story import Told, dead_letters_of, deliveries_of
from deliveries.models import Attempt, DeadLetter, Delivery
from subscriptions import event_types


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation: what was expected, whether it held, and what was seen."""

    expected: str
    held: bool
    seen: str


def before_the_replay(cast: Cast, told: Told) -> Iterator[Verdict]:
    """Decide the first act: what is delivered, what recovered, what waits in review."""
    by_source = _events_by_source(told)
    for player in cast.players:
        if player.role.dialect not in {"alva", "cryptlex"}:
            yield _delivered(player, told, by_source, attempts=1)
    yield _delivered(cast.player("alva"), told, by_source, attempts=3)
    yield _in_review(cast.player("cryptlex"), by_source["cryptlex"])


def after_the_replay(cast: Cast, told: Told, web: Web, children: list[Child]) -> Iterator[Verdict]:
    """Decide the whole: replays, signatures, times, message ids, and that all processes still stand."""
    yield _replayed(cast, told)
    yield _signatures(cast)
    yield _message_ids(cast, told)
    yield _never_early_by_the_log(told)
    yield _never_early_by_the_receivers(cast)
    yield _pages(web)
    yield _doors(web, cast)
    ended = [child.name for child in children if not child.is_running]
    yield Verdict("web, worker and beat are still running", not ended, f"ended: {', '.join(ended)}" if ended else "yes")


def _events_by_source(told: Told) -> dict[str, set[str]]:
    source = {entry.name: entry.source for entry in event_types.load()}
    found: dict[str, set[str]] = defaultdict(set)
    for message_id, name in told.events.items():
        found[source[name]].add(message_id)
        found["standard"].add(message_id)
    return found


def _delivered(player: Player, told: Told, by_source: dict[str, set[str]], *, attempts: int) -> Verdict:
    wanted = by_source[player.role.dialect]
    rows = deliveries_of(told).filter(webhook=player.webhook).select_related("event")
    good = {
        row.event.public_id for row in rows if row.status == Delivery.Status.DELIVERED and row.attempt_count == attempts
    }
    answered = [seen.message_id for seen in player.log.all() if seen.status == 200]
    held = good == wanted and sorted(answered) == sorted(wanted) and len(rows) == len(wanted)
    times = "at the first attempt" if attempts == 1 else f"at attempt {attempts}, after {attempts - 1} failures"
    text = f"{player.role.dialect}: its {len(wanted)} events are delivered {times}, each once, and nothing else"
    return Verdict(text, held, f"{len(good)} so in the log, {len(answered)} accepted by the receiver")


def _in_review(player: Player, wanted: set[str]) -> Verdict:
    dead_letters = DeadLetter.objects.filter(webhook=player.webhook, resolved_at=None).select_related("delivery__event")
    waiting = {
        dead_letter.delivery.event.public_id
        for dead_letter in dead_letters
        if dead_letter.delivery.status == Delivery.Status.DEAD
    }
    tries = {dead_letter.delivery.attempt_count for dead_letter in dead_letters}
    text = f"{player.role.dialect}: its {len(wanted)} events wait in review after 4 failed attempts each"
    return Verdict(text, waiting == wanted and tries == {4}, f"{len(waiting)} waiting, attempts {sorted(tries)}")


def _replayed(cast: Cast, told: Told) -> Verdict:
    player = cast.player("cryptlex")
    rows = deliveries_of(told).filter(webhook=player.webhook)
    good = rows.filter(status=Delivery.Status.DELIVERED, attempt_count=5, replays=1).count()
    left = dead_letters_of(cast).count()
    held = good == told.replayed == told.dead > 0 and not left
    text = f"{player.role.dialect}: once its receiver is fixed, a replay delivers all {told.dead}"
    return Verdict(text, held, f"{told.replayed} replayed, {good} delivered, {left} left in review")


def _signatures(cast: Cast) -> Verdict:
    seen = [(player, one) for player in cast.players for one in player.log.all()]
    wrong = [f"{player.role.dialect}: {one.problem}" for player, one in seen if one.problem]
    silent = [player.role.dialect for player in cast.players if not player.log.all() or not player.receiver.verifies]
    text = "every request verifies as its dialect's document says, in all five dialects"
    return Verdict(text, not wrong and not silent, (wrong + silent)[0] if wrong or silent else f"{len(seen)} requests")


def _message_ids(cast: Cast, told: Told) -> Verdict:
    strange = {one.message_id for player in cast.players for one in player.log.all()} - told.events.keys()
    text = "all attempts of a delivery carry the event's id"
    return Verdict(text, not strange, f"{len(strange)} unknown ids" if strange else f"{len(told.events)} ids")


def _never_early_by_the_log(told: Told) -> Verdict:
    attempts = Attempt.objects.filter(delivery__in=deliveries_of(told)).order_by("delivery_id", "number")
    early, late, retries = 0, 0.0, 0
    due: dict[int, datetime | None] = {}
    for attempt in attempts:
        if attempt.number > 1 and (wanted := due.get(attempt.delivery_id)):
            retries += 1
            early += attempt.started_at < wanted
            late = max(late, (attempt.started_at - wanted).total_seconds())
        due[attempt.delivery_id] = attempt.next_at
    text = "no retry is early by the log"
    return Verdict(text, not early and retries > 0, f"{early} of {retries} early; the latest {late:.2f} s late")


def _never_early_by_the_receivers(cast: Cast) -> Verdict:
    early, retries = 0, 0
    for player in cast.players:
        policy = player.role.policy
        if policy is None:
            continue
        for waits in _waits(player.log.all()):
            for wait, delay in zip(waits, policy["delays"], strict=False):
                retries += 1
                early += wait < delay
    text = "no retry is early by the receivers' clock: 1, 2 and 3 s after each failure here"
    return Verdict(text, not early and retries > 0, f"{early} of {retries} early")


def _waits(notes: list[Note]) -> Iterator[list[float]]:
    """Yield the seconds between the requests of each message."""
    times: dict[str, list[float]] = defaultdict(list)
    for one in notes:
        times[one.message_id].append(one.received_at)
    for moments in times.values():
        yield [later - earlier for earlier, later in pairwise(moments)]


def _doors(web: Web, cast: Cast) -> Verdict:
    status = web.ask("/api/v1/webhooks", api_key=cast.api_key)
    login = authenticate(username=cast.username, password=cast.password) is not None
    seen = f"API {status}, login {'good' if login else 'refused'}"
    return Verdict("the API key and the login that the demo gives open their doors", status == 200 and login, seen)


def _pages(web: Web) -> Verdict:
    answers = {path: web.ask(path) for path in ("/health/live", "/health/ready", "/admin/login/")}
    held = all(status == 200 for status in answers.values())
    return Verdict("the web process answers", held, ", ".join(f"{path} {status}" for path, status in answers.items()))
