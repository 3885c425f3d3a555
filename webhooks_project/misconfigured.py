"""What is wrong with the environment, as findings of `manage.py doctor`, which can't start with it."""

from __future__ import annotations

import json
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def findings() -> list[str]:
    """Return what keeps the settings from being read: every option that is wrong, and what stopped them."""
    try:
        settings.INSTALLED_APPS  # noqa: B018 - reads all of them
    except ImproperlyConfigured as error:
        found = [*_wrong_options(), str(error)]
        return list(dict.fromkeys(found))
    return []


def _wrong_options() -> list[str]:
    from subscriptions import options
    from webhooks_project import env

    wrong = []
    for key, option in options.OPTIONS.items():
        try:
            env.read(options.variable(key), option)
        except ImproperlyConfigured as error:
            wrong.append(str(error))
    return wrong


def tell_and_exit(*, as_json: bool) -> None:
    """Print what is wrong as the doctor would, and exit with 1; return where nothing is."""
    found = findings()
    if not found:
        return
    fix = "Correct it in the environment or in .env; .env.example lists every variable. Then run doctor again."
    checks = [{"name": "environment", "status": "problem", "text": text, "fix": fix} for text in found]
    if as_json:
        print(json.dumps({"ok": False, "checks": checks}, indent=2))  # noqa: T201
    else:
        for check in checks:
            print(f"{check['status'].ljust(7)} {check['name'] + ':':<16} {check['text']}")  # noqa: T201
        print(f"{'':24} {fix}\n{len(found)} problem{'s' if len(found) > 1 else ''}.")  # noqa: T201
    sys.exit(1)
