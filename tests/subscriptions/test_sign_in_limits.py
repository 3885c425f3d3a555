"""Counting sign-ins, on a real Valkey."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from subscriptions import limits, redis_clients, sign_in_limits, tallies
from subscriptions.sign_in_limits import PER_ADDRESS, client_address, count

HOME = {"REMOTE_ADDR": "198.51.100.7"}


def refusals(attempts: list[tuple[str, str]]) -> list[str]:
    """Count attempts `(address, name)`; return who was refused by what: "" for those that passed."""
    verdicts = [count({"REMOTE_ADDR": address}, name, door="admin") for address, name in attempts]
    return [verdict.counted_by if verdict.is_refused else "" for verdict in verdicts]


@pytest.mark.parametrize("guessers", [1, 2, 30])
def test_guessing_slows_down_the_guesser_and_not_the_owner(guessers: int, settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 3
    for n in range(guessers):
        assert refusals([(f"198.51.100.{n}", "ann")] * 12)[-1] == "account"
    assert refusals([("203.0.113.9", "ann")]) == [""]


def test_guessing_from_many_addresses_leaves_each_a_try_a_minute(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 3
    refusals([(f"198.51.100.{n}", "ann") for n in range(18)])
    assert refusals([("203.0.113.9", "ann")] * 3) == ["", "account", "account"]
    assert refusals([("203.0.113.9", "ben")] * 3) == [""] * 3


def test_right_passwords_do_not_count(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 3
    for _ in range(40):
        assert refusals([("198.51.100.7", "ann")]) == [""]
        sign_in_limits.succeeded(HOME, "Ann")
    assert refusals([("198.51.100.7", "ann")] * 4) == ["", "", "", "account"]


def test_an_address_that_tries_many_accounts_is_refused(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 2
    passed = 2 * PER_ADDRESS
    seen = refusals([("198.51.100.7", f"person {n}") for n in range(passed + 2)])
    assert seen == [""] * passed + ["address"] * 2
    assert refusals([("198.51.100.8", "person 0")]) == [""]


def test_what_an_address_is_refused_does_not_use_up_the_account(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1
    refusals([("198.51.100.7", f"person {n}") for n in range(PER_ADDRESS)])
    assert refusals([("198.51.100.7", "ann"), ("198.51.100.8", "ann")]) == ["address", ""]


def test_a_name_in_capitals_is_the_same_account(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1
    assert refusals([("198.51.100.7", "Ann"), ("198.51.100.7", "aNN")]) == ["", "account"]


def test_the_hours_limit_counts_too_and_zero_means_no_limit(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE, settings.WEBHOOKS_SIGN_IN_RATE_HOUR = 0, 2
    assert refusals([("198.51.100.7", "ann")] * 3) == ["", "", "account"]
    settings.WEBHOOKS_SIGN_IN_RATE_HOUR = 0
    assert refusals([("198.51.100.7", "ann")] * 100) == [""] * 100


def test_attempts_at_the_same_moment_do_not_overshoot(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 7
    limits.take("warm", "up", limits.Rates(1, 1))
    with ThreadPoolExecutor(16) as threads:
        verdicts = list(threads.map(lambda n: count(HOME, "ann", door="api"), range(64)))
    assert len([verdict for verdict in verdicts if not verdict.is_refused]) == 7


def test_refusals_are_logged_and_counted_without_the_name_that_was_typed(
    settings: Any, caplog: pytest.LogCaptureFixture, empty_redis: redis.Redis
) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1
    client = limits.limiter(settings.REDIS_URL).client
    before = tallies.totals(client).get("sign_ins_refused:admin:account", 0)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            count(HOME, "my-password-in-the-wrong-field", door="admin")
    assert tallies.totals(client)["sign_ins_refused:admin:account"] == before + 1
    [line] = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert "198.51.100.7" in line
    stored = b" ".join(empty_redis.keys("*"))
    assert "wrong-field" not in caplog.text
    assert stored.count(b":rate:sign_in:") == 2  # an hour's and a minute's
    assert b"wrong-field" not in stored


def test_with_redis_away_sign_ins_pass_which_is_logged_and_counted(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = redis_clients.client(url=settings.REDIS_URL)
    settings.REDIS_URL = "redis://127.0.0.1:1/1"
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1
    before = tallies.totals(client).get(tallies.UNCOUNTED, 0)
    assert refusals([("198.51.100.7", "ann")] * 3) == [""] * 3
    assert tallies.totals(client)[tallies.UNCOUNTED] == before + 9  # an address, an account, and both together
    assert "Redis is away" in caplog.text


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second"), (60, "60 seconds"), (91, "2 minutes"), (3600, "60 minutes")]
)
def test_the_sentence_says_when_to_try_again(seconds: int, words: str) -> None:
    verdict = sign_in_limits.Verdict(limits.Quota(1, 0, 0, blocked_for=seconds), "account")
    assert verdict.sentence == f"Too many attempts to sign in. Try again in {words}."


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "198.51.100.7"),  # anybody can write that
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1, 203.0.113.9", "203.0.113.9"),  # the first was the client's own invention
        (2, "10.0.0.1, 203.0.113.9, 192.0.2.1", "203.0.113.9"),
        (2, "203.0.113.9", "198.51.100.7"),  # came around the outer proxy
        (1, "", "198.51.100.7"),
        (1, "unknown", "198.51.100.7"),
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "[2001:db8:1:2:3::4]:443", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_a_forwarded_address_counts_as_far_as_our_own_proxies_wrote_it(
    settings: Any, proxies: int, forwarded: str, expected: str
) -> None:
    settings.WEBHOOKS_TRUSTED_PROXIES = proxies
    assert client_address({**HOME, "HTTP_X_FORWARDED_FOR": forwarded}) == expected


def test_a_unix_socket_has_no_address_to_count(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1
    assert refusals([("", f"person {n}") for n in range(PER_ADDRESS + 5)]) == [""] * (PER_ADDRESS + 5)
