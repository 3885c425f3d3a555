"""The one place that options are read from: `MERCHANT_WEBHOOKS` in Django's settings, else the defaults.

`from subscriptions.conf import settings` in place of Django's own: it has Django's settings, too.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings

from subscriptions.options import EVERY, KEYS

NAME = "MERCHANT_WEBHOOKS"


class Settings:
    """Django's settings, with `WEBHOOKS_BODY_MAX` and its like read from the dictionary, where they are `BODY_MAX`.

    Nothing is remembered: what a test overrides counts at once. Nothing can be set here.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        key = KEYS.get(name)
        if key is None:
            return getattr(django_settings, name)
        given = getattr(django_settings, NAME, None)
        if given and key in given:
            return given[key]
        return EVERY[key].default


settings = Settings()
