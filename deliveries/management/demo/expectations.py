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
        wanted = by_source[player.role.source]
        yield _in_review(player, wanted) if player.role.is_given_up else _delivered(player, told, wanted)


def after_the_replay(cast: Cast, told: Told, web: Web, children: list[Child]) -> Iterator[Verdict]:
    """Decide the whole: replays, signatures, times, message ids, and that all processes still stand."""
    for player in cast.players:
        if player.role.is_given_up:
            yield _replayed(player, told)
    yield _all_replayed(cast, told)
    yield _errors_of_buses(cast, told)
    yield _signatures(cast)
    yield _message_ids(cast, told)
    yield _never_early_by_the_log(told)
    yield _never_early_by_the_receivers(cast)
    yield _pages(web)
    yield _accepted(web, cast)
    ended = [child.name for child in children if not child.is_running]
    yield Verdict(
        "web, worker, beat and the feed's consumer are still running",
        not ended,
        f"ended: {', '.join(ended)}" if ended else "yes",
    )


def _events_by_source(told: Told) -> dict[str, set[str]]:
    source = {entry.name: entry.source for entry in event_types.load()}
    found: dict[str, set[str]] = defaultdict(set)
    for message_id, name in told.events.items():
        found[source[name]].add(message_id)
        found[""].add(message_id)
    return found


def _delivered(player: Player, told: Told, wanted: set[str]) -> Verdict:
    attempts = player.role.attempts
    rows = deliveries_of(told).filter(webhook=player.webhook).select_related("event")
    good = {
        row.event.public_id for row in rows if row.status == Delivery.Status.DELIVERED and row.attempt_count == attempts
    }
    answered = [seen.message_id for seen in player.log.all() if seen.status == 200]
    held = good == wanted and sorted(answered) == sorted(wanted) and len(rows) == len(wanted)
    times = "at the first attempt" if attempts == 1 else f"at attempt {attempts}, after {attempts - 1} failures"
    text = f"{player.role.name}: its {len(wanted)} events are delivered {times}, each once, and nothing else"
    return Verdict(text, held, f"{len(good)} so in the log, {len(answered)} accepted by the receiver")


def _in_review(player: Player, wanted: set[str]) -> Verdict:
    dead_letters = DeadLetter.objects.filter(webhook=player.webhook, resolved_at=None).select_related("delivery__event")
    waiting = {
        dead_letter.delivery.event.public_id
        for dead_letter in dead_letters
        if dead_letter.delivery.status == Delivery.Status.DEAD
    }
    tries = {dead_letter.delivery.attempt_count for dead_letter in dead_letters}
    attempts = player.role.attempts
    times = f"{attempts} failed attempts" if attempts > 1 else "one failed attempt"
    text = f"{player.role.name}: its {len(wanted)} events wait in review after {times} each"
    return Verdict(text, waiting == wanted and tries == {attempts}, f"{len(waiting)} waiting, attempts {sorted(tries)}")


def _replayed(player: Player, told: Told) -> Verdict:
    rows = deliveries_of(told).filter(webhook=player.webhook)
    wanted = rows.count()
    good = rows.filter(status=Delivery.Status.DELIVERED, attempt_count=player.role.attempts + 1, replays=1).count()
    text = f"{player.role.name}: once its receiver is fixed, a replay delivers all {wanted}"
    return Verdict(text, good == wanted > 0, f"{good} delivered")


def _all_replayed(cast: Cast, told: Told) -> Verdict:
    left = dead_letters_of(cast).count()
    held = told.replayed == told.dead > 0 and not left
    return Verdict("nothing is left in review", held, f"{told.replayed} of {told.dead} replayed, {left} left")


def _errors_of_buses(cast: Cast, told: Told) -> Verdict:
    found = {}
    for name in ("throttled bus", "denied bus"):
        failed = Attempt.objects.filter(webhook=cast.player(name).webhook, delivery__in=deliveries_of(told))
        errors = failed.exclude(result=Attempt.Result.DELIVERED).values_list("error", flat=True)
        found[name] = sorted(set(errors))
    held = found == {"throttled bus": ["throttled"], "denied bus": ["access_denied"]}
    return Verdict("the log names what buses refused: throttled, or access denied", held, f"{found}")


def _signatures(cast: Cast) -> Verdict:
    seen = [(player, one) for player in cast.players for one in player.log.all()]
    wrong = [f"{player.role.name}: {one.problem}" for player, one in seen if one.problem]
    silent = [player.role.name for player in cast.players if not player.log.all() or not player.receiver.verifies]
    text = "every request verifies as its dialect's document or Signature Version 4 says, fetched ones, too"
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


def _accepted(web: Web, cast: Cast) -> Verdict:
    status = web.ask("/api/v1/webhooks", api_key=cast.api_key)
    login = authenticate(username=cast.username, password=cast.password) is not None
    seen = f"API {status}, login {'good' if login else 'refused'}"
    return Verdict("the API key and the login that the demo gives are accepted", status == 200 and login, seen)


def _pages(web: Web) -> Verdict:
    answers = {path: web.ask(path) for path in ("/health/live", "/health/ready", "/admin/login/")}
    held = all(status == 200 for status in answers.values())
    return Verdict("the web process answers", held, ", ".join(f"{path} {status}" for path, status in answers.items()))
