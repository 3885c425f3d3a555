"""Merchants' shares of a process: how many requests one may have open, and how many a claim may bring it.

A merchant gets another request only while it has fewer open than are free. One alone may have half of the places, two a
third each, and so on: whoever comes next finds some free, however many hang (dynamic thresholds, Choudhury and Hahne,
IEEE/ACM Transactions on Networking 6(2), 1998). Where others send as well, a merchant has COMPANY_SHARE at most: what
has been taken is sent before anything that comes later, and they would wait for all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

COMPANY_SHARE: Final = 1 / 8
"""The share of a process' places that a merchant may hold while others send, too."""
COMPANY_FOR: Final = 10.0
"""Seconds for which another merchant's last request counts."""
CLAIM_SHARE: Final = 1 / 4
"""The part of what a merchant may hold that one claim brings it."""
FEW: Final = 16
"""Requests that each merchant may have open, or answered and not recorded, while the process is behind."""


@dataclass(slots=True, frozen=True)
class Share:
    """What a claim may give to each merchant: to those with fewer than `below` open requests, `each` more."""

    below: int
    each: int

    def for_few(self) -> Share:
        """Return what is left of it for merchants of which hardly anything is under way."""
        return replace(self, below=min(self.below, FEW), each=min(self.each, FEW))

    def among(self, free: int, held: Sequence[int], rows: int) -> tuple[int, int]:
        """Return how many rows a claim may bring, and how many for each of its merchants.

        So many that at last no merchant has more open than are free; one more, where there is nothing to divide. All
        merchants' parts together are twice what the claim brings, at most: they are locked, sent or not.

        Args:
            free: Requests that the process may still open.
            held: How many each merchant of the claim has open.
            rows: How many the claim may bring at most.
        """
        most = max(held, default=0)
        part = -(-2 * rows // max(1, len(held)))
        each = max(1, min(self.each, part, (free - most) // (len(held) + 1)))
        return max(1, min(rows, free - most - each)), each


class MerchantShares:
    """How many requests each merchant has open. Not safe between threads: its owner holds a lock."""

    def __init__(self) -> None:
        self._open: Counter[int] = Counter()
        self._last = 0
        self._turned_at = float("-inf")

    def opened(self, merchant_id: int, now: float) -> None:
        """Note that a request is under way; `now` in monotonic seconds."""
        self._open[merchant_id] += 1
        if merchant_id != self._last:
            self._last, self._turned_at = merchant_id, now if self._last else self._turned_at

    def closed(self, merchant_id: int) -> None:
        """Note that a request is under way no more."""
        self._open[merchant_id] -= 1
        if not self._open[merchant_id]:
            del self._open[merchant_id]

    def open(self, merchant_id: int) -> int:
        """Return how many requests a merchant has open."""
        return self._open[merchant_id]

    def share(self, places: int, free: int, now: float) -> Share:
        """Return what the next claim may give to each merchant.

        Args:
            places: Requests that the process may have open.
            free: How many more it may open.
            now: Monotonic seconds.
        """
        in_company = now - self._turned_at < COMPANY_FOR
        most = max(1, int(places * COMPANY_SHARE)) if in_company else places
        each = max(1, min((free + 1) // 2, int(most * CLAIM_SHARE)))
        return Share(below=max(1, min(free, most - each)), each=each)
