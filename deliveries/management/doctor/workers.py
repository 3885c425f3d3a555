"""Which workers run: they show in Redis by their heartbeat, and Celery is asked as well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import redis
from celery import current_app
from django.db import DatabaseError, InterfaceError

from deliveries.maintenance import calls
from deliveries.management.doctor.findings import NOTE, OK, PROBLEM, Finding, first_line
from deliveries.management.doctor.redis_and_broker import BROKER_ERRORS, TIMEOUT
from deliveries.queueing import redis_client, wakeups
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
    """Look for a live worker, and ping all of them through Celery."""
    try:
        found = live_workers()
    except (redis.RedisError, OSError, ValueError) as error:
        yield Finding("workers", PROBLEM, f"Can't be seen without Redis: {first_line(error)}.", "Fix Redis first.")
        return
    if not found:
        yield Finding("worker", PROBLEM, "None is running. Nothing is delivered.", f"Start one: {_START}")
        return
    yield Finding("worker", OK, f"{len(found)} running.")
    yield _ping()


def _ping() -> Finding:
    if not current_app.conf.worker_enable_remote_control:
        return Finding("celery", NOTE, "Workers take no remote commands (CELERY_REMOTE_CONTROL=false); not asked.")
    try:
        answers = current_app.control.inspect(timeout=PING_TIMEOUT).ping() or {}
    except BROKER_ERRORS as error:
        return Finding("celery", PROBLEM, f"The ping can't be sent: {first_line(error)}.", "Fix the broker first.")
    if not answers:
        text = f"No worker answered Celery's ping within {PING_TIMEOUT:g} s."
        return Finding("celery", PROBLEM, text, "Let workers and this command use the same CELERY_BROKER_URL.")
    return Finding("celery", OK, f"{len(answers)} answered the ping: {', '.join(sorted(answers))}.")


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
