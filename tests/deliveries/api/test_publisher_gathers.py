from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from deliveries.api import publisher
from deliveries.api.publish_chunks import Chunks
from tests.support.publishing_web import ORDER, PublishingWeb

pytestmark = pytest.mark.django_db(transaction=True)


def test_clients_that_come_again_share_a_statement_and_a_lone_one_waits_for_nobody(
    quick: PublishingWeb, monkeypatch: pytest.MonkeyPatch
):
    """Eight clients, each with one request at a time: the publisher waits for those it has just answered."""
    monkeypatch.setattr(publisher, "GATHER", 0.2)
    sizes: list[int] = []
    real = Chunks.carry_out

    def counted(self: Chunks, chunk: Any) -> Any:
        sizes.append(len(chunk))
        return real(self, chunk)

    monkeypatch.setattr(Chunks, "carry_out", counted)
    quick.post(ORDER)
    together = threading.Barrier(8)

    def publish() -> None:
        together.wait()
        for _ in range(10):
            assert quick.post(ORDER)[0] == 201

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sizes) == 81
    assert len(sizes) <= 20, sizes
    time.sleep(0.3)
    began = time.monotonic()
    for _ in range(3):
        quick.post(ORDER)
    assert time.monotonic() - began < 0.2
