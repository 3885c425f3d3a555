"""What a webhook that keeps an order is promised: one delivery of a line after the other, in the order of publication.

By the receivers' clock. A delivery is over with the first request that was accepted, or, if none was, with its last;
what comes after that is a resend, which an interruption explains elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.faults.stage import Key

if TYPE_CHECKING:
    from tests.faults.seeded.ledger import Ledger


def check(ledger: Ledger) -> None:
    """Fail unless each line's deliveries came one after the other, and each publisher's in the order it was told."""
    lines: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for key, row in sorted(ledger.deliveries.items(), key=lambda item: item[1]["id"]):
        if row["ordering_group"] is not None and ledger.seen[key]:
            lines[key[0], row["ordering_group"]].append(key)
    for line in lines.values():
        _check_one_after_the_other(ledger, line)
        for publisher in (set(ledger.played.published), set(ledger.played.poster.at_once)):
            _check_order(ledger, [key for key in line if key[1] in publisher])


def _check_one_after_the_other(ledger: Ledger, line: list[Key]) -> None:
    came = sorted(line, key=lambda key: ledger.seen[key][0].at)
    for before, after in pairwise(came):
        assert _over(ledger, before) < ledger.seen[after][0].at, _both(ledger, before, after, "overlap")


def _check_order(ledger: Ledger, line: list[Key]) -> None:
    """Two publishers' transactions may commit in another order than they took their ids; one publisher's can't."""
    for before, after in pairwise(line):
        assert ledger.seen[before][0].at < ledger.seen[after][0].at, _both(
            ledger, before, after, "came in another order"
        )


def _over(ledger: Ledger, key: Key) -> float:
    requests = ledger.seen[key]
    return min((request.at for request in requests if request.accepted), default=requests[-1].at)


def _both(ledger: Ledger, before: Key, after: Key, what: str) -> str:
    return f"two deliveries of a line {what}:\n{ledger.story(before)}\n{ledger.story(after)}"
