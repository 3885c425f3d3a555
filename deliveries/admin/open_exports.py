"""How many exports may be open at once: each reads on for as long as somebody takes its file.

Counted in each process that makes pages; places are free again once a file was read, its client has left, or its
answer was dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final
from weakref import WeakSet

from django.http import HttpRequest, HttpResponse

from subscriptions.admin import scoping

OF_PERSON_MAX: Final = 2
"""Exports that one person may have open at a time in a process."""
OF_MERCHANT_MAX: Final = 4
"""Exports that the people of one merchant may have open at a time in a process."""
OPEN_MAX: Final = 32
"""Exports that may be open at a time in a process."""
AGAIN_SECONDS: Final = 30
"""Seconds after which to ask again: a client that takes too little of a file has been let go by then."""


class TooManyExports(Exception):
    """One export more than may be open at a time; the text says what to do."""

    def answer(self) -> HttpResponse:
        """Return what the person is told."""
        headers = {"Retry-After": str(AGAIN_SECONDS)}
        return HttpResponse(str(self), status=429, content_type="text/plain; charset=utf-8", headers=headers)


class OpenExport(Iterator[str]):
    """An export's lines, which has a place until its end.

    Raises TooManyExports where none is free.
    """

    def __init__(self, lines: Iterator[str], request: HttpRequest) -> None:
        self._lines = lines
        self.person = request.user.pk
        self.merchants = frozenset(scoping.roles(request))
        with _lock:
            _refuse_too_many(self)
            _open.add(self)

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Read no more, and leave the place. Django calls it when the response ends."""
        with _lock:
            _open.discard(self)
        if close := getattr(self._lines, "close", None):
            close()


_open: WeakSet[OpenExport] = WeakSet()
_lock = threading.Lock()


def _refuse_too_many(export: OpenExport) -> None:
    others = list(_open)
    if sum(each.person == export.person for each in others) >= OF_PERSON_MAX:
        raise TooManyExports(
            f"{OF_PERSON_MAX} exports of yours are open already. Try again when one has ended, or was broken off."
        )
    if any(sum(key in each.merchants for each in others) >= OF_MERCHANT_MAX for key in export.merchants):
        raise TooManyExports(
            f"{OF_MERCHANT_MAX} exports of your merchant are open already. Try again when one has ended."
        )
    if len(others) >= OPEN_MAX:
        raise TooManyExports(f"{OPEN_MAX} exports are open already. Try again in a minute.")
