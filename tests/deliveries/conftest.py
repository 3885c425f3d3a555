"""What several tests of deliveries set."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def notices_at_once(settings: Any) -> None:
    """A first notice waits for no others to gather."""
    settings.WEBHOOKS_NOTICE_WAIT = 0.0
