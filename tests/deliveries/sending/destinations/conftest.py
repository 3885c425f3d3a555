from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import clouds
from tests.support.clouds import Amazon, PubSub


@pytest.fixture(scope="session")
def moto() -> Iterator[Amazon]:
    with clouds.amazon() as running:
        yield running


@pytest.fixture
def amazon(moto: Amazon) -> Amazon:
    """Amazon without anything in it, open to everybody."""
    moto.reset()
    return moto


@pytest.fixture
def pubsub() -> Iterator[PubSub]:
    with clouds.pubsub() as running:
        yield running
