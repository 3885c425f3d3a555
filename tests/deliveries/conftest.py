"""What several tests of deliveries set."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mails import Refusing


@pytest.fixture
def notices_at_once(settings: Any) -> None:
    """A first notice waits for no others to gather."""
    settings.WEBHOOKS_NOTICE_WAIT = 0.0


@pytest.fixture
def refusing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> type[Refusing]:
    """Mails go to a server that refuses the addresses in `refused`."""
    settings.EMAIL_BACKEND = f"{Refusing.__module__}.Refusing"
    monkeypatch.setattr(Refusing, "refused", ())
    return Refusing
