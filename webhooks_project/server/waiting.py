"""Requests that wait for news of a feed: on the loop, where each costs some hundred bytes and no thread.

A request was at its view, which had nothing new for it. When something is committed for its feed it goes to its view
once more; when its time is over it gets the answer that the view had for it.
"""

from __future__ import annotations

import threading
import time
from asyncio import TimerHandle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import redis
from django.db import DatabaseError, InterfaceError

from deliveries.db import engine_session
from deliveries.queueing import feeds
from deliveries.queueing.feed_news import Listener
from subscriptions.logs import get_logger
from webhooks_project.server import messages
from webhooks_project.server.messages import Parked, Request

if TYPE_CHECKING:
    from webhooks_project.server.serving import Server

log = get_logger(__name__)

OF_MERCHANT_MAX: Final = 100
"""Requests of one merchant that may wait in a web process."""
WAITING_MAX: Final = 5000
"""Requests that may wait in a web process."""
HEAR: Final = 0.2
"""Seconds after which feeds that somebody has begun to wait for are looked at: a word may have come just before."""
LOOK: Final = 1.0
"""Seconds between two looks at all feeds that somebody waits for: words are lost where Redis is away."""


@dataclass(slots=True, eq=False)
class _Place:
    request: Request
    parked: Parked
    timer: TimerHandle


class WaitingRoom:
    """The requests that wait, by their clients. Lives on the loop's thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._places: dict[Any, _Place] = {}
        self._of_feed: dict[int, set[Any]] = {}
        self._of_merchant: Counter[int] = Counter()
        self._news: News | None = None

    def __len__(self) -> int:
        return len(self._places)

    def park(self, request: Request, parked: Parked) -> None:
        """Let a request wait until there are news of its feed, or its time is over."""
        server, wait = self._server, parked.wait
        request.quota = wait.quota
        request.waits_until = request.waits_until or server.now() + wait.seconds
        if server.is_stopping or request.waits_until <= server.now():
            request.asker.answer(request, parked.answer)
            return
        if len(self._places) >= WAITING_MAX or self._of_merchant[wait.merchant_id] >= OF_MERCHANT_MAX:
            told = f"{self._of_merchant[wait.merchant_id]} requests of yours wait for a feed already. Ask with wait=0."
            request.asker.answer(request, messages.error(429, "too_many_waiting", told, Retry_After="5"))
            return
        client = request.asker
        timer = server.loop.call_at(request.waits_until, self.end, client)
        self._places[client] = _Place(request, parked, timer)
        self._of_feed.setdefault(wait.webhook_id, set()).add(client)
        self._of_merchant[wait.merchant_id] += 1
        if self._news is None:
            self._news = News(lambda found: server.tell(self.hear, found))
        self._news.watch(wait.webhook_id)

    def hear(self, webhook_ids: set[int]) -> None:
        """Put the requests that wait for these feeds to their views again."""
        for pk in webhook_ids & self._of_feed.keys():
            for client in list(self._of_feed[pk]):
                self._server.hand_to_django(self._remove(client).request)

    def end(self, client: Any) -> bool:
        """Answer a client's request now, with what there was; False if none waits."""
        if client not in self._places:
            return False
        place = self._remove(client)
        client.answer(place.request, place.parked.answer)
        return True

    def end_all(self) -> None:
        """Answer all."""
        for client in list(self._places):
            self.end(client)

    def forget(self, client: Any) -> None:
        """Note that a client has left."""
        if client in self._places:
            self._remove(client)

    def stop(self, patience: float) -> None:
        """End the thread that listens, if there is one; wait for that, `patience` seconds at most."""
        if self._news is not None:
            self._news.stop(patience)

    def _remove(self, client: Any) -> _Place:
        place = self._places.pop(client)
        place.timer.cancel()
        wait = place.parked.wait
        self._of_merchant[wait.merchant_id] -= 1
        if not self._of_merchant[wait.merchant_id]:
            del self._of_merchant[wait.merchant_id]
        others = self._of_feed[wait.webhook_id]
        others.discard(client)
        if not others:
            del self._of_feed[wait.webhook_id]
            if self._news is not None:
                self._news.leave(wait.webhook_id)
        return place


class News:
    """A thread that says which feeds have news, of those that somebody waits for. It rests while nobody waits.

    Args:
        tell: Takes webhooks' keys; called on the thread.
    """

    def __init__(self, tell: Callable[[set[int]], None]) -> None:
        self._tell = tell
        self._watched: set[int] = set()
        self._fresh: set[int] = set()
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._ends = False
        self._listener = Listener()
        self._thread = threading.Thread(target=self._work, name="feed-news", daemon=True)
        self._thread.start()

    def watch(self, webhook_id: int) -> None:
        """Somebody waits for this feed."""
        with self._lock:
            self._watched.add(webhook_id)
            self._fresh.add(webhook_id)
        self._some.set()

    def leave(self, webhook_id: int) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            self._watched.discard(webhook_id)
            self._fresh.discard(webhook_id)
            if not self._watched:
                self._some.clear()

    def stop(self, patience: float) -> None:
        """End the thread; wait for that, `patience` seconds at most."""
        self._ends = True
        self._some.set()
        self._thread.join(patience)

    def _work(self) -> None:
        looked_at = 0.0
        while not self._ends:
            if not self._some.is_set():
                self._listener.close()
                engine_session.close()
                self._some.wait()
                continue
            found = self._hear()
            with self._lock:
                is_time = time.monotonic() - looked_at >= LOOK
                asked = set(self._watched) if is_time else set(self._fresh)
                self._fresh.clear()
            if is_time:
                looked_at = time.monotonic()
            found |= self._look(asked - found)
            if found:
                self._tell(found)
        self._listener.close()
        engine_session.close()

    def _hear(self) -> set[int]:
        try:
            return self._listener.hear(HEAR)
        except (redis.RedisError, OSError, ValueError):  # the looks find it
            time.sleep(HEAR)
            return set()

    def _look(self, webhook_ids: set[int]) -> set[int]:
        if not webhook_ids:
            return set()
        try:
            return set(feeds.with_news(sorted(webhook_ids)))
        except (DatabaseError, InterfaceError) as error:
            log.warning("feeds_not_looked_at", error=str(error)[:200])
            return set()
