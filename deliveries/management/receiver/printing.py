"""What `manage.py listen` shows: each request as it comes, on a thread of its own: no sender waits for a terminal."""

from __future__ import annotations

import json
import queue
import threading
import time
from datetime import datetime

from rich.console import Console
from rich.text import Text

from deliveries.management.receiver.receiver import Seen

WAITING_MAX = 200
"""Requests that may wait to be printed; more are counted, not shown."""
BODY_SHOWN = 4096
"""Characters of a body that are shown."""


class Printer:
    """Prints what `put` is given, or counts it when too much comes; `quiet` prints one line a second.

    Attributes:
        count: Requests so far. `refused`: those whose signature was wrong. `failed`: those answered with no 2xx.
    """

    def __init__(self, console: Console, *, quiet: bool = False, verifies: bool = True) -> None:
        self._console, self._quiet, self._verifies = console, quiet, verifies
        self._queue: queue.Queue[Seen | None] = queue.Queue(WAITING_MAX)
        self._lock = threading.Lock()
        self._unshown = 0
        self.count = self.refused = self.failed = 0
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)
        self._thread.start()

    def put(self, seen: Seen) -> None:
        """Take note of a request; returns at once."""
        with self._lock:
            self.count += 1
            self.refused += bool(seen.problem)
            self.failed += not 200 <= seen.status < 300
        if self._quiet:
            return
        try:
            self._queue.put_nowait(seen)
        except queue.Full:
            with self._lock:
                self._unshown += 1

    def close(self) -> None:
        """Print what waits, then the sum."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(5)
        self._console.print(f"{self.count} requests, {self.failed} not answered 2xx, {self.refused} not verified.")

    def _run(self) -> None:
        before, began = 0, time.monotonic()
        while True:
            try:
                seen = self._queue.get(timeout=1)
            except queue.Empty:
                if self._quiet and self.count != before:
                    rate = (self.count - before) / (time.monotonic() - began)
                    self._console.print(f"{rate:,.0f} requests a second, {self.count:,} in all")
                before, began = self.count, time.monotonic()
                self._tell_unshown()
                continue
            if seen is None:
                return
            self._show(seen)
            self._tell_unshown()

    def _tell_unshown(self) -> None:
        with self._lock:
            unshown, self._unshown = self._unshown, 0
        if unshown:
            self._console.print(f"… and {unshown:,} more, too fast to show", style="dim")

    def _show(self, seen: Seen) -> None:
        request = seen.request
        at = datetime.fromtimestamp(request.received_at)
        event = request.headers.get("webhook-event", "")
        line = Text.assemble(
            (f"{at:%H:%M:%S}.{at.microsecond // 1000:03} ", "dim"),
            (visible(event or f"{request.method} {request.path}"), "bold"),
            f" {visible(seen.message_id or 'no webhook-id')}",
            f" attempt {visible(request.headers.get('webhook-attempt', '?'))}",
            f" {len(request.body)} bytes ",
            self._verdict(seen),
            (f" → {seen.status}", "green" if 200 <= seen.status < 300 else "red"),
        )
        self._console.print(line, soft_wrap=True)
        if request.body:
            self._console.print(Text(_pretty(request.body), style="dim"), soft_wrap=True)

    def _verdict(self, seen: Seen) -> tuple[str, str]:
        if seen.problem:
            return f"signature wrong: {visible(seen.problem)}", "red"
        return ("signature verified", "green") if self._verifies else ("not verified", "yellow")


def visible(text: str) -> str:
    """Return `text` with everything a terminal would obey written as an escape."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)


def _pretty(body: bytes) -> str:
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        text = body.decode(errors="backslashreplace")
    rest = len(text) - BODY_SHOWN
    return visible(text[:BODY_SHOWN]) + (f"\n… {rest} characters more" if rest > 0 else "")
