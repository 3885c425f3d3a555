from __future__ import annotations

from collections.abc import Iterator

import pytest

from deliveries.queueing import redis_client


@pytest.fixture(autouse=True)
def closed_breakers() -> Iterator[None]:
    """Start with closed circuit breakers and leave none open."""
    redis_client.breaker.close()
    redis_client.broker_breaker.close()
    yield
    redis_client.breaker.close()
    redis_client.broker_breaker.close()
