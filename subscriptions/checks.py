"""Start-up checks: what is misconfigured is found at boot, with its name."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from subscriptions import encryption


@register
def encryption_keys_work(**_kwargs: Any) -> list[CheckMessage]:
    """Encrypt and decrypt once, so that a malformed key stops the start and not the first delivery."""
    try:
        encryption.decrypt(encryption.encrypt("check"))
    except ImproperlyConfigured as error:
        return [Error(str(error), id="webhooks_subscriptions.E001")]
    return []
