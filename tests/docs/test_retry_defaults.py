"""The guide says when each dialect tries again, as its policy does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deliveries import dialects
from deliveries.retries.policy import RetryPolicy

ROOT = Path(__file__).parents[2]
UNITS = {"s": 1, "min": 60, "h": 3600}
TEXT = (ROOT / "docs/merchants.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([A-Z][\w, ]+) \| ((?:\d+ (?:s|min|h)(?:, )?)+) \| (\d+) \|$", TEXT, re.MULTILINE)
NAMED = {name: (waits, attempts) for names, waits, attempts in ROWS for name in names.split(", ")}


def policy_of(name: str) -> RetryPolicy:
    return dialects.get(name).default_policy


@pytest.mark.parametrize("name", ["alva", "cryptlex", "shopery", "litestore", "standard"])
def test_the_guides_table_is_the_dialects_policy(name: str) -> None:
    waits, attempts = next(row for title, row in NAMED.items() if title.lower().startswith(name))
    seconds = tuple(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) (s|min|h)", waits))
    assert seconds == policy_of(name).delays
    assert int(attempts) == policy_of(name).max_attempts
