"""What waits, by client; the clients have turns. Thirty requests of one stand behind the only one of another.

Nobody takes all places either: each has at most as many as it leaves free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


def has_share(own: int, free: int) -> bool:
    """Tell whether a client with `own` places may take one of `free` more: it then has no more than are left."""
    return free > 0 and own + 1 <= max(1, (own + free) // 2)


class Turns(Generic[T]):
    """Things that wait, in lines of their clients. For one thread, or under its caller's lock."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, OrderedDict[T, None]] = OrderedDict()  # whose turn is next comes first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def count_of(self, client: str) -> int:
        """Return how many things of a client wait."""
        return len(self._lines.get(client, ()))

    def add(self, client: str, thing: T) -> None:
        """Let a thing wait, behind those of its client."""
        self._lines.setdefault(client, OrderedDict())[thing] = None
        self._count += 1

    def remove(self, client: str, thing: T) -> None:
        """Let a thing wait no longer. Raises KeyError where it doesn't."""
        line = self._lines[client]
        del line[thing]
        self._count -= 1
        if not line:
            del self._lines[client]

    def take(self, may: Callable[[str], bool]) -> T | None:
        """Return what is next, of a client that may have it, and put that client last; None where no client may."""
        for client, line in self._lines.items():
            if may(client):
                thing = next(iter(line))
                self._lines.move_to_end(client)
                self.remove(client, thing)
                return thing
        return None

    def give_up_for(self, client: str) -> T | None:
        """Return the last thing of the longest line, which loses it; None if `client`'s line would then be longer."""
        longest = max(self._lines, key=self.count_of, default=client)
        if self.count_of(longest) <= self.count_of(client) + 1:
            return None
        thing = next(reversed(self._lines[longest]))
        self.remove(longest, thing)
        return thing
