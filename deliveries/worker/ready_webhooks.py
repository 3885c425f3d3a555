"""Webhooks that are ready and wait in this process for a claim: merchants have turns, however many webhooks one has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice


class ReadyWebhooks:
    """Ready webhooks in a line for each merchant. One thread's."""

    def __init__(self, merchant_of: Callable[[int], int | None]) -> None:
        """`merchant_of` returns a webhook's merchant; None for one that isn't known yet: it has a line of its own."""
        self._merchant_of = merchant_of
        self._lines: dict[int, OrderedDict[int, None]] = {}  # the line whose turn is next stands first
        self._line_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._line_of)

    def __contains__(self, webhook_id: object) -> bool:
        return webhook_id in self._line_of

    def __iter__(self) -> Iterator[int]:
        return iter(self._line_of)

    def add(self, webhook_ids: Iterable[int]) -> None:
        """Put webhooks at the end of their merchants' lines; those that wait already keep their place."""
        for webhook_id in webhook_ids:
            if webhook_id in self._line_of:
                continue
            name = self._name_of(webhook_id)
            self._line_of[webhook_id] = name
            self._lines.setdefault(name, OrderedDict())[webhook_id] = None

    def take(self, limit: int, may_have: Callable[[int], bool]) -> list[int]:
        """Remove and return up to `limit` webhooks: one of each line, then a second of each, and so on.

        Args:
            limit: How many at most.
            may_have: Tells of a merchant whether its webhooks may be taken now; the others' wait on.
        """
        taken: list[int] = []
        served: dict[int, None] = {}
        for name in self._lines:
            if len(taken) == limit:
                break
            if name < 0 or may_have(name):
                taken.append(self._first_of(name))
                served[name] = None
        turn = [name for name in served if self._lines[name]]
        while turn and len(taken) < limit:
            taken += [self._first_of(name) for name in turn[: limit - len(taken)]]
            turn = [name for name in turn if self._lines[name]]
        for name in served:  # to the end, where anything is left
            line = self._lines.pop(name)
            if line:
                self._lines[name] = line
        return taken

    def spare(self, kept: int, limit: int) -> list[int]:
        """Remove and return up to `limit` webhooks, none of them among the first `kept` of its line."""
        behind = (webhook_id for line in self._lines.values() for webhook_id in islice(line, kept, None))
        found = list(islice(behind, limit))
        for webhook_id in found:
            del self._lines[self._line_of.pop(webhook_id)][webhook_id]
        return found

    def trim(self, most: int) -> list[int]:
        """Where more than `most` wait, remove and return the ends of long lines, so that half of it is left."""
        if len(self) <= most:
            return []
        return self.spare(max(1, most // 2 // len(self._lines)), len(self))

    def names(self, webhook_ids: Iterable[int]) -> set[int]:
        """Return the merchants of webhooks; a negative number for each whose merchant isn't known yet."""
        return {self._name_of(webhook_id) for webhook_id in webhook_ids}

    def empty(self) -> list[int]:
        """Remove and return all of them."""
        found = list(self._line_of)
        self._lines.clear()
        self._line_of.clear()
        return found

    def _name_of(self, webhook_id: int) -> int:
        merchant = self._merchant_of(webhook_id)
        return -webhook_id if merchant is None else merchant

    def _first_of(self, name: int) -> int:
        webhook_id, _ = self._lines[name].popitem(last=False)
        del self._line_of[webhook_id]
        return webhook_id
