from __future__ import annotations

import pytest

from deliveries.recording import outcomes, recorder
from tests.support.noted_outcomes import Written


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """Let recorders write nothing: what they would write is noted."""
    written = Written()
    monkeypatch.setattr(outcomes, "record", written)
    monkeypatch.setattr(recorder, "RETRY_AFTER", (0.01,))
    return written
