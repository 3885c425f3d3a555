"""From a request to its outcome, with a token fetched first where the endpoint wants one of OAuth 2.

A token is kept in the process until it ends, and all deliveries of its webhook share it. One fetch runs at a time; what
needs it meanwhile waits as an open request does, on nobody's thread. Where an endpoint answers 401, a token that worked
before is fetched anew and the request repeated, once, if its claim still allows it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from deliveries.queueing.webhook_settings import WebhookSettings
from deliveries.sending.destinations import oauth2, sign_in
from deliveries.sending.destinations.oauth2 import Token
from deliveries.sending.process_transport import transport
from deliveries.transport import ErrorClass, Outcome, Request
from subscriptions.logs import get_logger

log = get_logger(__name__)

KEPT_MAX: Final = 10_000
"""Tokens that a process keeps."""
UNPROVEN_FOR: Final = 5.0
"""Seconds for which a token that an endpoint refused at its first use is not fetched anew."""
FAILED_FOR: Final = 1.0
"""Seconds for which a fetch that failed speaks for all that need its token."""

Key = tuple[Any, ...]
Answered = Callable[[Outcome, Request | None], None]
"""Takes the outcome and the request as it left; None where none did, for want of a token."""


@dataclass(slots=True)
class _Kept:
    """A token; monotonic seconds. `works`: an endpoint answered something else than 401 to it."""

    token: Token
    fetched_at: float
    works: bool = False

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() < self.fetched_at + self.token.lasts


class Tokens:
    """The tokens of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._failed: dict[Key, tuple[float, Outcome]] = {}
        self._waiting: dict[Key, list[Callable[[Token | Outcome], None]]] = {}

    def ask(self, webhook: WebhookSettings, then: Callable[[Token | Outcome], None]) -> None:
        """Call `then` with a token, or with the failed attempt that there is instead.

        Now, or on the transport's thread: it must be quick, and must not raise.
        """
        key = _key(webhook)
        with self._lock:
            kept, failed = self._kept.get(key), self._failed.get(key)
            found: Token | Outcome | None = None
            is_first = False
            if kept is not None and kept.is_fresh:
                found = kept.token
            elif failed is not None and time.monotonic() < failed[0]:
                found = failed[1]
            elif key in self._waiting:
                self._waiting[key].append(then)
                return
            else:
                self._waiting[key] = [then]
                is_first = True
        if is_first:
            self._fetch(key, webhook)
        elif found is not None:
            then(found)

    def works(self, webhook: WebhookSettings, token: Token) -> None:
        """Note that an endpoint takes a token."""
        kept = self._kept.get(_key(webhook))
        if kept is not None and kept.token is token:
            kept.works = True

    def forget(self, webhook: WebhookSettings, token: Token) -> bool:
        """Keep a token no longer, since its endpoint answered 401; tell whether there may be a better one."""
        key = _key(webhook)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.token is not token:
                return True  # somebody was faster
            if not kept.works and time.monotonic() < kept.fetched_at + UNPROVEN_FOR:
                return False
            del self._kept[key]
            return True

    def _fetch(self, key: Key, webhook: WebhookSettings) -> None:
        """Ask for a token. Where that can't be done, all who wait for it are told: nobody else would."""
        try:
            request = oauth2.token_request(webhook)
            transport().submit(request, lambda outcome: self._fetched(key, webhook, outcome))
        except Exception as error:
            log.exception("token_not_asked", webhook=webhook.webhook)
            why = f"The token could not be asked for ({type(error).__name__}); the sender's log says why."
            self._fetched(key, webhook, Outcome(error=ErrorClass.INTERNAL, detail=why, total_ms=0.0))

    def _fetched(self, key: Key, webhook: WebhookSettings, outcome: Outcome) -> None:
        found = oauth2.read(outcome, webhook)
        now = time.monotonic()
        with self._lock:
            if isinstance(found, Token):
                self._kept[key] = _Kept(found, now)
                self._kept.move_to_end(key)
                self._failed.pop(key, None)
            else:
                self._failed[key] = now + FAILED_FOR, found
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
            if len(self._failed) > KEPT_MAX:
                self._failed.clear()
            waiting = self._waiting.pop(key)
        for then in waiting:
            try:
                then(found)
            except Exception:  # the others' turn comes all the same; this one's claim runs out
                log.exception("carrying_failed", webhook=webhook.webhook)


def _key(webhook: WebhookSettings) -> Key:
    """Return what a token was given for: other credentials, another server or scope need another."""
    return webhook.webhook_id, webhook.sealed_credentials, *sorted(webhook.sign_in.items())


_tokens = Tokens()


def submit(
    request: Request,
    webhook: WebhookSettings,
    done: Answered,
    *,
    may_send: Callable[[], bool] = lambda: True,
    too_late: Callable[[], None] = lambda: None,
    tokens: Tokens = _tokens,
) -> None:
    """Send a request of this webhook, signed in, and call `done` once with what came of it.

    Args:
        request: What to send.
        webhook: Whose.
        done: Called on the transport's thread: it must be quick and must not raise.
        may_send: Asked again after a token had to be waited for, and before the request is repeated.
        too_late: Called in place of `done` where a first request may not be sent any more; quick, too.
        tokens: Where they are kept; by default, with those of the process.
    """
    if webhook.sign_in.get("method") != sign_in.OAUTH2:
        transport().submit(request, lambda outcome: done(outcome, request))
        return

    def send(token: Token | Outcome, refused: tuple[Outcome, Request] | None) -> None:
        if not isinstance(token, Token):
            done(token, None)
        elif not may_send():
            too_late() if refused is None else done(*refused)
        else:
            headers = sign_in.authorized(request.headers, f"Bearer {token.text}")
            signed = replace(request, headers=headers)
            transport().submit(signed, lambda outcome: answered(outcome, signed, token, is_first=refused is None))

    def answered(outcome: Outcome, signed: Request, token: Token, *, is_first: bool) -> None:
        if outcome.status_code == 401:
            if tokens.forget(webhook, token) and is_first and may_send():
                tokens.ask(webhook, lambda found: send(found, (outcome, signed)))
                return
        elif outcome.status_code is not None:
            tokens.works(webhook, token)
        done(outcome, signed)

    tokens.ask(webhook, lambda found: send(found, None))
