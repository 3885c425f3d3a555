"""Start-up checks: what is misconfigured is found at boot, with its name."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from subscriptions import encryption

SENDS_NOTHING = ("console", "dummy", "filebased", "locmem")
"""Django's mail backends whose mails reach nobody."""


@register
def encryption_keys_work(**_kwargs: Any) -> list[CheckMessage]:
    """Encrypt and decrypt once, so that a malformed key stops the start and not the first delivery."""
    try:
        encryption.decrypt(encryption.encrypt("check"))
    except ImproperlyConfigured as error:
        return [Error(str(error), id="webhooks_subscriptions.E001")]
    return []


@register(deploy=True)
def nothing_is_left_from_development(**_kwargs: Any) -> list[CheckMessage]:
    """Find DEBUG, and mail that reaches nobody, where the database isn't one of our own for development."""
    if getattr(settings, "EMBEDDED_DATABASE", False):
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        text = "DEBUG is on, on a PostgreSQL that isn't our own: error pages show settings and data to everybody."
        found.append(Error(text, hint="Set DEBUG=false, or leave it out.", id="webhooks_subscriptions.E002"))
    kind = settings.EMAIL_BACKEND.split(".")[-2]
    if settings.EMAIL_BACKEND.startswith("django.core.mail.") and kind in SENDS_NOTHING:
        text = f"Notices by mail reach nobody: EMAIL_BACKEND is Django's {kind} backend."
        hint = "Set EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend, and EMAIL_HOST."
        found.append(Error(text, hint=hint, id="webhooks_subscriptions.E003"))
    return found
