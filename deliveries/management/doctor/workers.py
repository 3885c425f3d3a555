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
from deliveries.worker import control
from subscriptions import redis_clients

PING_TIMEOUT = 2.0
"""Seconds workers have to answer Celery's ping."""
BEAT_LATE = timedelta(seconds=120)
"""So late a call means that no beat runs."""

_START = (
    "celery -A webhooks_project worker -P threads -c 4 -Q deliveries,housekeeping --without-gossip --without-mingle"
)


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
        yield Finding("workers", PROBLEM, f"Can't be seen without Redis: {first_line(error)}.", "Fix Redis first.")
        return
    if not found:
        yield Finding("worker", PROBLEM, "None is running. Nothing is delivered.", f"Start one: {_START}")
        return
    yield Finding("worker", OK, f"{len(found)} running.")
    yield from _asked()


def _asked() -> Iterator[Finding]:
    """Ask the workers through Celery whose they are: whether they answer, and whether others share the broker."""
    if not current_app.conf.worker_enable_remote_control:
        yield Finding("celery", NOTE, "Workers take no remote commands (CELERY_REMOTE_CONTROL=false); not asked.")
        return
    try:
        answers = current_app.control.inspect(timeout=PING_TIMEOUT).ping() or {}
        ask = current_app.control.broadcast
        whose = ask(control.COMMAND, reply=True, timeout=PING_TIMEOUT, limit=len(answers)) if answers else []
    except BROKER_ERRORS as error:
        yield Finding("celery", PROBLEM, f"The ping can't be sent: {first_line(error)}.", "Fix the broker first.")
        return
    if not answers:
        text = f"No worker answered Celery's ping within {PING_TIMEOUT:g} s."
        yield Finding("celery", PROBLEM, text, "Let workers and this command use the same CELERY_BROKER_URL.")
        return
    yield Finding("celery", OK, f"{len(answers)} answered the ping: {', '.join(sorted(answers))}.")
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
    fix = "Run one: celery -A webhooks_project beat. Notices and housekeeping wait for it."
    if ahead:
        told = ", ".join(f"{name} by {by.total_seconds():.0f} s" for name, by in sorted(ahead.items()))
        yield Finding("beat", PROBLEM, f"Calls are noted for times ahead of the database's: {told}.", fix)
    elif late:
        yield Finding("beat", PROBLEM, f"It has not called in time: {', '.join(late)}.", fix)
    else:
        last = min(ago for ago in called.values() if ago is not None)
        yield Finding("beat", OK, f"It calls in time, the last time {last.total_seconds():.0f} s ago.")


def _every(entry: dict[str, Any]) -> timedelta:
    """Return how often an entry is called; a day for what is no interval."""
    every = entry["schedule"]
    return timedelta(seconds=every) if isinstance(every, int | float) else timedelta(days=1)
