"""Which workers run: they show in Redis by their heartbeat, and Celery is asked as well."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import redis
from celery import current_app
from django.conf import settings

from deliveries.management.doctor.findings import NOTE, OK, PROBLEM, Finding, first_line
from deliveries.management.doctor.redis_and_broker import BROKER_ERRORS, TIMEOUT
from deliveries.queueing import redis_client, wakeups
from subscriptions import redis_clients

PING_TIMEOUT = 2.0
"""Seconds workers have to answer Celery's ping."""
BEAT_SILENT_AFTER = 600.0
"""Seconds; beat writes its schedule's file every three minutes."""

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
    """Look whether beat runs, if anything is scheduled."""
    if not current_app.conf.beat_schedule:
        yield Finding("beat", OK, "Nothing is scheduled; it isn't needed.")
        return
    try:
        silent = time.time() - _newest(Path(settings.CELERY_BEAT_SCHEDULE_FILENAME))
    except OSError:
        text = "Its schedule's file isn't on this machine; it may run on another."
        yield Finding("beat", NOTE, text, "One process in the fleet: celery -A webhooks_project beat")
        return
    if silent > BEAT_SILENT_AFTER:
        text = f"It last wrote its schedule {silent / 60:.0f} minutes ago. Notices and housekeeping wait for it."
        yield Finding("beat", PROBLEM, text, "Start one: celery -A webhooks_project beat")
        return
    yield Finding("beat", OK, f"It wrote its schedule {silent:.0f} s ago.")


def _newest(path: Path) -> float:
    """Return when the schedule was last written; shelve adds an ending. Raises OSError when there is none."""
    files = list(path.parent.glob(path.name + "*"))
    if not files:
        raise FileNotFoundError(path)
    return max(file.stat().st_mtime for file in files)
