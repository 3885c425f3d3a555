"""Counts of all processes meet in Redis; none is lost while it is away."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
import redis

from subscriptions import redis_clients, tallies
from tests.support.processes import environment, wait_for


def held(client: redis.Redis, name: str) -> int:
    return int(client.hget("mw:tallies", name) or 0)


def test_what_a_process_counts_is_in_redis_within_seconds_and_nobody_asked(empty_redis: redis.Redis) -> None:
    tallies.keep("here", 2)
    tallies.keep_all({"here": 1, "there": 5})
    wait_for(lambda: held(empty_redis, "there") == 5, tallies.BRING_EVERY + 3, "the count")
    assert held(empty_redis, "here") == 3


def test_counts_of_other_processes_are_added_also_of_one_that_ends_at_once(empty_redis: redis.Redis) -> None:
    tallies.keep("both", 1)
    code = "import django; django.setup(); from subscriptions import tallies; tallies.keep('both', 41)"
    variables = environment(DJANGO_SETTINGS_MODULE="webhooks_project.settings", REDIS_URL=os.environ["REDIS_URL"])
    subprocess.run([sys.executable, "-c", code], env=variables, check=True, timeout=60)
    assert (tallies.totals() or {})["both"] == 42


def test_while_redis_is_away_counts_are_kept_and_no_smaller_total_is_told(settings: Any) -> None:
    real = redis_clients.client()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    tallies.keep("patient", 7)
    assert tallies.totals() is None
    tallies.keep("patient", 1)
    assert (tallies.totals(real) or {})["patient"] == 8


@pytest.mark.parametrize("kind", ["SET", "HSET of text"])
def test_a_key_of_ours_that_is_something_else_breaks_nobody(empty_redis: redis.Redis, kind: str) -> None:
    if kind == "SET":
        empty_redis.set("mw:tallies", "x")
    else:
        empty_redis.hset("mw:tallies", "odd", "x")
    tallies.keep("odd", 1)
    assert tallies.totals() is None


def test_threads_that_count_at_once_lose_nothing() -> None:
    def count() -> None:
        for _ in range(2000):
            tallies.keep("busy")
            tallies.keep_all({"busy": 2})

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tallies.bring()
        time.sleep(0.01)
    assert (tallies.totals() or {})["busy"] == 8 * 2000 * 3


def test_a_forked_child_counts_its_own_and_not_its_parents(empty_redis: redis.Redis) -> None:
    tallies.keep("forked", 1)
    child = os.fork()
    if child == 0:
        try:
            tallies.keep("forked", 10)
            tallies.bring(redis.Redis.from_url(os.environ["REDIS_URL"]))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert (tallies.totals() or {})["forked"] == 11
