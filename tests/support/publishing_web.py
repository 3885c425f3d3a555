"""A shop that publishes over REST through a server of its own, on the loop or by Django's views only."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from subscriptions import services
from subscriptions.services import NewMerchant
from tests.support.web_server import Running, Wire, running
from webhooks_project.server import publishing
from webhooks_project.server.messages import Request

PATH, BATCH = "/api/v1/events", "/api/v1/events/batch"
ORDER = {"event": "order.created", "data": {"order": {"id": "1045"}}}
JSON = "application/json"


@dataclass
class PublishingWeb:
    """A shop, and the server it is asked through. `views` are the paths that Django's views answered."""

    web: Running
    shop: NewMerchant
    views: list[str] = field(default_factory=list)

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str | None]) -> tuple[int, Any, str]:
        """Return status, headers and body of an answer, without what differs between any two requests."""
        known = {"Authorization": f"Bearer {self.shop.api_key}", "Content-Type": JSON, "Host": "localhost"}
        known["Content-Length"] = str(len(body))
        lines = [f"{name}: {value}" for name, value in (known | headers).items() if value is not None]
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in lines) + "Connection: close\r\n\r\n"
        with Wire(self.web.port) as wire:
            raw = wire.send(head.encode("latin-1") + body).rest()
        top, _, rest = raw.partition(b"\r\n\r\n")
        status, *found = top.decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in found]
        answered = {name.lower(): value for name, value in pairs}
        assert len(answered) == len({name for name, _ in pairs})
        answered.pop("date")
        if "x-request-id" not in {name.lower() for name in headers}:
            answered.pop("x-request-id")
        if "x-ratelimit-reset" in answered:
            assert 0 <= int(answered.pop("x-ratelimit-reset")) - time.time() <= 3601
        return int(status.split()[1]), answered, re.sub(r"evt_[0-9A-Z]{26}", "evt_…", rest.decode())

    def post(self, body: Any, path: str = PATH, **headers: str | None) -> tuple[int, Any, str]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, data, {name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def publishing_web(name: str, *, on_the_loop: bool) -> Iterator[PublishingWeb]:
    shop = services.create_merchant(name=name, email=f"{name}@shop.example", domain=f"{name}.example")
    services.create_webhook(merchant=shop.merchant, url="http://127.0.0.1:9/hook", events=["order.*"], dialect="alva")
    with running() as web:
        made = PublishingWeb(web, shop)
        hand_over = web.server.hand_to_django

        def noting(request: Request) -> None:
            made.views.append(request.path)
            hand_over(request)

        web.server.hand_to_django = noting  # type: ignore[method-assign]
        if on_the_loop:
            ready = threading.Event()
            web.loop.call_soon_threadsafe(lambda: (publishing.register(web.server), ready.set()))
            assert ready.wait(10)
        yield made
