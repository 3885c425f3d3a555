"""Which workers run: they show in Redis by their heartbeat, and Celery is asked as well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import redis
from celery import current_app
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError

from deliveries.maintenance import calls
from deliveries.management.doctor.findings import NOTE, OK, PROBLEM, Finding, first_line
from deliveries.management.doctor.redis_and_broker import BROKER_ERRORS, TIMEOUT
from deliveries.queueing import redis_client, wakeups
from deliveries.queueing.broker import HOUSEKEEPING
from deliveries.worker import control, health_files
from subscriptions import redis_clients
from subscriptions.conf import settings

PING_TIMEOUT = 2.0
"""Seconds workers have to answer Celery's ping."""
BEAT_LATE = timedelta(seconds=120)
"""So late a call means that no beat runs."""

UNANSWERED = 3
"""Calls of beat in a row that no worker began with, from which on none takes housekeeping."""


def start_command() -> str:
    """Return how the Procfile starts a worker that takes from both queues, whatever these are called here."""
    app = "webhooks_project" if settings.WEBHOOKS_IS_SERVICE else "<your project>"
    queues = f"{wakeups.QUEUE},{HOUSEKEEPING}"
    quiet = "--without-gossip --without-mingle --without-heartbeat"
    return f"celery -A {app} worker -P threads -c 4 -Q {queues} -n <a name of its own>@%h {quiet}"


def live_workers() -> list[str]:
    """Return the ids (`host:pid:…`) of worker processes with a recent heartbeat. Raises redis.RedisError."""
    client = redis_clients.client(TIMEOUT)
    seconds, micros = client.time()
    alive_since = seconds * 1000 + micros // 1000 - wakeups.STALE_MS
    found = client.zrangebyscore(redis_client.name("workers"), alive_since, "+inf")
    return [str(worker) for worker in found]


def workers() -> Iterator[Finding]:
    """Look for a live worker, and ask all of them through Celery."""
    try:
        found = live_workers()
    except (redis.RedisError, OSError, ValueError) as error:
        yield Finding("workers", NOTE, f"Can't be seen without Redis: {first_line(error)}.")
        return
    if not found:
        text = "None takes tasks. Nothing is delivered."
        yield Finding("worker", PROBLEM, text, f"Start one, or look why those that run hang: {start_command()}")
        yield from _hanging()
        return
    yield Finding("worker", OK, f"{len(found)} running.")
    yield from _hanging()
    yield from _asked()


def _hanging() -> Iterator[Finding]:
    """Yield the workers of this host that take no tasks, by their health files."""
    folder = getattr(settings, "STATE_DIR", None)
    for line in (health_files.complaints(folder) if folder else None) or []:
        fix = "Restart that process; the requests it has open are claimed again when their claims run out."
        yield Finding("worker health", PROBLEM, f"On this host, {line}.", fix)


def _asked() -> Iterator[Finding]:
    """Ask the workers through Celery: whether they answer, what they consume, and whether others share the broker."""
    if not current_app.conf.worker_enable_remote_control:
        yield Finding("celery", NOTE, "Workers take no remote commands (CELERY_REMOTE_CONTROL=false); not asked.")
        return
    try:
        answers = current_app.control.inspect(timeout=PING_TIMEOUT).active_queues() or {}
        ask = current_app.control.broadcast
        whose = ask(control.COMMAND, reply=True, timeout=PING_TIMEOUT, limit=len(answers)) if answers else []
    except BROKER_ERRORS as error:
        yield Finding("celery", NOTE, f"They can't be asked without the broker: {first_line(error)}.")
        return
    if not answers:
        text = f"No worker answered Celery within {PING_TIMEOUT:g} s."
        yield Finding("celery", PROBLEM, text, "Let workers and this command use the same CELERY_BROKER_URL.")
        return
    yield Finding("celery", OK, f"{len(answers)} answered: {', '.join(sorted(answers))}.")
    yield from _unconsumed({queue["name"] for queues in answers.values() for queue in queues})
    yield from _others(whose)


def _unconsumed(consumed: set[str]) -> Iterator[Finding]:
    """Yield the queues that nobody consumes: both need somebody."""
    waiting = {
        wakeups.QUEUE: "Only bells wake dispatchers; where none is on duty, deliveries wait.",
        HOUSEKEEPING: "Notices, bulk jobs, retention and the probing of paused webhooks wait.",
    }
    for queue, consequence in waiting.items():
        if queue not in consumed:
            fix = f"Start a worker that does: {start_command()}"
            yield Finding("queues", PROBLEM, f"No worker takes from {queue!r}. {consequence}", fix)


def _others(whose: Any) -> Iterator[Finding]:
    """Look whether another installation's workers take tasks from this broker."""
    try:
        ours = control.installation()
    except (DatabaseError, InterfaceError, ImproperlyConfigured):
        return  # told by the database's check
    said = [pair for each in whose or [] for pair in each.items()]
    others = sorted(name for name, answer in said if answer.get("installation", ours) != ours)
    if others:
        text = f"Workers of another installation take tasks from the same broker: {', '.join(others)}."
        fix = (
            "Give each installation a CELERY_BROKER_URL with a database (Redis) or virtual host (RabbitMQ) of its own."
        )
        yield Finding("installations", PROBLEM, text, fix)
    else:
        yield Finding("installations", OK, "The broker is this installation's alone.")


def beat() -> Iterator[Finding]:
    """Look whether beat runs, wherever: whether all that is scheduled was called in time, by the database's clock."""
    schedule = current_app.conf.beat_schedule
    if current_app.conf.beat_scheduler != calls.SCHEDULER:
        yield Finding("beat", NOTE, "The project's own beat is not watched here.")
        return
    if not schedule:
        yield Finding("beat", OK, "Nothing is scheduled; it isn't needed.")
        return
    try:
        called = calls.last_calls(schedule)
    except (DatabaseError, InterfaceError):
        yield Finding("beat", NOTE, "It can't be seen without the database.")
        return
    ahead = {name: -ago for name, ago in called.items() if ago is not None and ago < -calls.AHEAD}
    late = sorted(name for name, ago in called.items() if ago is None or ago > _every(schedule[name]) + BEAT_LATE)
    app = "webhooks_project" if settings.WEBHOOKS_IS_SERVICE else "<your project>"
    fix = f"Run one: celery -A {app} beat. Notices and housekeeping wait for it."
    if ahead:
        told = ", ".join(f"{name} by {by.total_seconds():.0f} s" for name, by in sorted(ahead.items()))
        yield Finding("beat", PROBLEM, f"Calls are noted for times ahead of the database's: {told}.", fix)
    elif late:
        yield Finding("beat", PROBLEM, f"It has not called in time: {', '.join(late)}.", fix)
    elif (unanswered := calls.unanswered(schedule)) >= UNANSWERED:
        text = f"It calls in time, but no worker has begun with the last {unanswered} calls of an entry."
        yield Finding("beat", PROBLEM, text, f"Start a worker that takes from {HOUSEKEEPING!r}: {start_command()}")
    else:
        last = min(ago for ago in called.values() if ago is not None)
        yield Finding("beat", OK, f"It calls in time, the last time {last.total_seconds():.0f} s ago.")


def _every(entry: dict[str, Any]) -> timedelta:
    """Return how often an entry is called; a day for what is no interval."""
    every = entry["schedule"]
    return timedelta(seconds=every) if isinstance(every, int | float) else timedelta(days=1)
