"""Who asks, as far as that decides who comes next: a merchant whose credential was found right, else an address.

Anybody can make up a key or a session; what isn't known to be right makes nobody another client.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from typing import Final

from django.conf import settings
from django.http import parse_cookie

from subscriptions.portal_sessions import COOKIE as PORTAL_COOKIE
from subscriptions.sign_in_limits import client_address
from webhooks_project.server import routes
from webhooks_project.server.messages import Request

KNOWN_MAX: Final = 16_384
"""Credentials that a process remembers; of more, those that were used longest ago are forgotten."""
KNOWN_SECONDS: Final = 60.0
"""For so long after an answer a credential is taken to be whose it was."""


class Clients:
    """Tells clients from each other, by what answers said of their credentials. May be called on any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, request: Request) -> str:
        """Return whose turn the request takes."""
        if (mark := _mark(request)) is not None:
            with self._lock:
                owner, until = self._known.get(mark, ("", 0.0))
            if time.monotonic() < until:
                return owner
        address = {"HTTP_X_FORWARDED_FOR": request.headers.get("x-forwarded-for", ""), "REMOTE_ADDR": request.client}
        return f"address {client_address(address)}"

    def note(self, request: Request, owner: str) -> None:
        """Remember whose the request's credential is: it was answered as that owner's."""
        if owner and (mark := _mark(request)) is not None:
            with self._lock:
                self._known[mark] = owner, time.monotonic() + KNOWN_SECONDS
                self._known.move_to_end(mark)
                if len(self._known) > KNOWN_MAX:
                    self._known.popitem(last=False)


def _mark(request: Request) -> bytes | None:
    """Return what stands for the credential that the request's route looks at; None where it shows none."""
    headers = request.headers
    if request.path.startswith(routes.API) and (shown := headers.get("authorization")):  # no page looks at it
        return _digest("key", shown, headers.get("x-tenant-id", ""))
    cookies = parse_cookie(headers.get("cookie", ""))
    for name in (settings.SESSION_COOKIE_NAME, PORTAL_COOKIE):
        if session := cookies.get(name):
            return _digest("session", session)
    return None


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).digest()
